# Mask2Former (Cheng et al. 2022, https://arxiv.org/abs/2112.01527) on a Swin transformer (Liu et al. 2021,
# https://arxiv.org/abs/2103.14030), over the keys of transformers 4, stacked projections in parts. One image at a time.
def mlp(w: Dict[str, Tensor], p: str, first: str, second: str, x: Tensor, act: str) -> Tensor:
  return dense(w, p + second, activation(dense(w, p + first, x), act))
# (1, L, C) attending to (1, M, C) -> (1, L, C); allowed: (L, M), or none to see everything
def attend(w: Dict[str, Tensor], p: str, q: Tensor, k: Tensor, v: Tensor, heads: int, allowed: Optional[Tensor]) -> Tensor:
  x = torch.scaled_dot_product_attention(split_heads(dense(w, p + "q_proj", q), heads), split_heads(dense(w, p + "k_proj", k), heads), split_heads(dense(w, p + "v_proj", v), heads), allowed)
  return dense(w, p + "out_proj", merge_heads(x))
# Sines and cosines of the place, rows then columns, for a map of H x W -> (1, H * W, C)
def sine_places(H: int, W: int, channels: int, like: Tensor) -> Tensor:
  half = channels // 2
  turn = 6.283185307179586
  y = torch.arange(1, H + 1, dtype=6, device=like.device)
  x = torch.arange(1, W + 1, dtype=6, device=like.device)
  y = y / (H + 1e-06) * turn
  x = x / (W + 1e-06) * turn
  pair = torch.floor_divide(torch.arange(half, device=like.device), 2)
  wave = torch.pow(10000.0, torch.to(pair * 2, 6) / half)
  y = torch.unsqueeze(y, 1) / wave
  x = torch.unsqueeze(x, 1) / wave
  y = torch.flatten(torch.stack([torch.sin(torch.slice(y, 1, 0, half, 2)), torch.cos(torch.slice(y, 1, 1, half, 2))], 2), 1)
  x = torch.flatten(torch.stack([torch.sin(torch.slice(x, 1, 0, half, 2)), torch.cos(torch.slice(x, 1, 1, half, 2))], 2), 1)
  y = torch.expand(torch.unsqueeze(y, 1), [H, W, half])
  x = torch.expand(torch.unsqueeze(x, 0), [H, W, half])
  z = torch.reshape(torch.cat([y, x], 2), [1, H * W, channels])
  return torch.to(z, ops.prim.dtype(like))
