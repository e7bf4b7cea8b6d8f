  # Added to the class of every transformer, which has `velocity(latent, text, t)`: batches of rows.
  # The texts of B rows, kind by kind: all of the first tensor of a conditioning, then all of the second.
  def batches(self, texts: List[Tensor], B: int) -> List[Tensor]:
    kinds = annotate(List[Tensor], [])
    for k in range(torch.len(texts) // B):
      rows = annotate(List[Tensor], [])
      for i in range(B):
        _0 = torch.append(rows, texts[k * B + i])
      _1 = torch.append(kinds, torch.cat(rows))
    return kinds
  # latents (B, ...), texts of as many rows, times (B) -> velocities (B, ...), float32
  def rows(self, latent: Tensor, texts: List[Tensor], t: Tensor) -> Tensor:
    return self.velocity(latent, self.batches(texts, torch.size(latent, 0)), t)
  # Classifier-free guidance, negative + scale * (positive - negative): a pair of rows for each row, in one network call
  # where both texts are of one length. A positive cap bounds the norm of a row to so many times that of the positive.
  def pairs(self, latent: Tensor, texts: List[Tensor], t: Tensor, negative: List[Tensor], scale: float, cap: float) -> Tensor:
    B = torch.size(latent, 0)
    text = self.batches(texts, B)
    same = torch.eq(torch.size(text[0], 1), torch.size(negative[0], 1))
    away = annotate(List[Tensor], [])
    both = annotate(List[Tensor], [])
    for k in range(torch.len(text)):
      _0 = torch.append(away, torch.repeat_interleave(negative[k], B, 0))
      if same:
        _1 = torch.append(both, torch.cat([text[k], away[k]]))
    if same:
      v = self.velocity(torch.cat([latent, latent]), both, torch.cat([t, t]))
      p = torch.slice(v, 0, 0, B)
      n = torch.slice(v, 0, B)
    else:
      p = self.velocity(latent, text, t)
      n = self.velocity(latent, away, t)
    guided = torch.add(n, torch.mul(torch.sub(p, n), scale))
    if torch.gt(cap, 0.):
      most = torch.norm(torch.flatten(p, 1), 2, [-1], True) * cap
      ratio = torch.clamp_max(most / torch.norm(torch.flatten(guided, 1), 2, [-1], True), 1.)
      guided = torch.view_as(torch.flatten(guided, 1) * ratio, guided)
    return guided
