# Qwen2.5-VL (Bai et al. 2025, https://arxiv.org/abs/2502.13923) and Qwen3-VL (https://arxiv.org/abs/2511.21631): a vision
# transformer over patches of any grid and a Qwen decoder with rotary positions of three axes. Keys as transformers 5
# writes them; which of the two a checkpoint is shows in its keys: RMS or layer norms, gated or plain MLP, learned
# positions, deepstack mergers.
class QwenVl(Module):
  def vision_norm(self, p: str, x: Tensor) -> Tensor:
    w = self.w
    if torch.__contains__(w, p + ".bias"):
      y = layer_norm(w, p, x, 1.0e-06)
    else:
      y = rms_norm(w[p + ".weight"], x, 1.0e-06)
    return y
  # Whether a layer is one of ",0,2,"
  def listed(self, layers: str, i: int) -> bool:
    return torch.ne(torch.find(layers, "," + str(i) + ","), -1)
  # Learned positions, resampled bilinearly with aligned corners: rows and columns of a grid -> (N, C)
  def learned(self, places: Tensor, grid: List[int]) -> Tensor:
    table = (self.w)["model.visual.pos_embed.weight"]
    n = self.vision_positions
    y = torch.index_select(torch.linspace(0, n - 1, grid[0], dtype=6, device=table.device), 0, torch.select(places, 1, 0))
    x = torch.index_select(torch.linspace(0, n - 1, grid[1], dtype=6, device=table.device), 0, torch.select(places, 1, 1))
    y0 = torch.to(y, 4)
    x0 = torch.to(x, 4)
    y1 = torch.clamp(y0 + 1, None, n - 1)
    x1 = torch.clamp(x0 + 1, None, n - 1)
    dy = torch.unsqueeze(y - torch.to(y0, 6), 1)
    dx = torch.unsqueeze(x - torch.to(x0, 6), 1)
    a = torch.type_as(torch.rsub(dy, 1) * torch.rsub(dx, 1), table) * torch.embedding(table, y0 * n + x0)
    b = torch.type_as(torch.rsub(dy, 1) * dx, table) * torch.embedding(table, y0 * n + x1)
    c = torch.type_as(dy * torch.rsub(dx, 1), table) * torch.embedding(table, y1 * n + x0)
    d = torch.type_as(dy * dx, table) * torch.embedding(table, y1 * n + x1)
    return a + b + c + d
  # q, k, v (1, H, N, D) -> (1, N, H * D); runs: how many windows of which length follow one another
  def windows(self, q: Tensor, k: Tensor, v: Tensor, runs: List[int]) -> Tensor:
    parts = annotate(List[Tensor], [])
    at = 0
    for i in range(torch.len(runs) // 2):
      count = runs[2 * i]
      length = runs[2 * i + 1]
      end = at + count * length
      shape = [torch.size(q, 1), count, length, torch.size(q, 3)]
      a = torch.transpose(torch.reshape(torch.slice(q, 2, at, end), shape), 0, 1)
      b = torch.transpose(torch.reshape(torch.slice(k, 2, at, end), shape), 0, 1)
      c = torch.transpose(torch.reshape(torch.slice(v, 2, at, end), shape), 0, 1)
      o = merge_heads(torch.scaled_dot_product_attention(a, b, c))
      _0 = torch.append(parts, torch.reshape(o, [1, count * length, -1]))
      at = end
    return torch.cat(parts, 1)
  # patch states (N, C) -> one for each merged cell; the norm before the joining, or behind it
  def merge(self, p: str, x: Tensor, joined_norm: bool) -> Tensor:
    w = self.w
    wide = torch.size(x, 1) * self.merge_unit
    if torch.__contains__(w, p + ".ln_q.weight"):
      h = torch.reshape(self.vision_norm(p + ".ln_q", x), [-1, wide])
      y = projection(w, p + ".mlp.2", torch.gelu(projection(w, p + ".mlp.0", h)))
    else:
      if joined_norm:
        h = self.vision_norm(p + ".norm", torch.reshape(x, [-1, wide]))
      else:
        h = torch.reshape(self.vision_norm(p + ".norm", x), [-1, wide])
      y = projection(w, p + ".linear_fc2", torch.gelu(projection(w, p + ".linear_fc1", h)))
    return y
  # patches [N, channel, time, y, x] in the order of windows, their rows and columns [N, 2], the grid, the windows'
  # runs, and where each merged cell of the picture lies among them -> its embeddings (N / merged, C), and as many for
  # each deepstack layer
  def embed_image(self, patches: Tensor, places: Tensor, grid: List[int], runs: List[int], back: Tensor) -> List[Tensor]:
    w = self.w
    v = "model.visual."
    kernel = torch.flatten(w[v + "patch_embed.proj.weight"], 1)
    x = torch.linear(torch.type_as(patches, kernel), kernel)
    if torch.__contains__(w, v + "patch_embed.proj.bias"):
      x = x + w[v + "patch_embed.proj.bias"]
    if torch.__contains__(w, v + "pos_embed.weight"):
      x = x + self.learned(places, grid)
    #= "vision.block0_input" := x
    half = self.vision_head // 2
    power = torch.arange(0, half, 2, dtype=6, device=x.device) / float(half)
    turn = torch.reciprocal(torch.pow(10000., power))
    angle = torch.flatten(torch.unsqueeze(torch.to(places, 6), -1) * turn, 1)
    angle = torch.cat([angle, angle], 1)
    cos = torch.cos(angle)
    sin = torch.sin(angle)
    deep = annotate(List[Tensor], [])
    whole = [1, torch.size(x, 0)]
    for i in range(self.vision_layers):
      b = v + "blocks." + str(i)
      h = torch.unsqueeze(self.vision_norm(b + ".norm1", x), 0)
      qkv = torch.chunk(projection(w, b + ".attn.qkv", h), 3, -1)
      q = torch.type_as(rotate_halves(torch.to(split_heads(qkv[0], self.vision_heads), 6), cos, sin), x)
      k = torch.type_as(rotate_halves(torch.to(split_heads(qkv[1], self.vision_heads), 6), cos, sin), x)
      u = split_heads(qkv[2], self.vision_heads)
      if self.listed(self.vision_whole, i):
        o = self.windows(q, k, u, whole)
      else:
        o = self.windows(q, k, u, runs)
      x = x + torch.squeeze(projection(w, b + ".attn.proj", o), 0)
      h = self.vision_norm(b + ".norm2", x)
      if torch.__contains__(w, b + ".mlp.gate_proj.weight"):
        g = activation(projection(w, b + ".mlp.gate_proj", h), self.vision_act)
        x = x + projection(w, b + ".mlp.down_proj", g * projection(w, b + ".mlp.up_proj", h))
      else:
        g = activation(projection(w, b + ".mlp.linear_fc1", h), self.vision_act)
        x = x + projection(w, b + ".mlp.linear_fc2", g)
      #= "vision.block" + str(i) := x
      if self.listed(self.vision_deep, i):
        m = self.merge(v + "deepstack_merger_list." + str(torch.len(deep)), x, True)
        #= "vision.deepstack" + str(torch.len(deep)) := m
        _0 = torch.append(deep, m)
    y = self.merge(v + "merger", x, False)
    #= "vision.merger" := y
    out = [torch.index_select(y, 0, back)]
    for j in range(torch.len(deep)):
      _1 = torch.append(out, torch.index_select(deep[j], 0, back))
    return out
  # positions (L, head / 2), for each frequency by its axis -> cosines and sines (L, head)
  def turns(self, positions: Tensor) -> Tuple[Tensor, Tensor]:
    power = torch.arange(0, self.head_dim, 2, dtype=6, device=positions.device) / float(self.head_dim)
    angle = torch.to(positions, 6) * torch.reciprocal(torch.pow(self.theta, power))
    both = torch.cat([angle, angle], -1)
    return (torch.cos(both), torch.sin(both))
  # ids [1, L] with one image token a merged cell, positions [L, head / 2], what embed_image gave for each image
  # -> logits of the next token [1, V], keys and values so far
  def prefill(self, ids: Tensor, positions: Tensor, images: List[Tensor]) -> Tuple[Tensor, Tensor, Tensor]:
    w = self.w
    stride = 1 + self.vision_deeps
    levels = annotate(List[Tensor], [])
    for level in range(stride):
      of_level = annotate(List[Tensor], [])
      for j in range(torch.len(images) // stride):
        _0 = torch.append(of_level, images[j * stride + level])
      _1 = torch.append(levels, torch.cat(of_level))
    x, image = embed_with_image(w, ids, self.image_token, levels[0])
    #= "inputs_embeds" := x
    cos, sin = self.turns(positions)
    none = nothing_read(x, self.layers, self.kv_heads, self.head_dim)
    y, k, v = read_on(w, x, cos, sin, none, none, self.layers, self.heads, self.kv_heads, self.eps, image, torch.slice(levels, 1))
    return (next_token_logits(w, torch.select(y, 1, -1)), k, v)
  # ids [1, L] that follow, at positions [L, head / 2] -> logits of the next token [1, V], keys and values so far
  def step(self, ids: Tensor, positions: Tensor, past_k: Tensor, past_v: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    w = self.w
    x = torch.embedding(w["model.language_model.embed_tokens.weight"], ids)
    cos, sin = self.turns(positions)
    none = annotate(List[Tensor], [])
    y, k, v = read_on(w, x, cos, sin, past_k, past_v, self.layers, self.heads, self.kv_heads, self.eps, torch.unsqueeze(ids, -1), none)
    return (next_token_logits(w, torch.select(y, 1, -1)), k, v)
