# Part of bsq_vae.py, as bsq_last.py, with operators of espalier_kernels.cu, for bfloat16 on a GPU.
def norm_swish_last(w: Dict[str, Tensor], p: str, x: Tensor, bias: Tensor) -> Tensor:
  groups = 24
  if torch.size(x, 1) % 32 == 0:
    groups = 32
  weight = torch.to(w[p + ".norm.weight"], 6)
  offset = torch.to(w[p + ".norm.bias"], 6)
  return ops.espalier.group_norm_silu(x, torch.contiguous(bias), weight, offset, groups, 1.e-6)
def upsample_last(x: Tensor, bias: Tensor) -> Tensor:
  return ops.espalier.upsample(x, torch.contiguous(bias))
