# An image (1, 3, H, W) float32 in [-1, 1] as 8-bit pixels (H, W, 3) on the host, cut off as the references do, not
# rounded. From a GPU they have arrived when a later call that waits has returned.
def pixels_of(image: Tensor, device_name: str, wait: bool) -> Tensor:
  x = (image + 1.) / 2. * 255.
  pixels = torch.contiguous(torch.to(torch.permute(torch.select(x, 0, 0), [1, 2, 0]), 0))
  if device_name != "cpu":
    host = torch.empty(torch.size(pixels), dtype=0, layout=0, device=torch.device("cpu"), pin_memory=True)
    pixels = torch.copy_(host, pixels, not wait)
  return pixels
