# Draws tokens from their logits (k, L, V), each for itself, by numbers (k, L) in [0, 1), or by none: the most
# probable ones. Before, all but the top_k largest (0: none) are dropped, and of the rest the least probable ones whose
# probabilities add up to at most 1 - top_p (0: none).
# -> tokens (k, L) int64, the natural logarithm of each child's probability under what is left (k), float64
def draw_tokens(logits: Tensor, uniform: Tensor, top_k: int, top_p: float) -> Tuple[Tensor, Tensor]:
  scores = torch.to(logits, 7)
  V = torch.size(scores, -1)
  if top_k > 0 and top_k < V:
    best, _0, = torch.topk(scores, top_k, -1)
    scores = torch.masked_fill(scores, torch.lt(scores, torch.slice(best, -1, top_k - 1, top_k)), float("-inf"))
  if top_p > 0. and top_p < 1.:
    ascending, order, = torch.sort(scores, stable=True, dim=-1, descending=False)
    drop = torch.le(torch.cumsum(torch.softmax(ascending, -1), -1), 1. - top_p)
    scores = torch.masked_fill(scores, torch.scatter(drop, -1, order, drop), float("-inf"))
  logs = torch.log_softmax(scores, -1)
  if torch.numel(uniform) == 0:
    tokens = torch.argmax(logits, -1)
  else:
    sums = torch.cumsum(torch.exp(logs), -1)
    target = torch.unsqueeze(torch.to(uniform, 7), -1) * torch.slice(sums, -1, V - 1, V)
    tokens = torch.clamp_max(torch.sum(torch.le(sums, target), [-1]), V - 1)
  chosen = torch.squeeze(torch.gather(logs, -1, torch.unsqueeze(tokens, -1)), -1)
  return (tokens, torch.sum(chosen, [-1]))
