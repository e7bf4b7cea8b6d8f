# Janus (https://arxiv.org/abs/2501.17811) as a generator of images, keys as in Hugging Face's
# JanusForConditionalGeneration: a decoder in the manner of Llama that draws a raster token by token. Shapes as in
# kept_attention.py; the prompt has P tokens, `depth` layers keep keys and values (depth, 2, R, N, L, H, D).
class Janus(Module):
  # ids (R, P) int64 -> keys and values of the prompt (depth, 2, R, 1, P, H, D), the first token's logits (1, 1, V)
  def condition(self, ids: Tensor) -> List[Tensor]:
    w = self.w
    x = torch.embedding(w["model.language_model.embed_tokens.weight"], ids)
    P = torch.size(ids, 1)
    cos, sin = rotary_halves(torch.arange(P, device=ids.device), self.head_width, self.theta)
    made = torch.empty([self.depth, 2, torch.size(ids, 0), 1, P, self.heads, self.head_width], dtype=x.dtype, device=ids.device)
    for i in range(self.depth):
      p = "model.language_model.layers." + str(i)
      h = rms_norm(w[p + ".input_layernorm.weight"], x, self.eps)
      qkv = decoder_qkv(w, p, h, cos, sin, self.heads, self.kv_heads, self.eps)
      k = torch.repeat_interleave(qkv[1], self.heads // self.kv_heads, 1)
      v = torch.repeat_interleave(qkv[2], self.heads // self.kv_heads, 1)
      _0 = torch.copy_(torch.select(torch.select(torch.select(made, 0, i), 0, 0), 1, 0), torch.transpose(k, 1, 2))
      _1 = torch.copy_(torch.select(torch.select(torch.select(made, 0, i), 0, 1), 1, 0), torch.transpose(v, 1, 2))
      x = decoder_end(w, p, x, merge_heads(torch.scaled_dot_product_attention(qkv[0], k, v, None, 0., True)), self.eps)
      #= "layer" + str(i) := x
    return [made, self.predict(torch.slice(x, 1, P - 1, P))]
  # The states (R, N, C) after the last layer -> the logits (N, 1, V) of what follows, guided and tempered.
  def predict(self, x: Tensor) -> Tensor:
    w = self.w
    h = rms_norm(w["model.language_model.norm.weight"], x, self.eps)
    #= "hidden" := h
    h = activate(linear(w, "model.generation_head.proj_out", h), self.activation)
    logits = torch.to(linear(w, "model.generation_head.vision_head", h), 6)
    #= "logits" := logits
    result = torch.select(logits, 0, 0)
    if torch.size(logits, 0) == 2:
      other = torch.select(logits, 0, 1)
      result = other + (result - other) * self.guidance
    return torch.unsqueeze(result / self.tau, 1)
  # What the tokens of a call see before them: in common (depth, 2, R, 1, L, H, D); and of their own, with room for
  # `more` at the end (depth, 2, R, N, L + more, H, D).
  def before(self, conditioning: List[Tensor], shared: List[Tensor], own: List[Tensor], N: int, more: int) -> Tuple[Tensor, Tensor]:
    prefix = conditioning[0]
    if torch.len(shared) > 0:
      parts = [prefix]
      for part in shared:
        _0 = torch.append(parts, part)
      prefix = torch.cat(parts, 4)
    length = 0
    for part in own:
      length = length + torch.size(part, 4)
    path = torch.empty([self.depth, 2, torch.size(prefix, 2), N, length + more, self.heads, self.head_width], dtype=prefix.dtype, device=prefix.device)
    at = 0
    for part in own:
      end = at + torch.size(part, 4)
      _1 = torch.copy_(torch.slice(path, 4, at, end), part)
      at = end
    return (prefix, path)
  # Passes one token (N) of each trajectory, all at one position; its keys and values go to the place `filled` of
  # `path` -> the states (R, N, C) after the last layer
  def token(self, tokens: Tensor, prefix: Tensor, path: Tensor, filled: int, position: int) -> Tensor:
    w = self.w
    x = linear(w, "model.generation_aligner.fc1", torch.embedding(w["model.generation_embeddings.weight"], tokens))
    for i in range(self.aligner_layers):
      x = linear(w, "model.generation_aligner.hidden_layers." + str(i), activate(x, self.activation))
    #= "code_embeds" := x
    x = torch.expand(torch.unsqueeze(x, 0), [torch.size(path, 2), -1, -1])
    cos, sin = rotary_halves(torch.arange(position, position + 1, device=tokens.device), self.head_width, self.theta)
    scale = 1. / torch.sqrt(float(self.head_width))
    for i in range(self.depth):
      p = "model.language_model.layers." + str(i)
      h = rms_norm(w[p + ".input_layernorm.weight"], x, self.eps)
      qkv = decoder_qkv(w, p, h, cos, sin, self.heads, self.kv_heads, self.eps)
      here = torch.select(path, 0, i)
      now = torch.select(here, 3, filled)
      groups = self.heads // self.kv_heads
      _0 = torch.copy_(torch.select(now, 0, 0), torch.transpose(torch.repeat_interleave(qkv[1], groups, 1), 1, 2))
      _1 = torch.copy_(torch.select(now, 0, 1), torch.transpose(torch.repeat_interleave(qkv[2], groups, 1), 1, 2))
      q = torch.contiguous(torch.transpose(qkv[0], 1, 2)) * scale
      o = forked_attention(q, [torch.select(prefix, 0, i)], torch.slice(here, 3, 0, filled + 1), self.attention)
      x = decoder_end(w, p, x, o, self.eps)
    return x
  # Passes the last token of each of N trajectories (1, n).
  #   shared, own: what is kept of the earlier ones, each (depth, 2, R, 1, L, H, D) and (depth, 2, R, N, L, H, D)
  # -> logits (N, 1, V) of the next one, its keys and values (depth, 2, R, N, 1, H, D)
  def step(self, conditioning: List[Tensor], codes: List[Tensor], shared: List[Tensor], own: List[Tensor]) -> List[Tensor]:
    n = torch.size(codes[0], 1)
    last = torch.select(torch.cat(codes, 0), 1, n - 1)
    prefix, path, = self.before(conditioning, shared, own, torch.len(codes), 1)
    filled = torch.size(path, 4) - 1
    x = self.token(last, prefix, path, filled, torch.size(conditioning[0], 4) + n - 1)
    return [self.predict(x), torch.contiguous(torch.slice(path, 4, filled, filled + 1))]
  # Draws a block of tokens for each child, one after the other.
  #   codes: each child's parent's tokens (1, n), indices: its parent in logits (N, 1, V), shared, own: as in `step`,
  #   with the parents' last tokens; uniform: numbers (k, size), or empty for the mode
  # -> the natural logarithm of each child's probability (k), keys and values of all drawn tokens but the last
  #   (depth, 2, R, k, size - 1, H, D), each child's tokens (1, n + size)
  def draw(self, conditioning: List[Tensor], codes: List[Tensor], logits: Tensor, indices: List[int], shared: List[Tensor], own: List[Tensor], uniform: Tensor, top_k: int, top_p: float, size: int) -> List[Tensor]:
    parents = annotate(List[Tensor], [])
    for i in indices:
      _0 = torch.append(parents, torch.select(logits, 0, i))
    now = torch.stack(parents, 0)
    prefix, path, = self.before(conditioning, shared, own, torch.len(codes), size - 1)
    filled = torch.size(path, 4) - size + 1
    position = torch.size(conditioning[0], 4) + torch.size(codes[0], 1)
    sums = annotate(List[Tensor], [])
    drawn = annotate(List[Tensor], [])
    for j in range(size):
      tokens, logs, = draw_tokens(now, torch.slice(uniform, 1, j, j + 1), top_k, top_p)
      _1 = torch.append(drawn, tokens)
      _2 = torch.append(sums, logs)
      if j + 1 < size:
        now = self.predict(self.token(torch.select(tokens, 1, 0), prefix, path, filled + j, position + j))
    results = [torch.sum(torch.stack(sums, 0), [0]), torch.contiguous(torch.slice(path, 4, filled, filled + size - 1))]
    block = torch.cat(drawn, 1)
    for i in range(torch.len(codes)):
      _3 = torch.append(results, torch.cat([codes[i], torch.slice(block, 0, i, i + 1)], 1))
    return results
  # Keys and values of tokens (1, m) that were drawn at a position before, as `draw` made them.
  def feed(self, conditioning: List[Tensor], tokens: Tensor, shared: List[Tensor], own: List[Tensor], position: int) -> Tensor:
    m = torch.size(tokens, 1)
    prefix, path, = self.before(conditioning, shared, own, 1, m)
    filled = torch.size(path, 4) - m
    for j in range(m):
      _0 = self.token(torch.select(tokens, 1, j), prefix, path, filled + j, torch.size(conditioning[0], 4) + position + j)
    return torch.contiguous(torch.slice(path, 4, filled, filled + m))
  # The logits of a prompt, as an evaluation of its own.
  def first(self, conditioning: List[Tensor], count: int) -> Tensor:
    return torch.repeat(conditioning[1], [count, 1, 1])
