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
  return torch.add(torch.mul(torch.add(scale, 1), plain_layer_norm(x, 9.9999999999999995e-07)), shift)
# (B, T, 3 * D) -> queries, keys, values, stacked: (3, B, heads, T, D / heads)
def query_key_value(x: Tensor, heads: int) -> Tensor:
  return torch.permute(torch.unflatten(x, -1, [3, heads, -1]), [2, 0, 3, 1, 4])
def head_norm(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  return rms_norm(w[p + ".scale"], x, 9.9999999999999995e-07)
# Rotates consecutive pairs of a head's channels; cos and sin are (S, D / heads / 2).
def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
  pairs = torch.unflatten(torch.to(x, 6), -1, [-1, 2])
  a = torch.select(pairs, -1, 0)
  b = torch.select(pairs, -1, 1)
  turned = torch.stack([a * cos - b * sin, a * sin + b * cos], -1)
  return torch.type_as(torch.flatten(turned, -2), x)
def rotary_attention(q: Tensor, k: Tensor, v: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
  return merge_heads(attention(rotate(q, cos, sin), rotate(k, cos, sin), v))
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
  # positions (S, axes) float32 -> cosines and sines (S, D / heads / 2)
  def rotary(self, positions: Tensor) -> Tuple[Tensor, Tensor]:
    angles = annotate(List[Tensor], [])
    axes = self.axes
    for i in range(torch.len(axes)):
      power = torch.arange(0, axes[i], 2, dtype=6, device=positions.device) / float(axes[i])
      omega = torch.reciprocal(torch.pow(self.theta, power))
      _0 = torch.append(angles, torch.unsqueeze(torch.select(positions, -1, i), -1) * omega)
    angle = torch.cat(angles, -1)
    return (torch.cos(angle), torch.sin(angle))
  # image (B, N, C), text (B, L, .), pooled (B, .), t and guidance (B) -> velocity (B, N, C) float32
  def velocity(self, image: Tensor, text: Tensor, pooled: Tensor, t: Tensor, guidance: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    w = self.w
    like = w["img_in.weight"]
    x = linear(w, "img_in", torch.type_as(image, like))
    y = linear(w, "txt_in", torch.type_as(text, like))
    time = embed(w, "time_in", sinusoid(t, like))
    if torch.__contains__(w, "guidance_in.in_layer.weight"):
      time = time + embed(w, "guidance_in", sinusoid(guidance, like))
    c = torch.silu(time + embed(w, "vector_in", torch.type_as(pooled, like)))
    L = torch.size(y, 1)
    for i in range(self.double_blocks):
      p = "double_blocks." + str(i) + "."
      m = modulation(w, p + "img_mod.lin", c, 6)
      n = modulation(w, p + "txt_mod.lin", c, 6)
      xs = query_key_value(projection(w, p + "img_attn.qkv", modulated(x, m[0], m[1])), self.heads)
      ys = query_key_value(projection(w, p + "txt_attn.qkv", modulated(y, n[0], n[1])), self.heads)
      q = torch.cat([head_norm(w, p + "txt_attn.norm.query_norm", ys[0]), head_norm(w, p + "img_attn.norm.query_norm", xs[0])], 2)
      k = torch.cat([head_norm(w, p + "txt_attn.norm.key_norm", ys[1]), head_norm(w, p + "img_attn.norm.key_norm", xs[1])], 2)
      a = rotary_attention(q, k, torch.cat([ys[2], xs[2]], 2), cos, sin)
      x = x + m[2] * linear(w, p + "img_attn.proj", torch.slice(a, 1, L))
      x = x + m[5] * feed_forward(w, p + "img_mlp", modulated(x, m[3], m[4]))
      y = y + n[2] * linear(w, p + "txt_attn.proj", torch.slice(a, 1, 0, L))
      y = y + n[5] * feed_forward(w, p + "txt_mlp", modulated(y, n[3], n[4]))
    z = torch.cat([y, x], 1)
    D = torch.size(z, 2)
    for i in range(self.single_blocks):
      p = "single_blocks." + str(i) + "."
      m = modulation(w, p + "modulation.lin", c, 3)
      h = linear(w, p + "linear1", modulated(z, m[0], m[1]))
      zs = query_key_value(torch.slice(h, 2, 0, 3 * D), self.heads)
      q = head_norm(w, p + "norm.query_norm", zs[0])
      k = head_norm(w, p + "norm.key_norm", zs[1])
      a = rotary_attention(q, k, zs[2], cos, sin)
      g = torch.gelu(torch.slice(h, 2, 3 * D), approximate="tanh")
      z = z + m[2] * linear(w, p + "linear2", torch.cat([a, g], 2))
    m = modulation(w, "final_layer.adaLN_modulation.1", c, 2)
    z = modulated(torch.slice(z, 1, L), m[0], m[1])
    return torch.to(linear(w, "final_layer.linear", z), 6)
  # image (B, N, C), one text (1, L, .) and one pooled vector (1, .) a row, times (B), one guidance scale.
  def rows(self, image: Tensor, texts: List[Tensor], pooled: List[Tensor], t: Tensor, guidance: float, cos: Tensor, sin: Tensor) -> Tensor:
    return self.velocity(image, torch.cat(texts), torch.cat(pooled), t, torch.full_like(t, guidance), cos, sin)
  # Classifier-free guidance, negative + scale * (positive - negative): a pair of rows for each row, in one network call.
  def pairs(self, image: Tensor, texts: List[Tensor], pooled: List[Tensor], t: Tensor, guidance: float, cos: Tensor, sin: Tensor, negative_text: Tensor, negative_pooled: Tensor, scale: float) -> Tensor:
    B = torch.size(image, 0)
    text = torch.cat([torch.cat(texts), torch.expand(negative_text, [B, -1, -1])])
    vector = torch.cat([torch.cat(pooled), torch.expand(negative_pooled, [B, -1])])
    both = torch.cat([t, t])
    v = self.velocity(torch.cat([image, image]), text, vector, both, torch.full_like(both, guidance), cos, sin)
    positive = torch.slice(v, 0, 0, B)
    negative = torch.slice(v, 0, B)
    return torch.add(negative, torch.mul(torch.sub(positive, negative), scale))
