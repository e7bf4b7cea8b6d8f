# Shared by the verifiers' programs. Weights are looked up by the checkpoint's own key names; a bias is added where the
# checkpoint has one.
def dense(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  if torch.__contains__(w, p + ".bias"):
    y = torch.linear(x, w[p + ".weight"], w[p + ".bias"])
  else:
    y = torch.linear(x, w[p + ".weight"])
  return y
def activation(x: Tensor, name: str) -> Tensor:
  if name == "quick_gelu":
    y = x * torch.sigmoid(x * 1.702)
  elif name == "gelu":
    y = torch.gelu(x)
  elif name == "silu":
    y = torch.silu(x)
  elif name == "relu":
    y = torch.relu(x)
  else:
    y = torch.gelu(x, approximate="tanh")
  return y
# pixels [B, C, H, W] -> non-overlapping patches [B, N, D]
def patch_tokens(w: Dict[str, Tensor], p: str, pixels: Tensor) -> Tensor:
  k = w[p + ".weight"]
  x = torch.to(pixels, ops.prim.dtype(k))
  s = [torch.size(k, 2), torch.size(k, 3)]
  if torch.__contains__(w, p + ".bias"):
    y = torch.conv2d(x, k, w[p + ".bias"], s)
  else:
    y = torch.conv2d(x, k, None, s)
  return torch.transpose(torch.flatten(y, 2), 1, 2)
# A pre-norm encoder in the layout of transformers' CLIP and SigLIP towers.
def tower(w: Dict[str, Tensor], p: str, x0: Tensor, layers: int, heads: int, eps: float, act: str, mask: Optional[Tensor]) -> Tensor:
  x = x0
  for i in range(layers):
    b = p + str(i) + "."
    h = layer_norm(w, b + "layer_norm1", x, eps)
    q = split_heads(dense(w, b + "self_attn.q_proj", h), heads)
    k = split_heads(dense(w, b + "self_attn.k_proj", h), heads)
    v = split_heads(dense(w, b + "self_attn.v_proj", h), heads)
    o = torch.scaled_dot_product_attention(q, k, v, mask)
    x = x + dense(w, b + "self_attn.out_proj", merge_heads(o))
    h = layer_norm(w, b + "layer_norm2", x, eps)
    h = activation(dense(w, b + "mlp.fc1", h), act)
    x = x + dense(w, b + "mlp.fc2", h)
  return x
# The five linear layers, without activations, of ImageReward's and LAION's score heads.
def score_head(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  h = dense(w, p + "0", x)
  h = dense(w, p + "2", h)
  h = dense(w, p + "4", h)
  h = dense(w, p + "6", h)
  return dense(w, p + "7", h)
