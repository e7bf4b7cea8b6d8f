# ImageReward (Xu et al. 2023, https://arxiv.org/abs/2304.05977): a BLIP vision transformer, a BERT that attends to its
# patches, and a head of five linear layers on the first token.
class ImageReward(Module):
  # pixels [B, 3, H, W] -> patch features [B, N, D]
  def embed_image(self, pixels: Tensor) -> Tensor:
    w = self.w
    p = "blip.visual_encoder."
    x = patch_tokens(w, p + "patch_embed.proj", pixels)
    x = torch.cat([torch.expand(w[p + "cls_token"], [torch.size(x, 0), -1, -1]), x], 1)
    x = x + torch.slice(w[p + "pos_embed"], 1, 0, torch.size(x, 1))
    for i in range(self.vision_layers):
      b = p + "blocks." + str(i) + "."
      h = dense(w, b + "attn.qkv", layer_norm(w, b + "norm1", x, self.vision_eps))
      qkv = torch.chunk(h, 3, -1)
      q = split_heads(qkv[0], self.vision_heads)
      k = split_heads(qkv[1], self.vision_heads)
      v = split_heads(qkv[2], self.vision_heads)
      o = torch.scaled_dot_product_attention(q, k, v)
      x = x + dense(w, b + "attn.proj", merge_heads(o))
      h = layer_norm(w, b + "norm2", x, self.vision_eps)
      x = x + dense(w, b + "mlp.fc2", torch.gelu(dense(w, b + "mlp.fc1", h)))
    return layer_norm(w, p + "norm", x, self.vision_eps)
  def attend(self, p: str, x: Tensor, source: Tensor, mask: Optional[Tensor]) -> Tensor:
    w = self.w
    q = split_heads(dense(w, p + "self.query", x), self.text_heads)
    k = split_heads(dense(w, p + "self.key", source), self.text_heads)
    v = split_heads(dense(w, p + "self.value", source), self.text_heads)
    o = merge_heads(torch.scaled_dot_product_attention(q, k, v, mask))
    h = dense(w, p + "output.dense", o)
    return layer_norm(w, p + "output.LayerNorm", h + x, self.text_eps)
  # patch features [B, N, D], ids and mask [B, L] -> hidden states [B, L, C]
  def read_text(self, image: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
    w = self.w
    p = "blip.text_encoder."
    x = torch.embedding(w[p + "embeddings.word_embeddings.weight"], ids)
    x = x + torch.slice(w[p + "embeddings.position_embeddings.weight"], 0, 0, torch.size(ids, 1))
    x = layer_norm(w, p + "embeddings.LayerNorm", x, self.text_eps)
    seen = torch.unsqueeze(torch.unsqueeze(torch.to(mask, 11), 1), 1)
    for i in range(self.text_layers):
      b = p + "encoder.layer." + str(i) + "."
      x = self.attend(b + "attention.", x, x, seen)
      x = self.attend(b + "crossattention.", x, image, None)
      h = activation(dense(w, b + "intermediate.dense", x), self.text_act)
      x = layer_norm(w, b + "output.LayerNorm", dense(w, b + "output.dense", h) + x, self.text_eps)
    return x
  # hidden states [B, L, C] -> raw and standardised rewards [B, 1]
  def reward(self, hidden: Tensor) -> Tuple[Tensor, Tensor]:
    r = torch.to(score_head(self.w, "mlp.layers.", torch.select(hidden, 1, 0)), 6)
    return (r, (r - self.mean) / self.std)
  # pixels [B, 3, H, W], ids and mask [B, L] -> raw and standardised rewards [B, 1]
  def score(self, pixels: Tensor, ids: Tensor, mask: Tensor) -> Tuple[Tensor, Tensor]:
    hidden = self.read_text(self.embed_image(pixels), ids, mask)
    return self.reward(hidden)
