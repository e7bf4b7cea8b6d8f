# The autoencoder of latent diffusion (https://arxiv.org/abs/2112.10752) as FLUX.1, FLUX.2, SD3 and Z-Image have it, keys as
# published by Black Forest Labs and Stability AI.
def normed(w: Dict[str, Tensor], p: str, x: Tensor, groups: int) -> Tensor:
  return group_norm(w, p, x, groups, 9.9999999999999995e-07)
def residual(w: Dict[str, Tensor], p: str, x: Tensor, groups: int) -> Tensor:
  h = conv2d(w, p + ".conv1", torch.silu(normed(w, p + ".norm1", x, groups)), 1, 1)
  h = conv2d(w, p + ".conv2", torch.silu(normed(w, p + ".norm2", h, groups)), 1, 1)
  if torch.__contains__(w, p + ".nin_shortcut.weight"):
    s = conv2d(w, p + ".nin_shortcut", x, 1, 0)
  else:
    s = x
  return s + h
# (B, C, h, w) -> (B, 1, h * w, C): pixels as tokens of one head
def as_tokens(x: Tensor) -> Tensor:
  return torch.unsqueeze(torch.contiguous(torch.transpose(torch.flatten(x, 2), 1, 2)), 1)
def middle(w: Dict[str, Tensor], p: str, x: Tensor, groups: int) -> Tensor:
  h = residual(w, p + ".block_1", x, groups)
  n = normed(w, p + ".attn_1.norm", h, groups)
  q = as_tokens(conv2d(w, p + ".attn_1.q", n, 1, 0))
  k = as_tokens(conv2d(w, p + ".attn_1.k", n, 1, 0))
  v = as_tokens(conv2d(w, p + ".attn_1.v", n, 1, 0))
  a = torch.transpose(torch.squeeze(attention(q, k, v), 1), 1, 2)
  h = h + conv2d(w, p + ".attn_1.proj_out", torch.view_as(torch.contiguous(a), h), 1, 0)
  return residual(w, p + ".block_2", h, groups)
class KlAutoencoder(Module):
  # Latents as the model has them -> as the decoder reads them: (B, z, height, width) in its own scale. A model's latents
  # are (B, z, height, width), or packed: (B, rows * columns, 4 * z), patches of 2 x 2.
  def opened(self, latent: Tensor, rows: int, columns: int) -> Tensor:
    w = self.w
    if self.statistics:
      mean = w["bn.running_mean"]
      deviation = torch.sqrt(torch.add(w["bn.running_var"], self.statistics_eps))
      x = torch.add(torch.mul(latent, deviation), mean)
    else:
      x = torch.add(torch.div(latent, self.scale_factor), self.shift_factor)
    if self.packed:
      z = torch.view(x, [torch.size(x, 0), rows, columns, -1, 2, 2])
      x = torch.flatten(torch.flatten(torch.permute(z, [0, 3, 1, 4, 2, 5]), 4, 5), 2, 3)
    #= "vae_latent" := x
    return torch.type_as(x, w["decoder.conv_in.weight"])
  # -> pixels (B, 3, height, width), about [-1, 1]
  def decode(self, latent: Tensor, rows: int, columns: int) -> Tensor:
    w = self.w
    z = self.opened(latent, rows, columns)
    if torch.__contains__(w, "decoder.post_quant_conv.weight"):
      z = conv2d(w, "decoder.post_quant_conv", z, 1, 0)
      #= "post_quant_conv" := z
    h = conv2d(w, "decoder.conv_in", z, 1, 1)
    #= "conv_in" := h
    h = middle(w, "decoder.mid", h, self.groups)
    #= "mid_block" := h
    for i in range(self.levels):
      p = "decoder.up." + str(self.levels - 1 - i)
      for j in range(self.blocks + 1):
        h = residual(w, p + ".block." + str(j), h, self.groups)
      if torch.__contains__(w, p + ".upsample.conv.weight"):
        h = conv2d(w, p + ".upsample.conv", torch.upsample_nearest2d(h, None, [2., 2.]), 1, 1)
      #= "up" + str(i) := h
    h = torch.silu(normed(w, "decoder.norm_out", h, self.groups))
    return torch.to(conv2d(w, "decoder.conv_out", h, 1, 1), 6)
  # As `decode`, but 8-bit pixels (B, height, width, 3)
  def pixels(self, latent: Tensor, rows: int, columns: int) -> Tensor:
    x = torch.mul(torch.add(torch.clamp(self.decode(latent, rows, columns), -1, 1), 1.), 127.5)
    return torch.contiguous(torch.permute(torch.to(torch.round(x), 0), [0, 2, 3, 1]))
  # Pixels (B, 3, height, width) in [-1, 1] -> the mean of the packed latents
  def encode(self, image: Tensor) -> Tensor:
    w = self.w
    h = conv2d(w, "encoder.conv_in", torch.type_as(image, w["encoder.conv_in.weight"]), 1, 1)
    for i in range(self.levels):
      p = "encoder.down." + str(i)
      for j in range(self.blocks):
        h = residual(w, p + ".block." + str(j), h, self.groups)
      if torch.__contains__(w, p + ".downsample.conv.weight"):
        h = conv2d(w, p + ".downsample.conv", torch.constant_pad_nd(h, [0, 1, 0, 1]), 2, 0)
    h = torch.silu(normed(w, "encoder.norm_out", middle(w, "encoder.mid", h, self.groups), self.groups))
    mean = torch.to((torch.chunk(conv2d(w, "encoder.conv_out", h, 1, 1), 2, 1))[0], 6)
    return patches(torch.mul(torch.sub(mean, self.shift_factor), self.scale_factor))
