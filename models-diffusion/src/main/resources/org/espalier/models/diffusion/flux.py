def silu_mlp(x: Tensor, w: Dict[str, Tensor], p: str) -> Tensor:
  h = torch.silu(torch.linear(x, w[p + ".in_layer.weight"], w[p + ".in_layer.bias"]))
  return torch.linear(h, w[p + ".out_layer.weight"], w[p + ".out_layer.bias"])
def sinusoid(t: Tensor, like: Tensor) -> Tensor:
  i = torch.arange(128, dtype=6, device=t.device)
  freqs = torch.exp(torch.mul(i, -9.2103403719761836) / 128.)
  a = torch.unsqueeze(torch.mul(t, 1000.), -1) * freqs
  return torch.type_as(torch.cat([torch.cos(a), torch.sin(a)], -1), like)
def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
  n = torch.layer_norm(x, [torch.size(x, -1)], None, None, 9.9999999999999995e-07)
  return torch.add(torch.mul(torch.add(scale, 1), n), shift)
def modulation(vec: Tensor, w: Dict[str, Tensor], p: str, parts: int) -> List[Tensor]:
  m = torch.linear(vec, w[p + ".weight"], w[p + ".bias"])
  return torch.chunk(torch.unsqueeze(m, 1), parts, -1)
def qk_norm(x: Tensor, scale: Tensor) -> Tensor:
  f = torch.to(x, 6)
  r = torch.rsqrt(torch.add(torch.mean(torch.pow(f, 2), [-1], True), 9.9999999999999995e-07))
  return torch.mul(torch.type_as(torch.mul(f, r), x), scale)
def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
  f = torch.unflatten(torch.to(x, 6), -1, [-1, 2])
  a = torch.select(f, -1, 0)
  b = torch.select(f, -1, 1)
  r = torch.stack([a * cos - b * sin, a * sin + b * cos], -1)
  return torch.type_as(torch.flatten(r, -2), x)
def heads(qkv: Tensor, count: int) -> Tensor:
  return torch.permute(torch.unflatten(qkv, -1, [3, count, -1]), [2, 0, 3, 1, 4])
def merged(x: Tensor) -> Tensor:
  return torch.flatten(torch.transpose(x, 1, 2), -2)
