def conv(x: Tensor, w: Dict[str, Tensor], p: str, padding: int) -> Tensor:
  return torch.conv2d(x, w[p + ".weight"], w[p + ".bias"], [1, 1], [padding, padding])
def norm(x: Tensor, w: Dict[str, Tensor], p: str) -> Tensor:
  return torch.group_norm(x, 32, w[p + ".weight"], w[p + ".bias"], 9.9999999999999995e-07)
def residual(x: Tensor, w: Dict[str, Tensor], p: str) -> Tensor:
  h = __torch__.conv(torch.silu(__torch__.norm(x, w, p + ".norm1")), w, p + ".conv1", 1)
  h = __torch__.conv(torch.silu(__torch__.norm(h, w, p + ".norm2")), w, p + ".conv2", 1)
  if torch.__contains__(w, p + ".nin_shortcut.weight"):
    s = __torch__.conv(x, w, p + ".nin_shortcut", 0)
  else:
    s = x
  return s + h
def middle(x: Tensor, w: Dict[str, Tensor], p: str) -> Tensor:
  h = __torch__.residual(x, w, p + ".block_1")
  n = __torch__.norm(h, w, p + ".attn_1.norm")
  q = torch.unsqueeze(torch.transpose(torch.flatten(__torch__.conv(n, w, p + ".attn_1.q", 0), 2), 1, 2), 1)
  k = torch.unsqueeze(torch.transpose(torch.flatten(__torch__.conv(n, w, p + ".attn_1.k", 0), 2), 1, 2), 1)
  v = torch.unsqueeze(torch.transpose(torch.flatten(__torch__.conv(n, w, p + ".attn_1.v", 0), 2), 1, 2), 1)
  a = torch.scaled_dot_product_attention(q, k, v, None, 0., False)
  a = torch.view_as(torch.contiguous(torch.transpose(torch.squeeze(a, 1), 1, 2)), h)
  h = h + __torch__.conv(a, w, p + ".attn_1.proj_out", 0)
  return __torch__.residual(h, w, p + ".block_2")
class FluxAutoencoder(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  w : Dict[str, Tensor]
  levels : int
  blocks : int
  scale_factor : float
  shift_factor : float
  names : List[str]
  def decode(self: __torch__.FluxAutoencoder,
    tokens: Tensor,
    grid: Tensor) -> Tensor:
    w = self.w
    rows = int(torch.select(grid, 0, 0))
    columns = int(torch.select(grid, 0, 1))
    z = torch.view(tokens, [torch.size(tokens, 0), rows, columns, -1, 2, 2])
    z = torch.flatten(torch.flatten(torch.permute(z, [0, 3, 1, 4, 2, 5]), 4, 5), 2, 3)
    z = torch.add(torch.div(torch.type_as(z, w["decoder.conv_in.weight"]), self.scale_factor), self.shift_factor)
    h = __torch__.middle(__torch__.conv(z, w, "decoder.conv_in", 1), w, "decoder.mid")
    for i in range(self.levels):
      p = "decoder.up." + str(self.levels - 1 - i)
      for j in range(self.blocks + 1):
        h = __torch__.residual(h, w, p + ".block." + str(j))
      if torch.__contains__(w, p + ".upsample.conv.weight"):
        h = __torch__.conv(torch.upsample_nearest2d(h, None, [2., 2.]), w, p + ".upsample.conv", 1)
    h = torch.silu(__torch__.norm(h, w, "decoder.norm_out"))
    return torch.to(__torch__.conv(h, w, "decoder.conv_out", 1), 6)
  def pixels(self: __torch__.FluxAutoencoder,
    tokens: Tensor,
    grid: Tensor) -> Tensor:
    x = torch.clamp((self).decode(tokens, grid), -1, 1)
    x = torch.permute(torch.mul(torch.add(x, 1.), 127.5), [0, 2, 3, 1])
    return torch.contiguous(torch.to(x, 0))
  def encode(self: __torch__.FluxAutoencoder,
    image: Tensor) -> Tensor:
    w = self.w
    h = __torch__.conv(torch.type_as(image, w["encoder.conv_in.weight"]), w, "encoder.conv_in", 1)
    for i in range(self.levels):
      p = "encoder.down." + str(i)
      for j in range(self.blocks):
        h = __torch__.residual(h, w, p + ".block." + str(j))
      d = p + ".downsample.conv"
      if torch.__contains__(w, d + ".weight"):
        h = torch.conv2d(torch.constant_pad_nd(h, [0, 1, 0, 1]), w[d + ".weight"], w[d + ".bias"], [2, 2])
    h = torch.silu(__torch__.norm(__torch__.middle(h, w, "encoder.mid"), w, "encoder.norm_out"))
    mean = torch.to((torch.chunk(__torch__.conv(h, w, "encoder.conv_out", 1), 2, 1))[0], 6)
    z = torch.mul(torch.sub(mean, self.shift_factor), self.scale_factor)
    z = torch.unflatten(torch.unflatten(z, 3, [-1, 2]), 2, [-1, 2])
    return torch.flatten(torch.flatten(torch.permute(z, [0, 2, 4, 1, 3, 5]), 3), 1, 2)
  def set(self: __torch__.FluxAutoencoder,
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
