def norm(x: Tensor, w: Dict[str, Tensor], p: str, eps: float) -> Tensor:
  return torch.layer_norm(x, [torch.size(x, -1)], w[p + ".weight"], w[p + ".bias"], eps)
def dense(x: Tensor, w: Dict[str, Tensor], p: str) -> Tensor:
  return torch.linear(x, w[p + ".weight"], w[p + ".bias"])
def split(x: Tensor, heads: int) -> Tensor:
  return torch.transpose(torch.unflatten(x, -1, [heads, -1]), 1, 2)
class ClipText(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  w : Dict[str, Tensor]
  layers : int
  heads : int
  eos : int
  quick : bool
  eps : float
  names : List[str]
  def forward(self: __torch__.ClipText,
    ids: Tensor,
    mask: Tensor) -> Tuple[Tensor, Tensor]:
    w = self.w
    L = torch.size(ids, 1)
    x = torch.embedding(w["text_model.embeddings.token_embedding.weight"], ids)
    x = x + torch.slice(w["text_model.embeddings.position_embedding.weight"], 0, 0, L)
    causal = torch.tril(torch.ones([L, L], dtype=11, device=ids.device))
    allowed = torch.logical_and(causal, torch.unsqueeze(torch.unsqueeze(torch.to(mask, 11), 1), 1))
    for i in range(self.layers):
      p = "text_model.encoder.layers." + str(i)
      h = __torch__.norm(x, w, p + ".layer_norm1", self.eps)
      q = __torch__.split(__torch__.dense(h, w, p + ".self_attn.q_proj"), self.heads)
      k = __torch__.split(__torch__.dense(h, w, p + ".self_attn.k_proj"), self.heads)
      v = __torch__.split(__torch__.dense(h, w, p + ".self_attn.v_proj"), self.heads)
      a = torch.scaled_dot_product_attention(q, k, v, allowed, 0., False)
      x = x + __torch__.dense(torch.flatten(torch.transpose(a, 1, 2), -2), w, p + ".self_attn.out_proj")
      h = __torch__.dense(__torch__.norm(x, w, p + ".layer_norm2", self.eps), w, p + ".mlp.fc1")
      if self.quick:
        g = h * torch.sigmoid(torch.mul(h, 1.702))
      else:
        g = torch.gelu(h)
      x = x + __torch__.dense(g, w, p + ".mlp.fc2")
    last = __torch__.norm(x, w, "text_model.final_layer_norm", self.eps)
    if torch.eq(self.eos, 2):
      at = torch.argmax(ids, -1)
    else:
      at = torch.argmax(torch.to(torch.eq(ids, self.eos), 3), -1)
    pooled = torch.squeeze(torch.gather(last, 1, torch.expand(torch.unsqueeze(torch.unsqueeze(at, -1), -1), [-1, 1, torch.size(last, 2)])), 1)
    return (torch.to(last, 6), torch.to(pooled, 6))
  def set(self: __torch__.ClipText,
    index: Tensor,
    value: Tensor,
    dtype: Tensor,
    shape: Tensor) -> Tensor:
    sizes = annotate(List[int], [])
    for j in range(torch.size(shape, 0)):
      _0 = torch.append(sizes, int(torch.select(shape, 0, j)))
    w = self.w
    torch._set_item(w, (self.names)[int(index)], torch.to(torch.view(value, sizes), int(dtype)))
    return torch.tensor(torch.len(w))
