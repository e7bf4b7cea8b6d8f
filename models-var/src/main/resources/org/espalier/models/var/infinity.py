# The transformer of Infinity (https://arxiv.org/abs/2412.04431). Keys as published, but for the blocks:
# "blocks.N." stands for "block_chunks.A.module.B.".
#
# Shapes: R rows (2 with guidance: conditional, unconditional), L tokens of the scale at hand, C width,
# H heads, D = C / H, T tokens of text.
def project(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  weight = w[p + ".weight"]
  return torch.linear(torch.to(x, weight.dtype), weight, w[p + ".bias"])
# (R, L, n * H * D) -> (n, R, H, L, D)
def unpack_heads(x: Tensor, n: int, heads: int) -> Tensor:
  return torch.permute(torch.view(x, [torch.size(x, 0), torch.size(x, 1), n, heads, -1]), [2, 0, 3, 1, 4])
# Queries and keys (R, L, 2, H, D) float32: each brought to the length of scale (2, H, 1), then turned.
# Neighbouring pairs are complex numbers, rope (L, 1, 1, D / 2) their factors.
def rotate(x: Tensor, scale: Tensor, rope: Tensor) -> Tensor:
  length = torch.clamp_min_(torch.norm(x, 2, [-1], True), 1.e-12)
  turned = torch.view_as_complex(torch.unflatten(x, -1, [-1, 2])) * rope
  return torch.mul_(torch.flatten(torch.view_as_real(turned), -2), scale / length)
def modulate(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
  return torch.addcmul(shift, plain_layer_norm(x, eps), scale)
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
  # One scale of one trajectory.
  #   code (1, d, H, W): the summed code so far; unused at scale 0
  #   past: keys and values of the earlier scales, each (depth, 2, R, H, L', D)
  #   on_logits: whether guidance is applied to the logits
  #   guided_layers: layers after whose output guidance is applied
  # -> logits (L, 2 * bits) after guidance and temperature, keys and values (depth, 2, R, H, L, D)
  def step(self, conditioning: List[Tensor], code: Tensor, past: List[Tensor], rope: Tensor, scale: int, height: int, width: int, guidance: float, tau: float, on_logits: bool, guided_layers: List[int]) -> List[Tensor]:
    w = self.w
    start = conditioning[0]
    modulation = conditioning[1]
    head = conditioning[2]
    memory = conditioning[3]
    R = torch.size(start, 0)
    if scale == 0:
      x = start
    else:
      grid = torch.upsample_bilinear2d(code, [height, width], False)
      if self.patchify:
        grid = torch.pixel_unshuffle(torch.upsample_bilinear2d(code, [height * 2, width * 2], False), 2)
      x = project(w, "word_embed", torch.transpose(torch.flatten(grid, 2), 1, 2))
      x = torch.expand(torch.to(x, 6), [R, -1, -1])
    level = torch.select(w["lvl_embed.weight"], 0, scale)
    L = height * width
    own = torch.empty([self.depth, 2, R, self.heads, L, self.head_width], dtype=memory.dtype, device=memory.device)
    for i in range(self.depth):
      p = "blocks." + str(i) + "."
      if i % self.level_every == 0:
        x = x + level # a tensor of its own, which the blocks change in place
      m = torch.select(modulation, 0, i)
      # self-attention over this scale and all earlier ones
      h = modulate(x, torch.select(m, 0, 2), torch.select(m, 0, 4), self.eps)
      qkv = torch.view(project(w, p + "sa.mat_qkv", h), [R, L, 3, self.heads, self.head_width])
      qk = rotate(torch.to(torch.slice(qkv, 2, 0, 2), 6), w[p + "sa.scale"], rope)
      qk = torch.permute(torch.to(qk, qkv.dtype), [2, 0, 3, 1, 4])
      k = torch.select(qk, 0, 1)
      v = torch.transpose(torch.select(qkv, 2, 2), 1, 2)
      mine = torch.select(own, 0, i)
      k = torch.copy_(torch.select(mine, 0, 0), k)
      v = torch.copy_(torch.select(mine, 0, 1), v)
      if torch.len(past) > 0:
        both = annotate(List[Tensor], [])
        for block in past:
          _0 = torch.append(both, torch.select(block, 0, i))
        _1 = torch.append(both, mine)
        joined = torch.cat(both, 3)
        k = torch.select(joined, 0, 0)
        v = torch.select(joined, 0, 1)
      o = torch.scaled_dot_product_attention(torch.select(qk, 0, 0), k, v, None, 0., False, scale=1.)
      x = torch.addcmul_(x, torch.to(project(w, p + "sa.proj", merge_heads(o)), 6), torch.select(m, 0, 0))
      # cross-attention to the text
      h = project(w, p + "ca.mat_q", layer_norm(w, p + "ca_norm", x, self.eps))
      text = torch.select(memory, 0, i)
      o = torch.scaled_dot_product_attention(split_heads(h, self.heads), torch.select(text, 0, 0), torch.select(text, 0, 1))
      x = torch.add_(x, torch.to(project(w, p + "ca.proj", merge_heads(o)), 6))
      # feed-forward
      h = modulate(x, torch.select(m, 0, 3), torch.select(m, 0, 5), self.eps)
      h = torch.gelu(project(w, p + "ffn.fc1", h), approximate="tanh")
      x = torch.addcmul_(x, torch.to(project(w, p + "ffn.fc2", h), 6), torch.select(m, 0, 1))
      if R == 2:
        for g in guided_layers:
          if g == i:
            mixed = torch.slice(x, 0, 0, 1) * guidance + torch.slice(x, 0, 1, 2) * (1. - guidance)
            x = torch.cat([mixed, mixed], 0)
    rows = 1
    if on_logits:
      rows = R
    x = modulate(torch.slice(x, 0, 0, rows), torch.slice(torch.select(head, 0, 0), 0, 0, rows), torch.slice(torch.select(head, 0, 1), 0, 0, rows), self.eps)
    logits = torch.to(project(w, "head", x), 6) * (1. / tau)
    result = torch.select(logits, 0, 0)
    if rows == 2:
      result = result * guidance + torch.select(logits, 0, 1) * (1. - guidance)
    return [torch.contiguous(result), own]
  # Adds the bits (L, bits) uint8 of a scale to the summed code (1, d, H, W).
  def accept(self, code: Tensor, bits: Tensor, height: int, width: int) -> Tensor:
    size = [torch.size(code, 2), torch.size(code, 3)]
    signs = torch.to(bits, 6) * 2. - 1.
    grid = torch.unsqueeze(torch.view(torch.transpose(signs, 0, 1), [-1, height, width]), 0)
    if self.patchify:
      grid = torch.pixel_shuffle(grid, 2)
    grid = grid * self.code_scale
    if torch.size(grid, 2) != size[0] or torch.size(grid, 3) != size[1]:
      grid = torch.upsample_bilinear2d(grid, size, False)
    return code + grid
