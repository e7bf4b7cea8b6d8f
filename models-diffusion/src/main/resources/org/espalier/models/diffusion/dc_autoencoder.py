# The decoder of the deep-compression autoencoder (https://arxiv.org/abs/2410.10733), keys as in diffusers' AutoencoderDC.
# Divides the channels of x (B, C, h, w) by their root mean square.
def channel_norm(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  y = rms_norm(w[p + ".weight"], torch.permute(x, [0, 2, 3, 1]), 1.0000000000000001e-05)
  return torch.permute(y + w[p + ".bias"], [0, 3, 1, 2])
# Channels as each of several, so that a shortcut fits.
def repeated(x: Tensor, channels: int) -> Tensor:
  return torch.repeat_interleave(x, channels // torch.size(x, 1), 1)
def enlarged(w: Dict[str, Tensor], p: str, x: Tensor, shuffled: bool) -> Tensor:
  if shuffled:
    y = torch.pixel_shuffle(convolution(w, p, x, 1), 2)
  else:
    y = convolution(w, p, torch.upsample_nearest2d(x, None, [2., 2.]), 1)
  return y + torch.pixel_shuffle(repeated(x, 4 * torch.size(y, 1)), 2)
def residual(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  h = torch.silu(convolution(w, p + ".conv1", x, 1))
  return x + channel_norm(w, p + ".norm", convolution(w, p + ".conv2", h, 1))
class DcAutoencoder(Module):
  # Attention at several scales: of the pixels themselves, and of neighbourhoods.
  def attention(self, p: str, x: Tensor) -> Tensor:
    w = self.w
    h = torch.permute(x, [0, 2, 3, 1])
    joined = torch.cat([projection(w, p + ".to_q", h), projection(w, p + ".to_k", h), projection(w, p + ".to_v", h)], 3)
    qkv = torch.permute(joined, [0, 3, 1, 2])
    scales = [qkv]
    s = 0
    while torch.__contains__(w, p + ".to_qkv_multiscale." + str(s) + ".proj_in.weight"):
      c = p + ".to_qkv_multiscale." + str(s)
      n = convolution(w, c + ".proj_in", qkv, torch.size(qkv, 1))
      _0 = torch.append(scales, convolution(w, c + ".proj_out", n, torch.size(qkv, 1) // self.head_width))
      s = s + 1
    parts = torch.chunk(torch.unflatten(torch.flatten(torch.cat(scales, 1), 2), 1, [-1, 3 * self.head_width]), 3, 2)
    if torch.gt(torch.size(parts[0], 3), self.head_width):
      a = linear_attention(parts[0], parts[1], parts[2])
    else:
      a = quadratic_attention(parts[0], parts[1], parts[2])
    a = torch.permute(torch.type_as(torch.flatten(a, 1, 2), x), [0, 2, 1])
    y = torch.permute(projection(w, p + ".to_out", torch.unflatten(a, 1, [torch.size(x, 2), torch.size(x, 3)])), [0, 3, 1, 2])
    return x + channel_norm(w, p + ".norm_out", y)
  # Latents (B, z, rows, columns) -> pixels (B, 3, height, width), about [-1, 1]
  def decode(self, latent: Tensor, rows: int, columns: int) -> Tensor:
    w = self.w
    z = torch.type_as(torch.div(latent, self.scale_factor), w["decoder.conv_in.weight"])
    x = convolution(w, "decoder.conv_in", z, 1)
    #= "conv_in" := x
    x = x + repeated(z, torch.size(x, 1))
    for i in range(self.levels):
      level = self.levels - 1 - i
      for j in range(self.most):
        p = "decoder.up_blocks." + str(level) + "." + str(j)
        if torch.__contains__(w, p + ".conv.weight"):
          x = enlarged(w, p + ".conv", x, self.shuffled)
        if torch.__contains__(w, p + ".conv1.weight"):
          x = residual(w, p, x)
        if torch.__contains__(w, p + ".attn.to_q.weight"):
          x = self.attention(p + ".attn", x)
          x = x + channel_norm(w, p + ".conv_out.norm", gated_convolutions(w, p + ".conv_out", x))
      #= "block" + str(i) := x
    x = torch.relu(channel_norm(w, "decoder.norm_out", x))
    return torch.to(convolution(w, "decoder.conv_out", x, 1), 6)
  # As `decode`, but 8-bit pixels (B, height, width, 3)
  def pixels(self, latent: Tensor, rows: int, columns: int) -> Tensor:
    x = torch.mul(torch.add(torch.clamp(self.decode(latent, rows, columns), -1, 1), 1.), 127.5)
    return torch.contiguous(torch.permute(torch.to(torch.round(x), 0), [0, 2, 3, 1]))
