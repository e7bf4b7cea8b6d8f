# The text tower of CLIP (https://arxiv.org/abs/2103.00020), keys as in Hugging Face's CLIPTextModel.
# A library: `ClipText` is in clip_text_model.py; programs with both towers call `clip_text` themselves.
def clip_dense(w: Dict[str, Tensor], p: str, x: Tensor, quick: bool) -> Tensor:
  h = linear(w, p + ".fc1", x)
  if quick:
    g = h * torch.sigmoid(torch.mul(h, 1.702))
  else:
    g = torch.gelu(h)
  return linear(w, p + ".fc2", g)
def clip_embeddings(w: Dict[str, Tensor], ids: Tensor) -> Tensor:
  x = torch.embedding(w["text_model.embeddings.token_embedding.weight"], ids)
  return x + torch.slice(w["text_model.embeddings.position_embedding.weight"], 0, 0, torch.size(ids, 1))
# mask (B, L): nonzero for tokens -> which tokens see which
def clip_allowed(mask: Tensor) -> Tensor:
  L = torch.size(mask, 1)
  causal = torch.tril(torch.ones([L, L], dtype=11, device=mask.device))
  return torch.logical_and(causal, torch.unsqueeze(torch.unsqueeze(torch.to(mask, 11), 1), 1))
# x (B, L, D) through the layers from `first` to before `end`
def clip_layers(w: Dict[str, Tensor], x0: Tensor, allowed: Tensor, first: int, end: int, heads: int, quick: bool, eps: float) -> Tensor:
  x = x0
  for i in range(first, end):
    p = "text_model.encoder.layers." + str(i)
    h = layer_norm(w, p + ".layer_norm1", x, eps)
    q = split_heads(linear(w, p + ".self_attn.q_proj", h), heads)
    k = split_heads(linear(w, p + ".self_attn.k_proj", h), heads)
    v = split_heads(linear(w, p + ".self_attn.v_proj", h), heads)
    a = merge_heads(torch.scaled_dot_product_attention(q, k, v, allowed, 0., False))
    x = x + linear(w, p + ".self_attn.out_proj", a)
    x = x + clip_dense(w, p + ".mlp", layer_norm(w, p + ".layer_norm2", x, eps), quick)
  return x
# The row of x (B, L, D) at the end of text (B, D). An `eos` of 2 is the mark of old configurations, which take the
# largest id instead.
def clip_end(x: Tensor, ids: Tensor, eos: int) -> Tensor:
  if torch.eq(eos, 2):
    at = torch.argmax(ids, -1)
  else:
    at = torch.argmax(torch.to(torch.eq(ids, eos), 3), -1)
  row = torch.expand(torch.unsqueeze(torch.unsqueeze(at, -1), -1), [-1, 1, torch.size(x, 2)])
  return torch.squeeze(torch.gather(x, 1, row), 1)
# ids (B, L) int64, mask (B, L): nonzero for tokens -> last hidden state (B, L, D) and its row at the end of text (B, D).
def clip_text(w: Dict[str, Tensor], ids: Tensor, mask: Tensor, layers: int, heads: int, eos: int, quick: bool, eps: float) -> Tuple[Tensor, Tensor]:
  x = clip_layers(w, clip_embeddings(w, ids), clip_allowed(mask), 0, layers, heads, quick, eps)
  last = layer_norm(w, "text_model.final_layer_norm", x, eps)
  return (torch.to(last, 6), torch.to(clip_end(last, ids, eos), 6))
