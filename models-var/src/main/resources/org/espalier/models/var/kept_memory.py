  # Part of the class of a transformer that keeps keys and values.
  # Several trajectories' keys and values (depth, 2, R, n, L, H, D), of each the one of an index, side by side.
  def gather(self, blocks: List[Tensor], indices: List[int]) -> Tensor:
    rows = annotate(List[Tensor], [])
    for i in range(torch.len(blocks)):
      _0 = torch.append(rows, torch.select(blocks[i], 3, indices[i]))
    return torch.stack(rows, 3)
  # The one of an index, without a copy.
  def pick(self, block: Tensor, index: int) -> Tensor:
    return torch.slice(block, 3, index, index + 1)