def attend(q: Tensor, k: Tensor, v: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
  a = torch.scaled_dot_product_attention(__torch__.rotate(q, cos, sin), __torch__.rotate(k, cos, sin), v, None, 0., False)
  return __torch__.merged(a)
def stream_linear(x: Tensor, w: Dict[str, Tensor], p: str) -> Tensor:
  if torch.__contains__(w, p + ".bias"):
    y = torch.linear(x, w[p + ".weight"], w[p + ".bias"])
  else:
    y = torch.linear(x, w[p + ".weight"])
  return y
def stream_mlp(x: Tensor, w: Dict[str, Tensor], p: str) -> Tensor:
  h = torch.gelu(torch.linear(x, w[p + ".0.weight"], w[p + ".0.bias"]), approximate="tanh")
  return torch.linear(h, w[p + ".2.weight"], w[p + ".2.bias"])
class Flux(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  w : Dict[str, Tensor]
  double_blocks : int
  single_blocks : int
  heads : int
  theta : float
  axes : List[int]
  names : List[str]
  def rotary(self: __torch__.Flux,
    ids: Tensor) -> Tuple[Tensor, Tensor]:
    angles = annotate(List[Tensor], [])
    axes = self.axes
    for i in range(torch.len(axes)):
      d = axes[i]
      power = torch.arange(0, d, 2, dtype=6, device=ids.device) / float(d)
      omega = torch.reciprocal(torch.pow(self.theta, power))
      _0 = torch.append(angles, torch.unsqueeze(torch.select(ids, -1, i), -1) * omega)
    a = torch.cat(angles, -1)
    return (torch.cos(a), torch.sin(a))
  def velocity(self: __torch__.Flux,
    img: Tensor,
    txt: Tensor,
    vec: Tensor,
    t: Tensor,
    guidance: Tensor,
    cos: Tensor,
    sin: Tensor) -> Tensor:
    w = self.w
    like = w["img_in.weight"]
    H = self.heads
    x = torch.linear(torch.type_as(img, like), like, w["img_in.bias"])
    y = torch.linear(torch.type_as(txt, like), w["txt_in.weight"], w["txt_in.bias"])
    c = __torch__.silu_mlp(__torch__.sinusoid(t, like), w, "time_in")
    if torch.__contains__(w, "guidance_in.in_layer.weight"):
      c0 = c + __torch__.silu_mlp(__torch__.sinusoid(guidance, like), w, "guidance_in")
    else:
      c0 = c
    c1 = torch.silu(c0 + __torch__.silu_mlp(torch.type_as(vec, like), w, "vector_in"))
    L = torch.size(y, 1)
    for i in range(self.double_blocks):
      p = "double_blocks." + str(i) + "."
      m = __torch__.modulation(c1, w, p + "img_mod.lin", 6)
      n = __torch__.modulation(c1, w, p + "txt_mod.lin", 6)
      qx = __torch__.heads(__torch__.stream_linear(__torch__.modulated(x, m[0], m[1]), w, p + "img_attn.qkv"), H)
      qy = __torch__.heads(__torch__.stream_linear(__torch__.modulated(y, n[0], n[1]), w, p + "txt_attn.qkv"), H)
      q = torch.cat([__torch__.qk_norm(qy[0], w[p + "txt_attn.norm.query_norm.scale"]), __torch__.qk_norm(qx[0], w[p + "img_attn.norm.query_norm.scale"])], 2)
      k = torch.cat([__torch__.qk_norm(qy[1], w[p + "txt_attn.norm.key_norm.scale"]), __torch__.qk_norm(qx[1], w[p + "img_attn.norm.key_norm.scale"])], 2)
      v = torch.cat([qy[2], qx[2]], 2)
      a = __torch__.attend(q, k, v, cos, sin)
      x = x + m[2] * __torch__.stream_linear(torch.slice(a, 1, L), w, p + "img_attn.proj")
      x = x + m[5] * __torch__.stream_mlp(__torch__.modulated(x, m[3], m[4]), w, p + "img_mlp")
      y = y + n[2] * __torch__.stream_linear(torch.slice(a, 1, 0, L), w, p + "txt_attn.proj")
      y = y + n[5] * __torch__.stream_mlp(__torch__.modulated(y, n[3], n[4]), w, p + "txt_mlp")
    z = torch.cat([y, x], 1)
    D = torch.size(z, 2)
    for i in range(self.single_blocks):
      p = "single_blocks." + str(i) + "."
      m = __torch__.modulation(c1, w, p + "modulation.lin", 3)
      h = torch.linear(__torch__.modulated(z, m[0], m[1]), w[p + "linear1.weight"], w[p + "linear1.bias"])
      qz = __torch__.heads(torch.slice(h, 2, 0, 3 * D), H)
      q = __torch__.qk_norm(qz[0], w[p + "norm.query_norm.scale"])
      k = __torch__.qk_norm(qz[1], w[p + "norm.key_norm.scale"])
      a = __torch__.attend(q, k, qz[2], cos, sin)
      g = torch.gelu(torch.slice(h, 2, 3 * D), approximate="tanh")
      z = z + m[2] * torch.linear(torch.cat([a, g], 2), w[p + "linear2.weight"], w[p + "linear2.bias"])
    o = __torch__.modulation(c1, w, "final_layer.adaLN_modulation.1", 2)
    z = __torch__.modulated(torch.slice(z, 1, L), o[0], o[1])
    return torch.to(torch.linear(z, w["final_layer.linear.weight"], w["final_layer.linear.bias"]), 6)
  def guided(self: __torch__.Flux,
    img: Tensor,
    txt: Tensor,
    vec: Tensor,
    txt_negative: Tensor,
    vec_negative: Tensor,
    t: Tensor,
    guidance: Tensor,
    cos: Tensor,
    sin: Tensor,
    cos_negative: Tensor,
    sin_negative: Tensor,
    scale: Tensor) -> Tensor:
    B = torch.size(img, 0)
    if torch.eq(torch.size(txt, 1), torch.size(txt_negative, 1)):
      v = (self).velocity(torch.cat([img, img]), torch.cat([txt, txt_negative]), torch.cat([vec, vec_negative]), torch.cat([t, t]), torch.cat([guidance, guidance]), cos, sin)
      positive = torch.slice(v, 0, 0, B)
      negative = torch.slice(v, 0, B)
    else:
      positive = (self).velocity(img, txt, vec, t, guidance, cos, sin)
      negative = (self).velocity(img, txt_negative, vec_negative, t, guidance, cos_negative, sin_negative)
    return negative + scale * (positive - negative)
  def set(self: __torch__.Flux,
    index: Tensor,
    value: Tensor,
    dtype: Tensor,
    shape: Tensor) -> Tensor:
    sizes = annotate(List[int], [])
    for j in range(torch.size(shape, 0)):
      _0 = torch.append(sizes, int(torch.select(shape, 0, j)))
    w = self.w
    torch._set_item(w, (self.names)[int(index)], torch.to(torch.view(value, sizes), int(dtype)))
    return torch.tensor(torch.len(w))
