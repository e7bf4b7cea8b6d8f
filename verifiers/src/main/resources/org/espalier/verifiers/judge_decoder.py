# The decoder of the judges that read images and text in one sequence, over the layers of decoder.py.
# x (B, L, C) after P places held in keys and values [layers, B, kv heads, P, head]; cosines and sines (L, head)
# -> states after the final norm (B, L, C), keys and values with the new places. deep[k] (image places, C) is added
# after layer k where image (B, L, 1) says so.
def read_on(w: Dict[str, Tensor], x0: Tensor, cos: Tensor, sin: Tensor, past_k: Tensor, past_v: Tensor, layers: int, heads: int, kv_heads: int, eps: float, image: Tensor, deep: List[Tensor]) -> Tuple[Tensor, Tensor, Tensor]:
  x = x0
  L = torch.size(x, 1)
  P = torch.size(past_k, 3)
  seen = torch.le(torch.unsqueeze(torch.arange(P + L, device=x.device), 0), torch.unsqueeze(torch.arange(P, P + L, device=x.device), 1))
  ks = annotate(List[Tensor], [])
  vs = annotate(List[Tensor], [])
  for i in range(layers):
    p = "model.language_model.layers." + str(i)
    qkv = decoder_qkv(w, p, rms_norm(w[p + ".input_layernorm.weight"], x, eps), cos, sin, heads, kv_heads, eps)
    k = torch.cat([torch.select(past_k, 0, i), qkv[1]], 2)
    v = torch.cat([torch.select(past_v, 0, i), qkv[2]], 2)
    _1 = torch.append(ks, k)
    _2 = torch.append(vs, v)
    x = decoder_end(w, p, x, grouped_attention(qkv[0], k, v, seen), eps)
    #= "layer" + str(i) := x
    if torch.lt(i, torch.len(deep)):
      there = torch.expand(image, torch.size(x))
      x = x + torch.masked_scatter(torch.zeros_like(x), there, deep[i])
  x = rms_norm(w["model.language_model.norm.weight"], x, eps)
  return (x, torch.stack(ks), torch.stack(vs))
def nothing_read(x: Tensor, layers: int, kv_heads: int, head_dim: int) -> Tensor:
  return torch.zeros([layers, torch.size(x, 0), kv_heads, 0, head_dim], dtype=ops.prim.dtype(x), device=x.device)
# ids [B, L], features (image places, C) -> embeddings (B, L, C), and where the image is (B, L, 1)
def embed_with_image(w: Dict[str, Tensor], ids: Tensor, image_token: int, features: Tensor) -> Tuple[Tensor, Tensor]:
  x = torch.embedding(w["model.language_model.embed_tokens.weight"], ids)
  image = torch.unsqueeze(torch.eq(ids, image_token), -1)
  return (torch.masked_scatter(x, torch.expand(image, torch.size(x)), features), image)
# states (..., C) -> logits (..., V) float32; the embedding where the checkpoint has no output layer
def next_token_logits(w: Dict[str, Tensor], x: Tensor) -> Tensor:
  if torch.__contains__(w, "lm_head.weight"):
    y = torch.linear(x, w["lm_head.weight"])
  else:
    y = torch.linear(x, w["model.language_model.embed_tokens.weight"])
  return torch.to(y, 6)
