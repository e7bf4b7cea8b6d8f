# Gemma 2 (https://arxiv.org/abs/2408.00118) as a text encoder, keys as in Hugging Face's Gemma2Model.
# Weights of norms are differences from one.
def gemma_norm(w: Dict[str, Tensor], p: str, x: Tensor, eps: float) -> Tensor:
  wide = torch.to(x, 6)
  scale = torch.rsqrt(torch.mean(wide * wide, [-1], True) + eps)
  return torch.type_as(wide * scale * torch.add(torch.to(w[p + ".weight"], 6), 1.), x)
class Gemma2(Module):
  # Queries (B, H, L, D), keys and values (B, kv heads, L, D): scores are bent towards the cap before the softmax.
  def capped_attention(self, q: Tensor, k: Tensor, v: Tensor, hidden: Tensor) -> Tensor:
    groups = torch.size(q, 1) // torch.size(k, 1)
    keys = torch.repeat_interleave(k, groups, 1)
    scores = torch.mul(torch.matmul(q, torch.transpose(keys, 2, 3)), self.scale)
    if torch.gt(self.cap, 0.):
      scores = torch.mul(torch.tanh(torch.div(scores, self.cap)), self.cap)
    weights = torch.softmax(torch.masked_fill(torch.to(scores, 6), hidden, -1e30), -1)
    return merge_heads(torch.matmul(torch.type_as(weights, v), torch.repeat_interleave(v, groups, 1)))
  # ids (B, L) int64, all of them tokens -> the states after the final norm (B, L, C), float32
  def forward(self, ids: Tensor) -> Tensor:
    w = self.w
    eps = self.eps
    L = torch.size(ids, 1)
    x = torch.embedding(w["embed_tokens.weight"], ids)
    width = torch.size(x, 2)
    x = torch.mul(x, torch.type_as(torch.full([], float(width) ** 0.5, dtype=6, device=x.device), x))
    cos, sin = rotary_halves(torch.arange(L, device=ids.device), self.head_dim, self.theta)
    hidden = torch.logical_not(torch.tril(torch.ones([L, L], dtype=11, device=ids.device)))
    for i in range(self.layers):
      p = "layers." + str(i)
      h = gemma_norm(w, p + ".input_layernorm", x, eps)
      qkv = decoder_qkv(w, p, h, cos, sin, self.heads, self.kv_heads, eps)
      a = projection(w, p + ".self_attn.o_proj", self.capped_attention(qkv[0], qkv[1], qkv[2], hidden))
      x = x + gemma_norm(w, p + ".post_attention_layernorm", a, eps)
      h = gemma_norm(w, p + ".pre_feedforward_layernorm", x, eps)
      gate = torch.gelu(projection(w, p + ".mlp.gate_proj", h), approximate="tanh")
      m = projection(w, p + ".mlp.down_proj", gate * projection(w, p + ".mlp.up_proj", h))
      x = x + gemma_norm(w, p + ".post_feedforward_layernorm", m, eps)
    return torch.to(gemma_norm(w, "norm", x, eps), 6)
