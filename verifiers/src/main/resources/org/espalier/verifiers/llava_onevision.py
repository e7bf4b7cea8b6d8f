# LLaVA-OneVision (Li et al. 2024, https://arxiv.org/abs/2408.03326): a SigLIP tower over an image and its tiles, a
# two-layer projector, and a Qwen2 decoder. Keys as transformers 5 writes them; older layouts are renamed while reading.
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
  # L new places after those held -> cosines and sines (L, head)
  def turns(self, places: Tensor, past_k: Tensor) -> Tuple[Tensor, Tensor]:
    P = torch.size(past_k, 3)
    return rotary_halves(torch.arange(P, P + torch.size(places, 1), device=places.device), self.head_dim, self.theta)
  # tiles and plan of one image, ids [1, L] with one image token a place of the packed image -> states [1, L, C], keys
  # and values so far
  def read(self, tiles: Tensor, plan: List[int], ids: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    w = self.w
    x, image = embed_with_image(w, ids, self.image_token, self.pack(self.embed_tiles(tiles), plan))
    nowhere = nothing_read(x, self.layers, self.kv_heads, self.head_dim)
    cos, sin = self.turns(ids, nowhere)
    none = annotate(List[Tensor], [])
    return read_on(w, x, cos, sin, nowhere, nowhere, self.layers, self.heads, self.kv_heads, self.eps, image, none)
  # -> logits of the next token [1, V], keys and values so far
  def prefill(self, tiles: Tensor, plan: List[int], ids: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    y, k, v = self.read(tiles, plan, ids)
    return (next_token_logits(self.w, torch.select(y, 1, -1)), k, v)
  # ids [B, L] that follow -> logits of the next token [B, V], keys and values so far
  def step(self, ids: Tensor, past_k: Tensor, past_v: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    w = self.w
    x = torch.embedding(w["model.language_model.embed_tokens.weight"], ids)
    cos, sin = self.turns(ids, past_k)
    none = annotate(List[Tensor], [])
    y, k, v = read_on(w, x, cos, sin, past_k, past_v, self.layers, self.heads, self.kv_heads, self.eps, torch.unsqueeze(ids, -1), none)
    return (next_token_logits(w, torch.select(y, 1, -1)), k, v)
  # -> logits at every place [1, L, V]
  def logits(self, tiles: Tensor, plan: List[int], ids: Tensor) -> Tensor:
    y, k, v = self.read(tiles, plan, ids)
    return next_token_logits(self.w, y)
