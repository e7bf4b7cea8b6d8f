# CLIP (Radford et al. 2021, https://arxiv.org/abs/2103.00020) over the keys of transformers' CLIPModel.
# Into the common space: by a layer, or by a bare matrix in open_clip's orientation.
def project(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  if torch.__contains__(w, p):
    y = torch.matmul(x, w[p])
  else:
    y = dense(w, p, x)
  return y
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
    x = project(w, "visual_projection", x)
    return torch.to(x / torch.norm(x, 2, [-1], True), 6)
  # ids, mask [B, L] -> hidden states [B, L, C], pooled [B, C], unit vectors [B, D]
  def embed_text(self, ids: Tensor, mask: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    w = self.w
    hidden, pooled = clip_text(w, ids, mask, self.text_layers, self.text_heads, self.eos, self.quick, self.text_eps)
    y = project(w, "text_projection", pooled)
    return (hidden, pooled, torch.to(y / torch.norm(y, 2, [-1], True), 6))
  # unit vectors [B, D] and [B, D] -> cosines [B], logits [B]
  def compare(self, image: Tensor, text: Tensor) -> Tuple[Tensor, Tensor]:
    c = torch.sum(image * text, [-1])
    return (c, c * torch.exp(torch.to((self.w)["logit_scale"], 6)))
