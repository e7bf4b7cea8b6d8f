# The visual tokenizer of Infinity: a convolutional autoencoder with multi-scale binary spherical
# quantisation. Keys as published.
def norm_swish(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  channels = torch.size(x, 1)
  groups = 24
  if channels % 32 == 0:
    groups = 32
  return torch.silu(group_norm(w, p + ".norm", x, groups, 1.e-6))
def convolve(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  weight = w[p + ".conv.weight"]
  pad = torch.size(weight, 2) // 2
  return torch.conv2d(torch.to(x, weight.dtype), weight, w[p + ".conv.bias"], [1, 1], [pad, pad])
def residual(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  h = convolve(w, p + ".conv1", norm_swish(w, p + ".norm1", x))
  h = convolve(w, p + ".conv2", norm_swish(w, p + ".norm2", h))
  if torch.__contains__(w, p + ".nin_shortcut.conv.weight"):
    x = convolve(w, p + ".nin_shortcut", x)
  return x + h
# On a GPU the decoder keeps large images in channels-last order, in which the convolutions compute, and never adds a
# convolution's bias to an image of its own: it goes along as numbers (1, C), which the next norm takes in.
# `norm_swish_last` and `upsample_last` are in bsq_last.py, or in bsq_last_fused.py.
def convolve_last(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  weight = w[p + ".conv.weight"]
  pad = torch.size(weight, 2) // 2
  return torch.conv2d(x, weight, None, [1, 1], [pad, pad])
def bias_of(w: Dict[str, Tensor], p: str) -> Tensor:
  return torch.unsqueeze(torch.to(w[p + ".conv.bias"], 6), 0)
def residual_last(w: Dict[str, Tensor], p: str, x: Tensor, bias: Tensor) -> Tuple[Tensor, Tensor]:
  h = convolve_last(w, p + ".conv1", norm_swish_last(w, p + ".norm1", x, bias))
  h = convolve_last(w, p + ".conv2", norm_swish_last(w, p + ".norm2", h, bias_of(w, p + ".conv1")))
  if torch.__contains__(w, p + ".nin_shortcut.conv.weight"):
    weight = w[p + ".nin_shortcut.conv.weight"]
    x = torch.conv2d(x, weight, None)
    bias = torch.matmul(bias, torch.t(torch.to(torch.flatten(weight, 1), 6))) + bias_of(w, p + ".nin_shortcut")
  return (torch.add_(h, x), bias + bias_of(w, p + ".conv2"))
class BsqVae(Module):
  # Where all images are decoded in channels-last order: brings the decoder's convolutions to it, and to float32 what
  # its norms take.
  def prepare_last(self) -> int:
    w = self.w
    for key in self.names:
      weight = w[key]
      if torch.startswith(key, "decoder."):
        if torch.dim(weight) == 4:
          torch._set_item(w, key, torch.contiguous(weight, memory_format=2))
        elif not torch.startswith(key, "decoder.conv_out"):
          torch._set_item(w, key, torch.to(weight, 6))
    return torch.len(w)
  def decode_last(self, code: Tensor) -> Tensor:
    w = self.w
    h = convolve_last(w, "decoder.conv_in", torch.contiguous(torch.to(code, w["decoder.conv_in.conv.weight"].dtype), memory_format=2))
    h, bias, = residual_last(w, "decoder.mid.block_1", h, bias_of(w, "decoder.conv_in"))
    h, bias, = residual_last(w, "decoder.mid.block_2", h, bias)
    for j in range(self.levels):
      p = "decoder.up." + str(self.levels - 1 - j) + "."
      for i in range(self.decoder_blocks):
        h, bias, = residual_last(w, p + "block." + str(i), h, bias)
      if torch.__contains__(w, p + "upsample.conv.conv.weight"):
        h = convolve_last(w, p + "upsample.conv", upsample_last(h, bias))
        bias = bias_of(w, p + "upsample.conv")
    h = convolve(w, "decoder.conv_out", norm_swish_last(w, "decoder.norm_out", h, bias))
    return torch.clamp(torch.to(h, 6), -1., 1.)
  # The code (1, d, h, w) -> the image (1, 3, H, W) in [-1, 1].
  def decode(self, code: Tensor) -> Tensor:
    if torch.size(code, 2) * torch.size(code, 3) >= self.channels_last_from:
      image = self.decode_last(code)
    else:
      image = self.decode_first(code)
    return image
  def decode_first(self, code: Tensor) -> Tensor:
    w = self.w
    h = convolve(w, "decoder.conv_in", code)
    h = residual(w, "decoder.mid.block_1", h)
    h = residual(w, "decoder.mid.block_2", h)
    for j in range(self.levels):
      p = "decoder.up." + str(self.levels - 1 - j) + "."
      for i in range(self.decoder_blocks):
        h = residual(w, p + "block." + str(i), h)
      if torch.__contains__(w, p + "upsample.conv.conv.weight"):
        size = [torch.size(h, 2) * 2, torch.size(h, 3) * 2]
        h = convolve(w, p + "upsample.conv", torch.upsample_nearest2d(h, size))
    h = convolve(w, "decoder.conv_out", norm_swish(w, "decoder.norm_out", h))
    return torch.clamp(torch.to(h, 6), -1., 1.)
  # The same as 8-bit pixels (H, W, 3) on the host, cut off as the reference does, not rounded. From a GPU they have
  # arrived when a later call that waits has returned.
  def decode_pixels(self, code: Tensor, wait: bool) -> Tensor:
    return pixels_of(self.decode(code), self.device_name, wait)
  # 8-bit pixels (H, W, 3) -> the code before quantisation (1, d, h, w).
  def encode_pixels(self, pixels: Tensor) -> Tensor:
    w = self.w
    x = torch.to(torch.unsqueeze(torch.permute(pixels, [2, 0, 1]), 0), 6) / 255. * 2. - 1.
    h = convolve(w, "encoder.conv_in", x)
    for j in range(self.levels):
      p = "encoder.down." + str(j) + "."
      for i in range(self.encoder_blocks):
        h = residual(w, p + "block." + str(i), h)
      if torch.__contains__(w, p + "downsample.conv.conv.weight"):
        padded = torch.constant_pad_nd(h, [0, 1, 0, 1], 0)
        q = p + "downsample.conv.conv"
        h = torch.conv2d(padded, w[q + ".weight"], w[q + ".bias"], [2, 2], [0, 0])
    h = residual(w, "encoder.mid.block_1", h)
    h = residual(w, "encoder.mid.block_2", h)
    code = torch.to(convolve(w, "encoder.conv_out", norm_swish(w, "encoder.norm_out", h)), 6)
    if self.bounded_code:
      code = torch.tanh(code)
    return code
  # Quantises a code (1, d, H, W) over scales [h0, w0, h1, w1, ...] -> the summed code.
  def quantize(self, code: Tensor, scales: List[int]) -> Tensor:
    size = [torch.size(code, 2), torch.size(code, 3)]
    step = 1. / torch.sqrt(float(torch.size(code, 1)))
    rest = code
    total = torch.zeros_like(code)
    for i in range(torch.len(scales) // 2):
      grid = rest
      whole = scales[2 * i] == size[0] and scales[2 * i + 1] == size[1]
      if not whole:
        grid = torch.adaptive_avg_pool2d(rest, [scales[2 * i], scales[2 * i + 1]])
      signs = (torch.to(torch.gt(grid, 0), 6) * 2. - 1.) * step
      if not whole:
        signs = torch.upsample_bilinear2d(signs, size, False)
      rest = rest - signs
      total = total + signs
    return total
