# Convolutional decoders over a codebook of vectors: that of VAR (https://arxiv.org/abs/2404.02905), whose code is a sum
# over scales, and that of Janus (https://arxiv.org/abs/2501.17811), with a raster of vectors of length 1. Keys as
# published by VAR, but for the order of levels: decoder.up.0 is the coarsest.
def vq_norm(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  return group_norm(w, p, x, 32, 9.9999999999999995e-07)
def vq_residual(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  h = conv2d(w, p + ".conv1", torch.silu(vq_norm(w, p + ".norm1", x)), 1, 1)
  h = conv2d(w, p + ".conv2", torch.silu(vq_norm(w, p + ".norm2", h)), 1, 1)
  if torch.__contains__(w, p + ".nin_shortcut.weight"):
    s = conv2d(w, p + ".nin_shortcut", x, 1, 0)
  else:
    s = x
  return s + h
# Attention of all places of x (B, C, h, w) to one another, where the checkpoint has it: in one matrix for queries, keys
# and values, or in three.
def vq_attention(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  if torch.__contains__(w, p + ".norm.weight"):
    h = vq_norm(w, p + ".norm", x)
    if torch.__contains__(w, p + ".qkv.weight"):
      parts = torch.chunk(conv2d(w, p + ".qkv", h, 1, 0), 3, 1)
    else:
      parts = [conv2d(w, p + ".q", h, 1, 0), conv2d(w, p + ".k", h, 1, 0), conv2d(w, p + ".v", h, 1, 0)]
    places = annotate(List[Tensor], [])
    for part in parts:
      _0 = torch.append(places, torch.unsqueeze(torch.contiguous(torch.transpose(torch.flatten(part, 2), 1, 2)), 1))
    a = torch.transpose(torch.squeeze(attention(places[0], places[1], places[2]), 1), 1, 2)
    y = x + conv2d(w, p + ".proj_out", torch.view_as(torch.contiguous(a), x), 1, 0)
  else:
    y = x
  return y
class Vq(Module):
  # Tokens (k, L) -> their vectors (k, d, height, width) float32; zeros for those that are missing at the end
  def look_up(self, tokens: Tensor, height: int, width: int) -> Tensor:
    w = self.w
    vectors = torch.to(torch.embedding(w["quantize.embedding.weight"], tokens), 6)
    if self.unit:
      vectors = vectors / torch.clamp_min(torch.norm(vectors, 2, [-1], True), 1.e-12)
    missing = height * width - torch.size(vectors, 1)
    if missing > 0:
      vectors = torch.constant_pad_nd(vectors, [0, 0, 0, missing])
    return torch.unflatten(torch.transpose(vectors, 1, 2), 2, [height, width])
  # Adds a scale's tokens (k, L) to summed codes (1, d, H, W) of as many children, through one of the convolutions.
  def accept(self, codes: List[Tensor], tokens: Tensor, height: int, width: int, which: int) -> List[Tensor]:
    w = self.w
    code = torch.cat(codes, 0)
    size = [torch.size(code, 2), torch.size(code, 3)]
    grid = self.look_up(tokens, height, width)
    if height != size[0] or width != size[1]:
      grid = torch.upsample_bicubic2d(grid, size, False)
    p = (self.convolutions)[which]
    weight = w[p + ".weight"]
    made = torch.to(conv2d(w, p, torch.type_as(grid, weight), 1, torch.size(weight, 2) // 2), 6)
    summed = code + grid * (1. - self.share) + made * self.share
    results = annotate(List[Tensor], [])
    for i in range(torch.len(codes)):
      _0 = torch.append(results, torch.clone(torch.slice(summed, 0, i, i + 1)))
    return results
  # The code (1, d, h, w) -> the image (1, 3, H, W), about [-1, 1].
  def decode(self, code: Tensor) -> Tensor:
    w = self.w
    weight = w["post_quant_conv.weight"]
    h = conv2d(w, "post_quant_conv", torch.type_as(code, weight), 1, torch.size(weight, 2) // 2)
    #= "post_quant_conv" := h
    h = conv2d(w, "decoder.conv_in", h, 1, 1)
    #= "conv_in" := h
    h = vq_residual(w, "decoder.mid.block_1", h)
    h = vq_residual(w, "decoder.mid.block_2", vq_attention(w, "decoder.mid.attn_1", h))
    #= "mid" := h
    for i in range(self.levels):
      p = "decoder.up." + str(i)
      for j in range(self.blocks):
        h = vq_residual(w, p + ".block." + str(j), h)
        h = vq_attention(w, p + ".attn." + str(j), h)
      if torch.__contains__(w, p + ".upsample.conv.weight"):
        h = conv2d(w, p + ".upsample.conv", torch.upsample_nearest2d(h, None, [2., 2.]), 1, 1)
    return torch.to(conv2d(w, "decoder.conv_out", torch.silu(vq_norm(w, "decoder.norm_out", h)), 1, 1), 6)
  # The same as 8-bit pixels (H, W, 3) on the host.
  def decode_pixels(self, code: Tensor, wait: bool) -> Tensor:
    return pixels_of(torch.clamp(self.decode(code), -1., 1.), self.device_name, wait)
