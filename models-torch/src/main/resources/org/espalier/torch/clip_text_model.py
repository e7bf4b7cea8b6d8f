class ClipText(Module):
  # ids (B, L) int64, mask (B, L) -> last hidden state (B, L, D), pooled (B, D), both float32
  def forward(self, ids: Tensor, mask: Tensor) -> Tuple[Tensor, Tensor]:
    return clip_text(self.w, ids, mask, self.layers, self.heads, self.eos, self.quick, self.eps)
  # As Stable Diffusion 3 reads prompts: ids (B, L), padding included and seen -> the states before the last layer
  # (B, L, D), and the projected row at the end of text (B, P), both float32
  def projected(self, ids: Tensor) -> Tuple[Tensor, Tensor]:
    w = self.w
    allowed = clip_allowed(torch.ones_like(ids))
    before = self.layers - 1
    x = clip_layers(w, clip_embeddings(w, ids), allowed, 0, before, self.heads, self.quick, self.eps)
    last = clip_layers(w, x, allowed, before, self.layers, self.heads, self.quick, self.eps)
    end = clip_end(layer_norm(w, "text_model.final_layer_norm", last, self.eps), ids, self.eos)
    return (torch.to(x, 6), torch.to(linear_no_bias(w, "text_projection", end), 6))
