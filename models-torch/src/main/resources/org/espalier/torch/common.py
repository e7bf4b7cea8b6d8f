# Functions that all programs share. `w` is the dictionary of weights, `p` a prefix of keys.
def linear(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  return torch.linear(x, w[p + ".weight"], w[p + ".bias"])
def linear_no_bias(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  return torch.linear(x, w[p + ".weight"])
# A linear layer with or without a bias, as the checkpoint has it.
def projection(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  if torch.__contains__(w, p + ".bias"):
    y = linear(w, p, x)
  else:
    y = linear_no_bias(w, p, x)
  return y
def layer_norm(w: Dict[str, Tensor], p: str, x: Tensor, eps: float) -> Tensor:
  weight = w[p + ".weight"]
  return torch.layer_norm(x, [torch.size(weight, 0)], weight, w[p + ".bias"], eps)
def plain_layer_norm(x: Tensor, eps: float) -> Tensor:
  return torch.layer_norm(x, [torch.size(x, -1)], None, None, eps)
def rms_norm(weight: Tensor, x: Tensor, eps: float) -> Tensor:
  wide = torch.to(x, 6)
  scale = torch.rsqrt(torch.mean(wide * wide, [-1], True) + eps)
  return torch.mul(torch.to(wide * scale, x.dtype), weight)
def group_norm(w: Dict[str, Tensor], p: str, x: Tensor, groups: int, eps: float) -> Tensor:
  return torch.group_norm(x, groups, w[p + ".weight"], w[p + ".bias"], eps)
def conv2d(w: Dict[str, Tensor], p: str, x: Tensor, stride: int, padding: int) -> Tensor:
  return torch.conv2d(x, w[p + ".weight"], w[p + ".bias"], [stride, stride], [padding, padding])
# (B, L, H * D) -> (B, H, L, D)
def split_heads(x: Tensor, heads: int) -> Tensor:
  return torch.transpose(torch.view(x, [torch.size(x, 0), torch.size(x, 1), heads, -1]), 1, 2)
# (B, H, L, D) -> (B, L, H * D)
def merge_heads(x: Tensor) -> Tensor:
  return torch.flatten(torch.transpose(x, 1, 2), 2)
# Softmax attention over (B, H, L, D); scale 1 / sqrt(D).
def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
  return torch.scaled_dot_product_attention(q, k, v)
# By the names of a config.json: relu, silu, gelu; any other is the approximation of gelu by tanh.
def activate(x: Tensor, kind: str) -> Tensor:
  if kind == "relu":
    y = torch.relu(x)
  elif kind == "silu":
    y = torch.silu(x)
  elif kind == "gelu":
    y = torch.gelu(x)
  else:
    y = torch.gelu(x, approximate="tanh")
  return y
