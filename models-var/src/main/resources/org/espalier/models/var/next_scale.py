  # Part of the class of a transformer whose step is a scale. `embed`, `condition` and `prepare` are its own.
  # One scale of N trajectories.
  #   codes: the summed code (1, d, H, W) of each so far; unused at scale 0
  #   shared, own: keys and values of the earlier scales, each (depth, 2, R, 1, L', H, D) and (depth, 2, R, N, L', H, D)
  #   keep: whether a later scale needs this one's keys and values
  #   on_logits: whether guidance is applied to the logits
  #   guided_layers: layers after whose output guidance is applied; none at a scale whose guidance is exactly 1
  # -> logits (N, L, outputs) after guidance and temperature, keys and values (depth, 2, R, N, L, H, D)
  def step(self, conditioning: List[Tensor], codes: List[Tensor], shared: List[Tensor], own: List[Tensor], rope: Tensor, scale: int, height: int, width: int, keep: bool, guidance: float, tau: float, on_logits: bool, guided_layers: List[int]) -> List[Tensor]:
    w = self.w
    start = conditioning[0]
    modulation = conditioning[1]
    head = conditioning[2]
    memory = conditioning[3]
    R = torch.size(start, 0)
    N = torch.len(codes)
    L = height * width
    x = self.embed(start, codes, scale, height, width)
    level = torch.select(w["lvl_embed.weight"], 0, scale)
    kept = 1
    if keep:
      kept = self.depth
    like = memory.dtype
    made = torch.empty([kept, 2, R, N, L, self.heads, self.head_width], dtype=like, device=memory.device)
    x = self.blocks(x, level, modulation, memory, shared, own, made, rope, N, guidance, guided_layers)
    rows = 1
    if on_logits:
      rows = R
    x = modulate(torch.slice(x, 0, 0, rows), torch.slice(torch.select(head, 0, 0), 0, 0, rows), torch.slice(torch.select(head, 0, 1), 0, 0, rows), self.eps)
    logits = torch.to(project(w, "head", x), 6) * (1. / tau)
    #= "logits" := logits
    result = torch.select(logits, 0, 0)
    if rows == 2:
      result = result * guidance + torch.select(logits, 0, 1) * (1. - guidance)
    return [torch.contiguous(torch.unflatten(result, 0, [N, L])), made]
