# CLIP (Radford et al. 2021, https://arxiv.org/abs/2103.00020) over the keys of transformers' CLIPModel.
class Clip(Module):
  # pixels [B, 3, H, W] -> unit vectors [B, D]
  def embed_image(self, pixels: Tensor) -> Tensor:
    w = self.w
    x = patch_tokens(w, "vision_model.embeddings.patch_embedding", pixels)
    c = torch.expand(torch.reshape(w["vision_model.embeddings.class_embedding"], [1, 1, -1]), [torch.size(x, 0), 1, -1])
    x = torch.cat([c, x], 1) + w["vision_model.embeddings.position_embedding.weight"]
    x = layer_norm(w, "vision_model.pre_layrnorm", x, self.vision_eps)
    x = tower(w, "vision_model.encoder.layers.", x, self.vision_layers, self.vision_heads, self.vision_eps, self.vision_act, None)
    x = layer_norm(w, "vision_model.post_layernorm", torch.select(x, 1, 0), self.vision_eps)
    x = dense(w, "visual_projection", x)
    return torch.to(x / torch.norm(x, 2, [-1], True), 6)
  # ids, mask [B, L] -> hidden states [B, L, C], pooled [B, C], unit vectors [B, D]
  def embed_text(self, ids: Tensor, mask: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    w = self.w
    L = torch.size(ids, 1)
    x = torch.embedding(w["text_model.embeddings.token_embedding.weight"], ids)
    x = x + torch.slice(w["text_model.embeddings.position_embedding.weight"], 0, 0, L)
    causal = torch.tril(torch.ones([L, L], dtype=11, device=ids.device))
    seen = torch.unsqueeze(torch.unsqueeze(torch.to(mask, 11), 1), 1)
    seen = torch.logical_and(torch.unsqueeze(torch.unsqueeze(causal, 0), 0), seen)
    x = tower(w, "text_model.encoder.layers.", x, self.text_layers, self.text_heads, self.text_eps, self.text_act, seen)
    x = layer_norm(w, "text_model.final_layer_norm", x, self.text_eps)
    # Old configurations say eos_token_id 2 and mean: the largest id, which is the true end token.
    if torch.eq(self.eos, 2):
      at = torch.argmax(ids, 1)
    else:
      at = torch.argmax(torch.to(torch.eq(ids, self.eos), 3), 1)
    pooled = torch.squeeze(torch.gather(x, 1, torch.expand(torch.reshape(at, [-1, 1, 1]), [-1, 1, torch.size(x, 2)])), 1)
    y = dense(w, "text_projection", pooled)
    return (torch.to(x, 6), torch.to(pooled, 6), torch.to(y / torch.norm(y, 2, [-1], True), 6))
  # unit vectors [B, D] and [B, D] -> cosines [B], logits [B]
  def compare(self, image: Tensor, text: Tensor) -> Tuple[Tensor, Tensor]:
    c = torch.sum(image * text, [-1])
    return (c, c * torch.exp(torch.to((self.w)["logit_scale"], 6)))
  def logits(self, image: Tensor, text: Tensor) -> Tensor:
    return torch.matmul(image, torch.t(text)) * torch.exp(torch.to((self.w)["logit_scale"], 6))