class Mask2Former(Module):
  # The bias of a window's heads, by how far apart two places are: (heads, N, N)
  def window_bias(self, p: str) -> Tensor:
    table = (self.w)[p + "relative_position_bias_table"]
    S = self.window
    at = torch.arange(S, device=table.device)
    row = torch.repeat_interleave(at, S)
    column = torch.repeat(at, [S])
    down = torch.unsqueeze(row, 1) - torch.unsqueeze(row, 0) + (S - 1)
    across = torch.unsqueeze(column, 1) - torch.unsqueeze(column, 0) + (S - 1)
    place = torch.flatten(down * (2 * S - 1) + across)
    bias = torch.reshape(torch.index_select(table, 0, place), [S * S, S * S, -1])
    return torch.permute(bias, [2, 0, 1])
  # (H, W, C) -> (windows, N, C); sides are multiples of the window's
  def windows(self, x: Tensor) -> Tensor:
    S = self.window
    rows = torch.size(x, 0) // S
    columns = torch.size(x, 1) // S
    y = torch.reshape(x, [rows, S, columns, S, -1])
    return torch.reshape(torch.permute(y, [0, 2, 1, 3, 4]), [rows * columns, S * S, -1])
  # Which of nine regions a place came from before the shift; only places of one region see each other: (windows, 1, N, N)
  def shift_bias(self, H: int, W: int, shift: int, like: Tensor) -> Tensor:
    S = self.window
    y = torch.arange(H, device=like.device)
    x = torch.arange(W, device=like.device)
    y = torch.to(torch.ge(y, H - S), 4) + torch.to(torch.ge(y, H - shift), 4)
    x = torch.to(torch.ge(x, W - S), 4) + torch.to(torch.ge(x, W - shift), 4)
    region = torch.unsqueeze(y, 1) * 3 + torch.unsqueeze(x, 0)
    region = torch.squeeze(self.windows(torch.unsqueeze(region, 2)), 2)
    apart = torch.ne(torch.unsqueeze(region, 1), torch.unsqueeze(region, 2))
    return torch.unsqueeze(torch.to(apart, ops.prim.dtype(like)) * -100.0, 1)
  # (H, W, C) -> (H, W, C)
  def block(self, p: str, x: Tensor, heads: int, shift: int) -> Tensor:
    w = self.w
    S = self.window
    H = torch.size(x, 0)
    W = torch.size(x, 1)
    C = torch.size(x, 2)
    down = (S - H % S) % S
    right = (S - W % S) % S
    h = torch.constant_pad_nd(layer_norm(w, p + "layernorm_before", x, self.swin_eps), [0, 0, 0, right, 0, down], 0)
    bias = torch.unsqueeze(self.window_bias(p + "attention.self."), 0)
    if torch.gt(shift, 0):
      h = torch.roll(h, [0 - shift, 0 - shift], [0, 1])
      bias = bias + self.shift_bias(H + down, W + right, shift, h)
    h = self.windows(h)
    q = split_heads(dense(w, p + "attention.self.query", h), heads)
    k = split_heads(dense(w, p + "attention.self.key", h), heads)
    v = split_heads(dense(w, p + "attention.self.value", h), heads)
    bias = torch.expand(bias, [torch.size(q, 0), -1, -1, -1])
    h = merge_heads(torch.scaled_dot_product_attention(q, k, v, bias))
    h = dense(w, p + "attention.output.dense", h)
    h = torch.reshape(h, [(H + down) // S, (W + right) // S, S, S, C])
    h = torch.reshape(torch.permute(h, [0, 2, 1, 3, 4]), [H + down, W + right, C])
    if torch.gt(shift, 0):
      h = torch.roll(h, [shift, shift], [0, 1])
    y = x + torch.slice(torch.slice(h, 0, 0, H), 1, 0, W)
    h = layer_norm(w, p + "layernorm_after", y, self.swin_eps)
    return y + mlp(w, p, "intermediate.dense", "output.dense", h, self.swin_act)
  # (H, W, C) -> (H / 2, W / 2, 2 C). Published checkpoints differ in the order in which four neighbours are joined.
  def merge(self, p: str, x0: Tensor) -> Tensor:
    w = self.w
    x = torch.constant_pad_nd(x0, [0, 0, 0, torch.size(x0, 1) % 2, 0, torch.size(x0, 0) % 2], 0)
    parts = annotate(List[Tensor], [])
    for i in range(4):
      if self.unfolded:
        row = i // 2
        column = i % 2
      else:
        row = i % 2
        column = i // 2
      part = torch.slice(torch.slice(x, 0, row, 9223372036854775807, 2), 1, column, 9223372036854775807, 2)
      _1 = torch.append(parts, part)
    if self.unfolded:
      y = torch.flatten(torch.stack(parts, 3), 2)
    else:
      y = torch.cat(parts, 2)
    return dense(w, p + "reduction", layer_norm(w, p + "norm", y, 1e-05))
  # pixels (1, 3, H, W) -> embeddings (H / 4, W / 4, C)
  def embed(self, pixels: Tensor) -> Tensor:
    w = self.w
    p = "model.pixel_level_module.encoder.embeddings."
    k = w[p + "patch_embeddings.projection.weight"]
    S = torch.size(k, 2)
    x = torch.constant_pad_nd(pixels, [0, (S - torch.size(pixels, 3) % S) % S, 0, (S - torch.size(pixels, 2) % S) % S], 0)
    x = torch.conv2d(torch.to(x, ops.prim.dtype(k)), k, w[p + "patch_embeddings.projection.bias"], [S, S])
    return layer_norm(w, p + "norm", torch.permute(torch.squeeze(x, 0), [1, 2, 0]), 1e-05)
  # pixels (1, 3, H, W) -> a map of each stage (H, W, C), the finest first
  def backbone(self, pixels: Tensor) -> List[Tensor]:
    w = self.w
    p = "model.pixel_level_module.encoder."
    x = self.embed(pixels)
    maps = annotate(List[Tensor], [])
    for stage in range(torch.len(self.depths)):
      s = p + "encoder.layers." + str(stage) + "."
      for i in range((self.depths)[stage]):
        shift = 0
        if i % 2 == 1:
          shift = self.window // 2
        x = self.block(s + "blocks." + str(i) + ".", x, (self.swin_heads)[stage], shift)
      n = p + "hidden_states_norms.stage" + str(stage + 1)
      if torch.__contains__(w, n + ".weight"):
        _1 = torch.append(maps, layer_norm(w, n, x, 1e-05))
      if torch.__contains__(w, s + "downsample.reduction.weight"):
        x = self.merge(s + "downsample.", x)
    return maps
  # Each place looks at a few points round itself in every level: values (1, L, C), places (1, L, C) -> (1, L, C)
  def deform(self, p: str, x: Tensor, places: Tensor, sizes: List[int], points: Tensor) -> Tensor:
    w = self.w
    heads = self.encoder_heads
    levels = torch.len(sizes) // 2
    L = torch.size(x, 1)
    C = torch.size(x, 2)
    value = dense(w, p + "value_proj", x)
    q = x + places
    offsets = torch.reshape(dense(w, p + "sampling_offsets", q), [L, heads, levels, -1, 2])
    P = torch.size(offsets, 3)
    weights = torch.softmax(torch.reshape(dense(w, p + "attention_weights", q), [L, heads, levels * P]), -1)
    sampled = annotate(List[Tensor], [])
    start = 0
    for level in range(levels):
      H = sizes[2 * level]
      W = sizes[2 * level + 1]
      part = torch.slice(value, 1, start, start + H * W)
      part = torch.reshape(torch.transpose(part, 1, 2), [heads, C // heads, H, W])
      start = start + H * W
      o = torch.select(offsets, 2, level)
      o = torch.stack([torch.select(o, 3, 0) / W, torch.select(o, 3, 1) / H], 3)
      at = torch.reshape(points, [L, 1, 1, 2]) + o
      grid = torch.transpose(at, 0, 1) * 2 - 1
      _1 = torch.append(sampled, torch.grid_sampler(part, grid, 0, 0, False))
    y = torch.cat(sampled, 3)
    y = torch.sum(y * torch.unsqueeze(torch.transpose(weights, 0, 1), 1), [3])
    y = torch.transpose(torch.reshape(y, [1, C, L]), 1, 2)
    return dense(w, p + "output_proj", y)
  # maps of the stages -> maps of the coarsest levels (1, L, C), the coarsest first, then features for masks (1, C, H, W)
  def pixel_decoder(self, maps: List[Tensor]) -> List[Tensor]:
    w = self.w
    p = "model.pixel_level_module.decoder."
    levels = self.levels
    stages = torch.len(maps)
    inputs = annotate(List[Tensor], [])
    places = annotate(List[Tensor], [])
    points = annotate(List[Tensor], [])
    sizes = annotate(List[int], [])
    C = 0
    for i in range(levels):
      m = torch.unsqueeze(torch.permute(maps[stages - 1 - i], [2, 0, 1]), 0)
      q = p + "input_projections." + str(i) + "."
      x = group_norm(w, q + "1", torch.conv2d(m, w[q + "0.weight"], w[q + "0.bias"]), 32, 1e-05)
      C = torch.size(x, 1)
      H = torch.size(x, 2)
      W = torch.size(x, 3)
      _1 = torch.append(inputs, torch.transpose(torch.flatten(x, 2), 1, 2))
      _2 = torch.append(places, sine_places(H, W, C, x) + torch.select(w[p + "level_embed"], 0, i))
      _3 = torch.append(sizes, H)
      _4 = torch.append(sizes, W)
      v = (torch.arange(H, dtype=6, device=x.device) + 0.5) / H
      u = (torch.arange(W, dtype=6, device=x.device) + 0.5) / W
      grid = torch.stack([torch.expand(torch.unsqueeze(u, 0), [H, W]), torch.expand(torch.unsqueeze(v, 1), [H, W])], 2)
      _5 = torch.append(points, torch.to(torch.reshape(grid, [H * W, 2]), ops.prim.dtype(x)))
    x = torch.cat(inputs, 1)
    place = torch.cat(places, 1)
    point = torch.cat(points, 0)
    for i in range(self.encoder_layers):
      l = p + "encoder.layers." + str(i) + "."
      x = layer_norm(w, l + "self_attn_layer_norm", x + self.deform(l + "self_attn.", x, place, sizes, point), 1e-05)
      x = layer_norm(w, l + "final_layer_norm", x + mlp(w, l, "fc1", "fc2", x, "relu"), 1e-05)
    outputs = annotate(List[Tensor], [])
    start = 0
    for i in range(levels):
      length = sizes[2 * i] * sizes[2 * i + 1]
      _6 = torch.append(outputs, torch.slice(x, 1, start, start + length))
      start = start + length
    finest = torch.reshape(torch.transpose(outputs[levels - 1], 1, 2), [1, C, sizes[2 * levels - 2], sizes[2 * levels - 1]])
    for i in range(self.laterals):
      n = str(self.laterals - i)
      m = torch.unsqueeze(torch.permute(maps[self.laterals - 1 - i], [2, 0, 1]), 0)
      y = group_norm(w, p + "adapter_" + n + ".1", torch.conv2d(m, w[p + "adapter_" + n + ".0.weight"]), 32, 1e-05)
      y = y + torch.upsample_bilinear2d(finest, [torch.size(y, 2), torch.size(y, 3)], False)
      y = torch.conv2d(y, w[p + "layer_" + n + ".0.weight"], None, [1, 1], [1, 1])
      finest = torch.relu(group_norm(w, p + "layer_" + n + ".1", y, 32, 1e-05))
    _7 = torch.append(outputs, conv2d(w, p + "mask_projection", finest, 1, 0))
    return outputs
  # queries (1, Q, C), features (1, C, H, W) -> mask logits (1, Q, H, W)
  def masks(self, x: Tensor, features: Tensor) -> Tensor:
    w = self.w
    p = "model.transformer_module.decoder.mask_predictor.mask_embedder."
    h = torch.relu(dense(w, p + "0.0", x))
    h = torch.relu(dense(w, p + "1.0", h))
    h = dense(w, p + "2.0", h)
    y = torch.matmul(h, torch.flatten(features, 2))
    return torch.reshape(y, [1, -1, torch.size(features, 2), torch.size(features, 3)])
  # Where a query may look, (heads' 1, Q, H * W): its own mask so far, or everywhere where that is empty
  def allowed(self, logits: Tensor, H: int, W: int) -> Tensor:
    m = torch.sigmoid(torch.upsample_bilinear2d(logits, [H, W], False))
    inside = torch.ge(torch.squeeze(torch.flatten(m, 2), 0), 0.5)
    return torch.logical_or(inside, torch.logical_not(torch.any(inside, 1, True)))
  # maps and features of the pixel decoder; sizes of the maps -> hidden states before each layer and after the last,
  # class logits and mask logits at each of these places
  def decode(self, maps: List[Tensor], sizes: List[int]) -> Tuple[List[Tensor], List[Tensor], List[Tensor]]:
    w = self.w
    p = "model.transformer_module."
    levels = self.levels
    features = maps[levels]
    keys = annotate(List[Tensor], [])
    values = annotate(List[Tensor], [])
    for i in range(levels):
      m = maps[i]
      q = p + "input_projections." + str(i)
      if torch.__contains__(w, q + ".weight"):
        m = torch.linear(m, torch.flatten(w[q + ".weight"], 1), w[q + ".bias"])
      v = m + torch.select(w[p + "level_embed.weight"], 0, i)
      _1 = torch.append(values, v)
      _2 = torch.append(keys, v + sine_places(sizes[2 * i], sizes[2 * i + 1], torch.size(v, 2), v))
    place = torch.unsqueeze(w[p + "queries_embedder.weight"], 0)
    x = torch.unsqueeze(w[p + "queries_features.weight"], 0)
    hidden = annotate(List[Tensor], [])
    classes = annotate(List[Tensor], [])
    masks = annotate(List[Tensor], [])
    for i in range(self.decoder_layers + 1):
      n = layer_norm(w, p + "decoder.layernorm", x, 1e-05)
      logits = self.masks(n, features)
      _3 = torch.append(hidden, x)
      _4 = torch.append(classes, torch.to(dense(w, "class_predictor", n), 6))
      _5 = torch.append(masks, torch.to(logits, 6))
      if torch.lt(i, self.decoder_layers):
        l = i % levels
        where = self.allowed(logits, sizes[2 * l], sizes[2 * l + 1])
        q = p + "decoder.layers." + str(i) + "."
        if self.pre_norm:
          h = layer_norm(w, q + "cross_attn_layer_norm", x, 1e-05)
          x = x + attend(w, q + "cross_attn.", h + place, keys[l], values[l], self.heads, where)
          h = layer_norm(w, q + "self_attn_layer_norm", x, 1e-05)
          x = x + attend(w, q + "self_attn.", h + place, h + place, h, self.heads, None)
          h = layer_norm(w, q + "final_layer_norm", x, 1e-05)
          x = x + mlp(w, q, "fc1", "fc2", h, self.act)
        else:
          h = attend(w, q + "cross_attn.", x + place, keys[l], values[l], self.heads, where)
          x = layer_norm(w, q + "cross_attn_layer_norm", x + h, 1e-05)
          h = attend(w, q + "self_attn.", x + place, x + place, x, self.heads, None)
          x = layer_norm(w, q + "self_attn_layer_norm", x + h, 1e-05)
          x = layer_norm(w, q + "final_layer_norm", x + mlp(w, q, "fc1", "fc2", x, self.act), 1e-05)
    return (hidden, classes, masks)
  def sizes(self, maps: List[Tensor]) -> List[int]:
    n = torch.len(maps)
    all = annotate(List[int], [])
    for i in range(self.levels):
      _1 = torch.append(all, torch.size(maps[n - 1 - i], 0))
      _2 = torch.append(all, torch.size(maps[n - 1 - i], 1))
    return all
  # pixels (1, 3, H, W) -> class logits (Q, classes + 1), mask logits (Q, H / 4, W / 4)
  def detect(self, pixels: Tensor) -> Tuple[Tensor, Tensor]:
    maps = self.backbone(pixels)
    hidden, classes, masks = self.decode(self.pixel_decoder(maps), self.sizes(maps))
    return (torch.squeeze(classes[self.decoder_layers], 0), torch.squeeze(masks[self.decoder_layers], 0))
  # Everything that the reference's tests look at
  def trace(self, pixels: Tensor) -> Tuple[List[Tensor], List[Tensor], List[Tensor], List[Tensor], List[Tensor]]:
    maps = self.backbone(pixels)
    decoded = self.pixel_decoder(maps)
    hidden, classes, masks = self.decode(decoded, self.sizes(maps))
    return (maps, decoded, hidden, classes, masks)
  # The best instances, as mmdet's MaskFormerFusionHead finds them: class and mask logits; the sides of the network's
  # input, of the part that shows the picture, and of the picture -> queries, labels (N), scores (N), boxes (N, 4) with
  # the right and lower edges outside, masks (N, height, width), best first
  def instances(self, classes: Tensor, logits: Tensor, padded: List[int], shown: List[int], size: List[int]) -> Tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    Q = torch.size(classes, 0)
    things = torch.size(classes, 1) - 1
    likely = torch.slice(torch.softmax(classes, 1), 1, 0, things)
    best, which = torch.topk(torch.flatten(likely), Q, 0, True, True)
    query = torch.floor_divide(which, things)
    label = torch.remainder(which, things)
    m = torch.upsample_bilinear2d(torch.unsqueeze(logits, 0), padded, False)
    m = torch.slice(torch.slice(m, 2, 0, shown[0]), 3, 0, shown[1])
    m = torch.squeeze(torch.upsample_bilinear2d(m, size, False), 0)
    m = torch.index_select(m, 0, query)
    inside = torch.gt(m, 0)
    flat = torch.to(torch.flatten(inside, 1), 6)
    sure = torch.sum(torch.flatten(torch.sigmoid(m), 1) * flat, [1]) / (torch.sum(flat, [1]) + 1e-06)
    score = best * sure
    rows = torch.any(inside, 2)
    columns = torch.any(inside, 1)
    H = torch.arange(size[0], device=m.device)
    W = torch.arange(size[1], device=m.device)
    some = torch.any(rows, 1)
    left = torch.amin(torch.where(columns, W, torch.full_like(W, size[1])), [1])
    top = torch.amin(torch.where(rows, H, torch.full_like(H, size[0])), [1])
    right = torch.amax(torch.where(columns, W + 1, torch.zeros_like(W)), [1])
    bottom = torch.amax(torch.where(rows, H + 1, torch.zeros_like(H)), [1])
    box = torch.stack([left, top, right, bottom], 1) * torch.unsqueeze(torch.to(some, 4), 1)
    ordered = torch.argsort(score, 0, True)
    return (torch.index_select(query, 0, ordered), torch.index_select(label, 0, ordered), torch.index_select(score, 0, ordered), torch.index_select(box, 0, ordered), torch.to(torch.index_select(inside, 0, ordered), 0))
