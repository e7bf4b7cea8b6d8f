  # Part of the class of infinity.py: all blocks over one scale, as in scale_blocks.py, by the operator of
  # espalier_kernels.cu, for bfloat16 on a GPU.
  def blocks(self, x: Tensor, level: Tensor, modulation: Tensor, memory: Tensor, shared: List[Tensor], own: List[Tensor], made: Tensor, rope: Tensor, N: int, guidance: float, guided_layers: List[int]) -> Tensor:
    return ops.espalier.infinity_blocks(x, level, self.w, modulation, memory, shared, own, made, rope, N, self.level_every, guidance, guided_layers, self.eps, self.attention == "cudnn")
