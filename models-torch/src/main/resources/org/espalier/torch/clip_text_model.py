class ClipText(Module):
  # ids (B, L) int64, mask (B, L) -> last hidden state (B, L, D), pooled (B, D), both float32
  def forward(self, ids: Tensor, mask: Tensor) -> Tuple[Tensor, Tensor]:
    return clip_text(self.w, ids, mask, self.layers, self.heads, self.eos, self.quick, self.eps)
