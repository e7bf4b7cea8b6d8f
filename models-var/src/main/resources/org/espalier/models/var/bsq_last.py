# Part of bsq_vae.py.
# The norm and SiLU of x + bias, from each channel's mean and mean square.
def norm_swish_last(w: Dict[str, Tensor], p: str, x: Tensor, bias: Tensor) -> Tensor:
  C = torch.size(x, 1)
  groups = 24
  if C % 32 == 0:
    groups = 32
  rows = torch.permute(x, [0, 2, 3, 1])
  count = float(torch.size(x, 2) * torch.size(x, 3))
  mean = torch.mean(torch.mean(rows, [2], False, dtype=6), [1])
  length = torch.norm(torch.norm(rows, 2, [2], False, dtype=6), 2, [1])
  square = length * length / count + bias * (bias + 2. * mean)
  mean = torch.mean(torch.unflatten(mean + bias, 1, [groups, -1]), [2], True)
  square = torch.mean(torch.unflatten(square, 1, [groups, -1]), [2], True)
  inverse = torch.rsqrt(torch.clamp_min(square - mean * mean, 0.) + 1.e-6)
  weight = torch.to(w[p + ".norm.weight"], 6)
  scale = torch.flatten(inverse * torch.unflatten(weight, 0, [1, groups, -1]))
  shift = torch.flatten(torch.unflatten(bias, 1, [groups, -1]) - mean) * scale + torch.to(w[p + ".norm.bias"], 6)
  # batch norm's kernel as a multiplication and an addition for each channel
  zero = torch.zeros_like(scale)
  y, _0, _1, = torch.native_batch_norm(x, scale, shift, zero, zero + 0.99999, False, 0., 1.e-5)
  return torch.silu_(y)
# Each pixel of x + bias four times: (1, C, H, W) -> (1, C, 2 H, 2 W).
def upsample_last(x: Tensor, bias: Tensor) -> Tensor:
  size = torch.size(x)
  rows = torch.permute(x + torch.to(torch.unsqueeze(torch.unsqueeze(bias, 2), 3), x.dtype), [0, 2, 3, 1])
  rows = torch.unsqueeze(torch.unsqueeze(rows, 3), 2)
  rows = torch.reshape(torch.expand(rows, [size[0], size[2], 2, size[3], 2, size[1]]), [size[0], 2 * size[2], 2 * size[3], size[1]])
  return torch.permute(rows, [0, 3, 1, 2])
