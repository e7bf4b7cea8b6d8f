# The transformer of Infinity (https://arxiv.org/abs/2412.04431). Keys as published, but for the blocks:
# "blocks.N." stands for "block_chunks.A.module.B.". Shapes as in kept_attention.py.
class Infinity(Module):
  # Weights derived once from the checkpoint's.
  def prepare(self) -> int:
    w = self.w
    for i in range(self.depth):
      p = "blocks." + str(i) + "."
      # keys have no bias of their own
      torch._set_item(w, p + "sa.mat_qkv.bias", torch.cat([w[p + "sa.q_bias"], w[p + "sa.zero_k_bias"], w[p + "sa.v_bias"]], 0))
      torch._set_item(w, p + "ca.mat_kv.bias", torch.cat([w[p + "ca.zero_k_bias"], w[p + "ca.v_bias"]], 0))
      scale = torch.exp(torch.clamp_max(torch.to(w[p + "sa.scale_mul_1H11"], 6), self.max_log_scale))
      scale = torch.view(scale, [1, self.heads, 1])
      torch._set_item(w, p + "sa.scale", torch.cat([scale, torch.ones_like(scale)], 0)) # queries, keys
    p = "text_proj_for_sos.ca."
    torch._set_item(w, p + "mat_kv.bias", torch.cat([w[p + "zero_k_bias"], w[p + "v_bias"]], 0))
    return torch.len(w)
  # text (1, T, text channels) -> what all scales of a prompt share:
  #   start (R, 1, C), modulation (depth, 6, R, 1, C): gamma1, gamma2, 1 + scale1, 1 + scale2, shift1, shift2,
  #   head modulation (2, R, 1, C): 1 + scale, shift, text keys and values (depth, 2, R, H, T, D)
  def condition(self, text: Tensor, guided: bool) -> List[Tensor]:
    w = self.w
    rows = text
    if guided:
      empty = torch.slice(w["cfg_uncond"], 0, 0, torch.size(text, 1))
      rows = torch.cat([rows, torch.unsqueeze(torch.to(empty, 6), 0)], 0)
    rows = rms_norm(w["text_norm.weight"], rows, self.eps)
    pool = unpack_heads(project(w, "text_proj_for_sos.ca.mat_kv", rows), 2, self.pool_heads)
    query = torch.unsqueeze(torch.transpose(w["text_proj_for_sos.ca.mat_q"], 0, 1), 0)
    query = torch.expand(query, [torch.size(rows, 0), -1, -1, -1])
    pooled = torch.scaled_dot_product_attention(query, torch.select(pool, 0, 0), torch.select(pool, 0, 1))
    sentence = project(w, "text_proj_for_sos.ca.proj", merge_heads(pooled))
    start = sentence + w["pos_start"]
    active = torch.silu(sentence)
    shared = torch.unflatten(project(w, "shared_ada_lin.1", active), -1, [6, -1])
    head = torch.permute(torch.unflatten(project(w, "head_nm.ada_lin.1", active), -1, [2, -1]), [2, 0, 1, 3])
    head = torch.stack([torch.select(head, 0, 0) + 1., torch.select(head, 0, 1)], 0)
    words = project(w, "text_proj_for_ca.2", torch.gelu(project(w, "text_proj_for_ca.0", rows), approximate="tanh"))
    modulations = annotate(List[Tensor], [])
    memories = annotate(List[Tensor], [])
    for i in range(self.depth):
      p = "blocks." + str(i) + "."
      m = torch.permute(shared + w[p + "ada_gss"], [2, 0, 1, 3])
      m = torch.cat([torch.slice(m, 0, 0, 2), torch.slice(m, 0, 2, 4) + 1., torch.slice(m, 0, 4, 6)], 0)
      _0 = torch.append(modulations, m)
      _1 = torch.append(memories, torch.contiguous(unpack_heads(project(w, p + "ca.mat_kv", words), 2, self.heads)))
    return [torch.to(start, 6), torch.to(torch.stack(modulations, 0), 6), torch.to(head, 6), torch.stack(memories, 0)]
  # The rotary factors (L, 1, 1, D / 2) of a scale, complex: rows and columns (L) are its tokens' places on the last scale's grid.
  def rope(self, rows: Tensor, columns: Tensor) -> Tensor:
    half = self.head_width // 2
    even = torch.arange(0, half, 2, dtype=6, device=rows.device)
    inverse = torch.reciprocal(torch.pow(10000., even / half))
    angles = torch.cat([torch.outer(torch.to(rows, 6), inverse), torch.outer(torch.to(columns, 6), inverse)], -1)
    factors = torch.view_as_complex(torch.stack([torch.cos(angles), torch.sin(angles)], -1))
    return torch.unsqueeze(torch.unsqueeze(factors, 1), 1)
  # The tokens (R, N * L, C) of a scale, float32, from the summed codes (1, d, H, W) so far.
  def embed(self, start: Tensor, codes: List[Tensor], scale: int, height: int, width: int) -> Tensor:
    w = self.w
    N = torch.len(codes)
    if scale == 0:
      x = torch.repeat(start, [1, N, 1])
    else:
      grid = torch.upsample_bilinear2d(torch.cat(codes, 0), [height, width], False)
      if self.patchify:
        grid = torch.pixel_unshuffle(torch.upsample_bilinear2d(torch.cat(codes, 0), [height * 2, width * 2], False), 2)
      x = project(w, "word_embed", torch.transpose(torch.flatten(grid, 2), 1, 2))
      x = torch.expand(torch.reshape(torch.to(x, 6), [1, N * height * width, -1]), [torch.size(start, 0), -1, -1])
    return x
  # Draws children of trajectories on the device, as the host does it in BitSampler.
  #   codes: each child's parent's summed code (1, d, H, W), indices: its parent in logits (N, L, 2 * bits)
  #   uniform: numbers (k, L * bits), or empty for the mode
  #   certain: a bit whose less probable outcome is at most as probable as this takes the other one
  # -> the natural logarithm of each child's probability (k), and its summed code
  def draw(self, codes: List[Tensor], logits: Tensor, indices: List[int], uniform: Tensor, certain: float, height: int, width: int) -> List[Tensor]:
    parents = annotate(List[Tensor], [])
    for i in indices:
      _0 = torch.append(parents, torch.select(logits, 0, i))
    pair = torch.unflatten(torch.to(torch.stack(parents, 0), 7), -1, [-1, 2])
    difference = torch.select(pair, -1, 1) - torch.select(pair, -1, 0)
    bits = torch.gt(difference, 0)
    one = torch.sigmoid(difference)
    settled = torch.le(torch.minimum(one, 1. - one), certain)
    if torch.numel(uniform) > 0:
      bits = torch.where(settled, bits, torch.lt(torch.view_as(uniform, one), one))
    terms = torch.log_sigmoid(torch.where(bits, difference, torch.neg(difference)))
    results = [torch.sum(torch.masked_fill(terms, settled, 0.), [1, 2])]
    summed = self.add(torch.cat(codes, 0), bits, height, width)
    for i in range(torch.len(codes)):
      _1 = torch.append(results, torch.clone(torch.slice(summed, 0, i, i + 1)))
    return results
  # Adds the bits (L, bits) uint8 of a scale to the summed code (1, d, H, W).
  def accept(self, code: Tensor, bits: Tensor, height: int, width: int) -> Tensor:
    return self.add(code, torch.unsqueeze(bits, 0), height, width)
  # Adds bits (k, L, bits) to summed codes (k, d, H, W).
  def add(self, codes: Tensor, bits: Tensor, height: int, width: int) -> Tensor:
    size = [torch.size(codes, 2), torch.size(codes, 3)]
    signs = torch.to(bits, 6) * 2. - 1.
    grid = torch.unflatten(torch.transpose(signs, 1, 2), 2, [height, width])
    if self.patchify:
      grid = torch.pixel_shuffle(grid, 2)
    grid = grid * self.code_scale
    if torch.size(grid, 2) != size[0] or torch.size(grid, 3) != size[1]:
      grid = torch.upsample_bilinear2d(grid, size, False)
    return codes + grid
