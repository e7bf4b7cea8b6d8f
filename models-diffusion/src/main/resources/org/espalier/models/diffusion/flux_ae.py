# The autoencoder of FLUX.1 (https://github.com/black-forest-labs/flux), keys as published by Black Forest Labs.
def normed(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  return group_norm(w, p, x, 32, 9.9999999999999995e-07)
def residual(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  h = conv2d(w, p + ".conv1", torch.silu(normed(w, p + ".norm1", x)), 1, 1)
  h = conv2d(w, p + ".conv2", torch.silu(normed(w, p + ".norm2", h)), 1, 1)
  if torch.__contains__(w, p + ".nin_shortcut.weight"):
    s = conv2d(w, p + ".nin_shortcut", x, 1, 0)
  else:
    s = x
  return s + h
# (B, C, h, w) -> (B, 1, h * w, C): pixels as tokens of one head
def as_tokens(x: Tensor) -> Tensor:
  return torch.unsqueeze(torch.contiguous(torch.transpose(torch.flatten(x, 2), 1, 2)), 1)
def middle(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  h = residual(w, p + ".block_1", x)
  n = normed(w, p + ".attn_1.norm", h)
  q = as_tokens(conv2d(w, p + ".attn_1.q", n, 1, 0))
  k = as_tokens(conv2d(w, p + ".attn_1.k", n, 1, 0))
  v = as_tokens(conv2d(w, p + ".attn_1.v", n, 1, 0))
  a = torch.transpose(torch.squeeze(attention(q, k, v), 1), 1, 2)
  h = h + conv2d(w, p + ".attn_1.proj_out", torch.view_as(torch.contiguous(a), h), 1, 0)
  return residual(w, p + ".block_2", h)
class FluxAutoencoder(Module):
  # Packed latents (B, rows * columns, 4 * z), patches of 2 x 2 -> pixels (B, 3, height, width), about [-1, 1]
  def decode(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
    w = self.w
    z = torch.view(tokens, [torch.size(tokens, 0), rows, columns, -1, 2, 2])
    z = torch.flatten(torch.flatten(torch.permute(z, [0, 3, 1, 4, 2, 5]), 4, 5), 2, 3)
    z = torch.add(torch.div(torch.type_as(z, w["decoder.conv_in.weight"]), self.scale_factor), self.shift_factor)
    h = middle(w, "decoder.mid", conv2d(w, "decoder.conv_in", z, 1, 1))
    for i in range(self.levels):
      p = "decoder.up." + str(self.levels - 1 - i)
      for j in range(self.blocks + 1):
        h = residual(w, p + ".block." + str(j), h)
      if torch.__contains__(w, p + ".upsample.conv.weight"):
        h = conv2d(w, p + ".upsample.conv", torch.upsample_nearest2d(h, None, [2., 2.]), 1, 1)
    h = torch.silu(normed(w, "decoder.norm_out", h))
    return torch.to(conv2d(w, "decoder.conv_out", h, 1, 1), 6)
  # As `decode`, but 8-bit pixels (B, height, width, 3)
  def pixels(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
    x = torch.mul(torch.add(torch.clamp(self.decode(tokens, rows, columns), -1, 1), 1.), 127.5)
    return torch.contiguous(torch.permute(torch.to(torch.round(x), 0), [0, 2, 3, 1]))
  # Pixels (B, 3, height, width) in [-1, 1] -> the mean of the packed latents
  def encode(self, image: Tensor) -> Tensor:
    w = self.w
    h = conv2d(w, "encoder.conv_in", torch.type_as(image, w["encoder.conv_in.weight"]), 1, 1)
    for i in range(self.levels):
      p = "encoder.down." + str(i)
      for j in range(self.blocks):
        h = residual(w, p + ".block." + str(j), h)
      if torch.__contains__(w, p + ".downsample.conv.weight"):
        h = conv2d(w, p + ".downsample.conv", torch.constant_pad_nd(h, [0, 1, 0, 1]), 2, 0)
    h = torch.silu(normed(w, "encoder.norm_out", middle(w, "encoder.mid", h)))
    mean = torch.to((torch.chunk(conv2d(w, "encoder.conv_out", h, 1, 1), 2, 1))[0], 6)
    z = torch.mul(torch.sub(mean, self.shift_factor), self.scale_factor)
    z = torch.unflatten(torch.unflatten(z, 3, [-1, 2]), 2, [-1, 2])
    return torch.flatten(torch.flatten(torch.permute(z, [0, 2, 4, 1, 3, 5]), 3), 1, 2)
