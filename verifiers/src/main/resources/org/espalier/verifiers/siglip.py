# SigLIP (Zhai et al. 2023, https://arxiv.org/abs/2303.15343) over the keys of transformers' SiglipModel.
class Siglip(Module):
  # pixels [B, 3, H, W] -> unit vectors [B, D]
  def embed_image(self, pixels: Tensor) -> Tensor:
    w = self.w
    x = patch_tokens(w, "vision_model.embeddings.patch_embedding", pixels)
    x = x + w["vision_model.embeddings.position_embedding.weight"]
    x = tower(w, "vision_model.encoder.layers.", x, self.vision_layers, self.vision_heads, self.vision_eps, self.vision_act, None)
    x = layer_norm(w, "vision_model.post_layernorm", x, self.vision_eps)
    # One learned query attends to all patches.
    h = "vision_model.head."
    q = torch.expand(w[h + "probe"], [torch.size(x, 0), -1, -1])
    m = torch.chunk(w[h + "attention.in_proj_weight"], 3, 0)
    b = torch.chunk(w[h + "attention.in_proj_bias"], 3, 0)
    query = split_heads(torch.linear(q, m[0], b[0]), self.vision_heads)
    key = split_heads(torch.linear(x, m[1], b[1]), self.vision_heads)
    value = split_heads(torch.linear(x, m[2], b[2]), self.vision_heads)
    y = merge_heads(torch.scaled_dot_product_attention(query, key, value))
    y = linear(w, h + "attention.out_proj", y)
    z = linear(w, h + "mlp.fc1", layer_norm(w, h + "layernorm", y, self.vision_eps))
    y = torch.select(y + linear(w, h + "mlp.fc2", activation(z, self.vision_act)), 1, 0)
    return torch.to(y / torch.norm(y, 2, [-1], True), 6)
  # ids, mask [B, L] -> hidden states [B, L, C], pooled [B, D], unit vectors [B, D]. Each token sees all others, padding
  # too, and the last one is read: texts are to be padded to the full length.
  def embed_text(self, ids: Tensor, mask: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    w = self.w
    x = torch.embedding(w["text_model.embeddings.token_embedding.weight"], ids)
    x = x + torch.slice(w["text_model.embeddings.position_embedding.weight"], 0, 0, torch.size(ids, 1))
    x = tower(w, "text_model.encoder.layers.", x, self.text_layers, self.text_heads, self.text_eps, self.text_act, None)
    x = layer_norm(w, "text_model.final_layer_norm", x, self.text_eps)
    y = torch.to(linear(w, "text_model.head", torch.select(x, 1, -1)), 6)
    return (torch.to(x, 6), y, y / torch.norm(y, 2, [-1], True))
  # unit vectors [B, D] and [B, D] -> cosines [B], logits [B]
  def compare(self, image: Tensor, text: Tensor) -> Tuple[Tensor, Tensor]:
    w = self.w
    c = torch.sum(image * text, [-1])
    return (c, c * torch.exp(torch.to(w["logit_scale"], 6)) + torch.to(w["logit_bias"], 6))
