# Linear attention (https://arxiv.org/abs/2006.16236) and the convolutions with gates that SANA's transformer and its autoencoder share.
# Queries, keys and values (B, H, D, N) -> (B, H, D, N): relu(q), relu(k) as features, sums over tokens first; a row of
# ones beside the values sums the weights, by which is divided. Computed in float32.
def linear_attention(q0: Tensor, k0: Tensor, v0: Tensor) -> Tensor:
  q = torch.relu(torch.to(q0, 6))
  k = torch.relu(torch.to(k0, 6))
  v = torch.constant_pad_nd(torch.to(v0, 6), [0, 0, 0, 1], 1.)
  y = torch.matmul(torch.matmul(v, torch.transpose(k, 2, 3)), q)
  D = torch.size(q, 2)
  return torch.slice(y, 2, 0, D) / (torch.slice(y, 2, D) + 1e-15)
# The same with the sums over features first: cheaper for few tokens.
def quadratic_attention(q0: Tensor, k0: Tensor, v: Tensor) -> Tensor:
  q = torch.relu(q0)
  k = torch.relu(k0)
  scores = torch.to(torch.matmul(torch.transpose(k, 2, 3), q), 6)
  weights = scores / (torch.sum(scores, [2], True) + 1e-15)
  return torch.matmul(v, torch.type_as(weights, v))
# A convolution without stride, with or without a bias.
def convolution(w: Dict[str, Tensor], p: str, x: Tensor, groups: int) -> Tensor:
  k = w[p + ".weight"]
  padding = torch.size(k, 2) // 2
  if torch.__contains__(w, p + ".bias"):
    y = torch.conv2d(x, k, w[p + ".bias"], [1, 1], [padding, padding], [1, 1], groups)
  else:
    y = torch.conv2d(x, k, None, [1, 1], [padding, padding], [1, 1], groups)
  return y
# x (B, C, h, w): widen, mix neighbours channel by channel, gate, narrow.
def gated_convolutions(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  h = torch.silu(convolution(w, p + ".conv_inverted", x, 1))
  h = convolution(w, p + ".conv_depth", h, torch.size(h, 1))
  half = torch.chunk(h, 2, 1)
  return convolution(w, p + ".conv_point", half[0] * torch.silu(half[1]), 1)
