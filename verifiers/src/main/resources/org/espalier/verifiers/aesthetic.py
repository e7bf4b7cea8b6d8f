# LAION's improved aesthetic predictor (https://github.com/christophschuhmann/improved-aesthetic-predictor).
class Aesthetic(Module):
  # unit vectors [B, D] -> scores [B, 1]
  def score(self, embeddings: Tensor) -> Tensor:
    return torch.to(score_head(self.w, "layers.", embeddings), 6)
