# Qwen3 (https://arxiv.org/abs/2505.09388) as a text encoder, keys as in Hugging Face's Qwen3Model.
class Qwen3(Module):
  # ids (B, L) int64, mask (B, L) float: 1 for tokens, 0 for padding at the end -> the states after the layers asked
  # for, side by side: (B, L, layers asked for * C) float32. Padding sees the tokens before it, but no padding.
  def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
    w = self.w
    L = torch.size(ids, 1)
    x = torch.embedding(w["embed_tokens.weight"], ids)
    cos, sin = rotary_halves(torch.arange(L, device=ids.device), self.head_dim, self.theta)
    causal = torch.tril(torch.ones([L, L], dtype=11, device=ids.device))
    allowed = torch.logical_and(causal, torch.unsqueeze(torch.unsqueeze(torch.to(mask, 11), 1), 1))
    states = annotate(List[Tensor], [])
    taken = self.taken
    at = 0
    if torch.eq(taken[at], 0):
      _0 = torch.append(states, x)
      at = at + 1
    for i in range(self.layers):
      x = decoder_layer(w, "layers." + str(i), x, cos, sin, allowed, self.heads, self.kv_heads, self.eps)
      if torch.eq(taken[at], i + 1):
        at = at + 1
        if torch.__contains__(w, "norm.weight"):
          last = torch.eq(i + 1, self.layers)
        else:
          last = False
        if last:
          y = rms_norm(w["norm.weight"], x, self.eps)
        else:
          y = x
        _1 = torch.append(states, y)
    return torch.to(torch.cat(states, -1), 6)
