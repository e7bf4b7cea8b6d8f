# The transformer of VAR (https://arxiv.org/abs/2404.02905), keys as published. Shapes as in kept_attention.py.
class Var(Module):
  # Weights derived once from the checkpoint's.
  def prepare(self) -> int:
    w = self.w
    for i in range(self.depth):
      p = "blocks." + str(i) + ".attn."
      torch._set_item(w, p + "mat_qkv.bias", torch.cat([w[p + "q_bias"], w[p + "zero_k_bias"], w[p + "v_bias"]], 0))
      scale = torch.view(torch.exp(torch.clamp_max(torch.to(w[p + "scale_mul_1H11"], 6), self.max_log_scale)), [1, self.heads, 1])
      torch._set_item(w, p + "scale", torch.cat([scale, torch.ones_like(scale)], 0)) # queries, keys
    return torch.len(w)
  # labels (R) int64: a class, and with guidance the number behind the last class -> what all scales share: start
  # (R, 1, C), modulation (depth, 6, R, 1, C), head modulation (2, R, 1, C) as in infinity.py, no text
  def condition(self, labels: Tensor) -> List[Tensor]:
    w = self.w
    wide = torch.embedding(w["class_emb.weight"], labels)
    active = torch.silu(wide)
    modulations = annotate(List[Tensor], [])
    for i in range(self.depth):
      p = "blocks." + str(i) + "."
      if torch.__contains__(w, p + "ada_gss"):
        m = torch.unflatten(project(w, "shared_ada_lin.1", active), -1, [6, -1]) + torch.squeeze(w[p + "ada_gss"], 0)
      else:
        m = torch.unflatten(project(w, p + "ada_lin.1", active), -1, [6, -1])
      m = torch.unsqueeze(torch.transpose(m, 0, 1), 2)
      _0 = torch.append(modulations, torch.cat([torch.slice(m, 0, 0, 2), torch.slice(m, 0, 2, 4) + 1., torch.slice(m, 0, 4, 6)], 0))
    head = torch.unsqueeze(torch.transpose(torch.unflatten(project(w, "head_nm.ada_lin.1", active), -1, [2, -1]), 0, 1), 2)
    head = torch.stack([torch.select(head, 0, 0) + 1., torch.select(head, 0, 1)], 0)
    start = torch.unsqueeze(wide, 1) + w["pos_start"]
    none = torch.zeros([self.depth, 2], dtype=w["word_embed.weight"].dtype, device=labels.device)
    return [torch.to(start, 6), torch.to(torch.stack(modulations, 0), 6), torch.to(head, 6), none]
  # The tokens (R, N * L, C) of a scale, float32, from the summed codes (1, d, H, W) so far.
  def embed(self, start: Tensor, codes: List[Tensor], scale: int, height: int, width: int) -> Tensor:
    w = self.w
    N = torch.len(codes)
    L = height * width
    before = (self.before)[scale]
    place = torch.slice(w["pos_1LC"], 1, before, before + L)
    if scale == 0:
      x = torch.repeat(start + place, [1, N, 1])
    else:
      grid = torch.adaptive_avg_pool2d(torch.cat(codes, 0), [height, width])
      #= "next_input" := grid
      x = torch.to(project(w, "word_embed", torch.transpose(torch.flatten(grid, 2), 1, 2)), 6) + place
      x = torch.expand(torch.reshape(x, [1, N * L, -1]), [torch.size(start, 0), -1, -1])
    return x
  # Draws children: indices (k) of their parents in logits (N, L, V), uniform (k, L) or empty for the mode
  # -> the natural logarithm of each child's probability (k), its tokens (k, L)
  def draw(self, logits: Tensor, indices: List[int], uniform: Tensor, top_k: int, top_p: float) -> List[Tensor]:
    parents = annotate(List[Tensor], [])
    for i in indices:
      _0 = torch.append(parents, torch.select(logits, 0, i))
    tokens, logs, = draw_tokens(torch.stack(parents, 0), uniform, top_k, top_p)
    return [logs, tokens]
