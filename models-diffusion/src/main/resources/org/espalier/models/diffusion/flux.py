# The transformer of FLUX.1 (https://github.com/black-forest-labs/flux), keys as published by Black Forest Labs.
# B rows, N image tokens, L text tokens, S = L + N, D model width. Norms, rotary embedding and the time
# embedding are computed in float32 whatever the type of the weights.
def embed(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  return linear(w, p + ".out_layer", torch.silu(linear(w, p + ".in_layer", x)))
# Times (B) -> (B, 256): cosines, then sines, of 1000 t at frequencies 10000^(-i/128).
def sinusoid(t: Tensor, like: Tensor) -> Tensor:
  i = torch.arange(128, dtype=6, device=t.device)
  frequency = torch.exp(torch.mul(i, -9.2103403719761836) / 128.)
  angle = torch.unsqueeze(torch.mul(t, 1000.), -1) * frequency
  return torch.type_as(torch.cat([torch.cos(angle), torch.sin(angle)], -1), like)
# Shift, scale and gate of each branch, from the conditioning vector: `parts` tensors (B, 1, D).
def modulation(w: Dict[str, Tensor], p: str, c: Tensor, parts: int) -> List[Tensor]:
  return torch.chunk(torch.unsqueeze(linear(w, p, c), 1), parts, -1)
def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
  return torch.addcmul(shift, torch.add(scale, 1), plain_layer_norm(x, 9.9999999999999995e-07))
# Queries and keys of some tokens, out of (B, T, 3 * D): each is divided by its root mean square, scaled and
# turned by the rope (T, 1, 1, D / heads / 2) of complex factors, which act on consecutive pairs of channels.
# They go into `into` (B, T, 2, heads, D / heads). -> values (B, T, heads, D / heads)
def query_key(w: Dict[str, Tensor], p: str, x: Tensor, heads: int, rope: Tensor, into: Tensor) -> Tensor:
  qkv = torch.unflatten(x, -1, [3, heads, -1])
  qk = torch.slice(qkv, 2, 0, 2)
  length = torch.norm(qk, 2, [-1], True, dtype=6)
  inverse = torch.rsqrt(length * length / torch.size(qk, -1) + 9.9999999999999995e-07)
  gain = torch.stack([w[p + ".query_norm.scale"], w[p + ".key_norm.scale"]], 0)
  scaled = torch.mul_(qk * inverse, torch.unsqueeze(torch.to(gain, 6), 1))
  turned = torch.view_as_complex(torch.unflatten(scaled, -1, [-1, 2])) * rope
  _0 = torch.copy_(into, torch.flatten(torch.view_as_real(turned), -2))
  return torch.select(qkv, 2, 2)
# Queries and keys (B, S, 2, heads, D / heads), values (B, S, heads, D / heads) -> (B, S, D)
def joint_attention(qk: Tensor, v: Tensor) -> Tensor:
  q = torch.transpose(torch.select(qk, 2, 0), 1, 2)
  k = torch.transpose(torch.select(qk, 2, 1), 1, 2)
  return merge_heads(attention(q, k, torch.transpose(v, 1, 2)))
# FLUX.1 has biases here; the layout allows to leave them out.
def projection(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  if torch.__contains__(w, p + ".bias"):
    y = linear(w, p, x)
  else:
    y = linear_no_bias(w, p, x)
  return y
def feed_forward(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  return linear(w, p + ".2", torch.gelu(linear(w, p + ".0", x), approximate="tanh"))
class Flux(Module):
  # positions (S, axes) float32 -> the rotary factors (S, 1, 1, D / heads / 2), complex
  def rotary(self, positions: Tensor) -> Tensor:
    angles = annotate(List[Tensor], [])
    axes = self.axes
    for i in range(torch.len(axes)):
      power = torch.arange(0, axes[i], 2, dtype=6, device=positions.device) / float(axes[i])
      omega = torch.reciprocal(torch.pow(self.theta, power))
      _0 = torch.append(angles, torch.unsqueeze(torch.select(positions, -1, i), -1) * omega)
    angle = torch.cat(angles, -1)
    factors = torch.view_as_complex(torch.stack([torch.cos(angle), torch.sin(angle)], -1))
    return torch.unsqueeze(torch.unsqueeze(factors, 1), 1)
  # image (B, N, C), text (B, L, .), pooled (B, .), t and guidance (B) -> velocity (B, N, C) float32
  def velocity(self, image: Tensor, text: Tensor, pooled: Tensor, t: Tensor, guidance: Tensor, rope: Tensor) -> Tensor:
    w = self.w
    like = w["img_in.weight"]
    x = linear(w, "img_in", torch.type_as(image, like))
    y = linear(w, "txt_in", torch.type_as(text, like))
    time = embed(w, "time_in", sinusoid(t, like))
    if torch.__contains__(w, "guidance_in.in_layer.weight"):
      time = time + embed(w, "guidance_in", sinusoid(guidance, like))
    c = torch.silu(time + embed(w, "vector_in", torch.type_as(pooled, like)))
    L = torch.size(y, 1)
    S = L + torch.size(x, 1)
    D = torch.size(x, 2)
    text_rope = torch.slice(rope, 0, 0, L)
    image_rope = torch.slice(rope, 0, L)
    # Written anew by every block.
    qk = torch.empty([torch.size(x, 0), S, 2, self.heads, D // self.heads], dtype=x.dtype, device=x.device)
    for i in range(self.double_blocks):
      p = "double_blocks." + str(i) + "."
      m = modulation(w, p + "img_mod.lin", c, 6)
      n = modulation(w, p + "txt_mod.lin", c, 6)
      xv = query_key(w, p + "img_attn.norm", projection(w, p + "img_attn.qkv", modulated(x, m[0], m[1])), self.heads, image_rope, torch.slice(qk, 1, L))
      yv = query_key(w, p + "txt_attn.norm", projection(w, p + "txt_attn.qkv", modulated(y, n[0], n[1])), self.heads, text_rope, torch.slice(qk, 1, 0, L))
      a = joint_attention(qk, torch.cat([yv, xv], 1))
      x = torch.addcmul(x, m[2], linear(w, p + "img_attn.proj", torch.slice(a, 1, L)))
      x = torch.addcmul(x, m[5], feed_forward(w, p + "img_mlp", modulated(x, m[3], m[4])))
      y = torch.addcmul(y, n[2], linear(w, p + "txt_attn.proj", torch.slice(a, 1, 0, L)))
      y = torch.addcmul(y, n[5], feed_forward(w, p + "txt_mlp", modulated(y, n[3], n[4])))
    z = torch.cat([y, x], 1)
    wide = torch.empty([torch.size(x, 0), S, D + self.mlp_width], dtype=x.dtype, device=x.device)
    for i in range(self.single_blocks):
      p = "single_blocks." + str(i) + "."
      m = modulation(w, p + "modulation.lin", c, 3)
      h = linear(w, p + "linear1", modulated(z, m[0], m[1]))
      v = query_key(w, p + "norm", torch.slice(h, 2, 0, 3 * D), self.heads, rope, qk)
      _0 = torch.copy_(torch.slice(wide, 2, 0, D), joint_attention(qk, v))
      _1 = torch.gelu(torch.slice(h, 2, 3 * D), approximate="tanh", out=torch.slice(wide, 2, D))
      z = torch.addcmul(z, m[2], linear(w, p + "linear2", wide))
    m = modulation(w, "final_layer.adaLN_modulation.1", c, 2)
    z = modulated(torch.slice(z, 1, L), m[0], m[1])
    return torch.to(linear(w, "final_layer.linear", z), 6)
  # image (B, N, C), one text (1, L, .) and one pooled vector (1, .) a row, times (B), one guidance scale.
  def rows(self, image: Tensor, texts: List[Tensor], pooled: List[Tensor], t: Tensor, guidance: float, rope: Tensor) -> Tensor:
    return self.velocity(image, torch.cat(texts), torch.cat(pooled), t, torch.full_like(t, guidance), rope)
  # Classifier-free guidance, negative + scale * (positive - negative): a pair of rows for each row, in one network call.
  def pairs(self, image: Tensor, texts: List[Tensor], pooled: List[Tensor], t: Tensor, guidance: float, rope: Tensor, negative_text: Tensor, negative_pooled: Tensor, scale: float) -> Tensor:
    B = torch.size(image, 0)
    text = torch.cat([torch.cat(texts), torch.expand(negative_text, [B, -1, -1])])
    vector = torch.cat([torch.cat(pooled), torch.expand(negative_pooled, [B, -1])])
    both = torch.cat([t, t])
    v = self.velocity(torch.cat([image, image]), text, vector, both, torch.full_like(both, guidance), rope)
    positive = torch.slice(v, 0, 0, B)
    negative = torch.slice(v, 0, B)
    return torch.add(negative, torch.mul(torch.sub(positive, negative), scale))
