# The evaluator's network: what lies in each cell of 4 x 4 pixels.
def detector_block(w: Dict[str, Tensor], p: str, x: Tensor, groups: int, eps: float) -> Tensor:
  h = conv2d(w, p + ".conv1", torch.silu(group_norm(w, p + ".norm1", x, groups, eps)), 1, 1)
  h = conv2d(w, p + ".conv2", torch.silu(group_norm(w, p + ".norm2", h, groups, eps)), 1, 1)
  return x + h
class Detector(Module):
  # (1, H, W, 3) of 8 bits -> (1, channels, H / 4, W / 4)
  def cells(self, image: Tensor) -> Tensor:
    w = self.w
    x = torch.permute(torch.to(image, 6), [0, 3, 1, 2]) / 127.5 - 1.
    x = conv2d(w, "stem", x, 1, 1)
    x = conv2d(w, "down0", detector_block(w, "block0", x, self.groups, self.eps), 2, 1)
    x = conv2d(w, "down1", detector_block(w, "block1", x, self.groups, self.eps), 2, 1)
    for i in range(self.blocks):
      x = detector_block(w, "blocks." + str(i), x, self.groups, self.eps)
    x = torch.silu(group_norm(w, "norm", x, self.groups, self.eps))
    return conv2d(w, "head", x, 1, 1)
