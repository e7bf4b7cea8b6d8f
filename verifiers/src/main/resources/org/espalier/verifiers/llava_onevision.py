# LLaVA-OneVision (Li et al. 2024, https://arxiv.org/abs/2408.03326): a SigLIP tower over an image and its tiles, a
# two-layer projector, and a Qwen2 decoder. Keys as transformers 5 writes them; older layouts are renamed while reading.
def scaled_rms_norm(w: Dict[str, Tensor], p: str, x: Tensor, eps: float) -> Tensor:
  f = torch.to(x, 6)
  f = f * torch.rsqrt(torch.mean(f * f, [-1], True) + eps)
  g = w[p + ".weight"]
  return g * torch.to(f, ops.prim.dtype(g))
def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
  half = torch.chunk(x, 2, -1)
  return x * cos + torch.cat([torch.neg(half[1]), half[0]], -1) * sin
class LlavaOnevision(Module):
  # tiles [T, 3, S, S] -> projected patch features [T, N, C]
  def embed_tiles(self, tiles: Tensor) -> Tensor:
    w = self.w
    p = "model.vision_tower."
    x = patch_tokens(w, p + "embeddings.patch_embedding", tiles)
    x = x + w[p + "embeddings.position_embedding.weight"]
    x = tower(w, p + "encoder.layers.", x, self.vision_layers, self.vision_heads, self.vision_eps, self.vision_act, None)
    x = activation(dense(w, "model.multi_modal_projector.linear_1", x), self.projector_act)
    return dense(w, "model.multi_modal_projector.linear_2", x)
  # The image as the decoder reads it: the whole image's patches, then the tiles put together, without the padding, made
  # smaller where there are too many, with a newline after each row. plan = rows and columns of tiles, patches along a
  # tile's side, top, left, height and width of the part without padding, height and width after shrinking (0: as it is).
  def pack(self, features: Tensor, plan: List[int]) -> Tensor:
    w = self.w
    newline = w["model.image_newline"]
    C = torch.size(features, 2)
    base = torch.select(features, 0, 0)
    if torch.eq(plan[0], 0):
      y = torch.cat([base, torch.reshape(newline, [1, C])], 0)
    else:
      x = torch.reshape(torch.slice(features, 0, 1), [plan[0], plan[1], plan[2], plan[2], C])
      x = torch.reshape(torch.permute(x, [4, 0, 2, 1, 3]), [C, plan[0] * plan[2], plan[1] * plan[2]])
      x = torch.slice(torch.slice(x, 1, plan[3], plan[3] + plan[5]), 2, plan[4], plan[4] + plan[6])
      if torch.gt(plan[7], 0):
        x = torch.squeeze(torch.upsample_bilinear2d(torch.unsqueeze(x, 0), [plan[7], plan[8]], False), 0)
      n = torch.expand(torch.reshape(newline, [C, 1, 1]), [C, torch.size(x, 1), 1])
      x = torch.cat([x, n], 2)
      y = torch.cat([base, torch.t(torch.flatten(x, 1))], 0)
    return y
  # x [B, L, C] after P positions held in keys and values [layers, B, kv heads, P, head] -> hidden states, keys, values
  def decode(self, x0: Tensor, past_k: Tensor, past_v: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    w = self.w
    x = x0
    L = torch.size(x, 1)
    P = torch.size(past_k, 3)
    at = torch.arange(P, P + L, device=x.device)
    power = torch.arange(0, self.head_dim, 2, dtype=6, device=x.device) / self.head_dim
    angle = torch.unsqueeze(torch.to(at, 6), 1) * torch.reciprocal(torch.pow(self.theta, power))
    angle = torch.cat([angle, angle], 1)
    cos = torch.to(torch.cos(angle), ops.prim.dtype(x))
    sin = torch.to(torch.sin(angle), ops.prim.dtype(x))
    seen = torch.le(torch.unsqueeze(torch.arange(P + L, device=x.device), 0), torch.unsqueeze(at, 1))
    ks = annotate(List[Tensor], [])
    vs = annotate(List[Tensor], [])
    groups = self.heads // self.kv_heads
    for i in range(self.layers):
      p = "model.language_model.layers." + str(i) + "."
      h = scaled_rms_norm(w, p + "input_layernorm", x, self.eps)
      q = rotate(split_heads(dense(w, p + "self_attn.q_proj", h), self.heads), cos, sin)
      k = rotate(split_heads(dense(w, p + "self_attn.k_proj", h), self.kv_heads), cos, sin)
      v = split_heads(dense(w, p + "self_attn.v_proj", h), self.kv_heads)
      k = torch.cat([torch.select(past_k, 0, i), k], 2)
      v = torch.cat([torch.select(past_v, 0, i), v], 2)
      _1 = torch.append(ks, k)
      _2 = torch.append(vs, v)
      o = torch.scaled_dot_product_attention(q, torch.repeat_interleave(k, groups, 1), torch.repeat_interleave(v, groups, 1), seen)
      x = x + dense(w, p + "self_attn.o_proj", merge_heads(o))
      h = scaled_rms_norm(w, p + "post_attention_layernorm", x, self.eps)
      g = activation(dense(w, p + "mlp.gate_proj", h), self.act)
      x = x + dense(w, p + "mlp.down_proj", g * dense(w, p + "mlp.up_proj", h))
    x = scaled_rms_norm(w, "model.language_model.norm", x, self.eps)
    return (x, torch.stack(ks), torch.stack(vs))
  def head(self, x: Tensor) -> Tensor:
    w = self.w
    if self.tied:
      y = torch.linear(x, w["model.language_model.embed_tokens.weight"])
    else:
      y = torch.linear(x, w["lm_head.weight"])
    return y
  # tiles and plan of one image, ids [1, L] with one image token a place of the packed image -> embeddings [1, L, C]
  def embed(self, tiles: Tensor, plan: List[int], ids: Tensor) -> Tensor:
    x = torch.embedding((self.w)["model.language_model.embed_tokens.weight"], ids)
    image = self.pack(self.embed_tiles(tiles), plan)
    there = torch.expand(torch.unsqueeze(torch.eq(ids, self.image_token), -1), torch.size(x))
    return torch.masked_scatter(x, there, image)
  def nothing(self, x: Tensor) -> Tensor:
    return torch.zeros([self.layers, torch.size(x, 0), self.kv_heads, 0, self.head_dim], dtype=ops.prim.dtype(x), device=x.device)
  # -> logits of the next token [1, V], keys and values so far
  def prefill(self, tiles: Tensor, plan: List[int], ids: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    x = self.embed(tiles, plan, ids)
    none = self.nothing(x)
    y, k, v = self.decode(x, none, none)
    return (torch.to(self.head(torch.select(y, 1, -1)), 6), k, v)
  # ids [B, L] that follow -> logits of the next token [B, V], keys and values so far
  def step(self, ids: Tensor, past_k: Tensor, past_v: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    x = torch.embedding((self.w)["model.language_model.embed_tokens.weight"], ids)
    y, k, v = self.decode(x, past_k, past_v)
    return (torch.to(self.head(torch.select(y, 1, -1)), 6), k, v)
  # -> logits at every place [1, L, V]
  def logits(self, tiles: Tensor, plan: List[int], ids: Tensor) -> Tensor:
    x = self.embed(tiles, plan, ids)
    none = self.nothing(x)
    y, k, v = self.decode(x, none, none)
    return torch.to(self.head(y), 6)
