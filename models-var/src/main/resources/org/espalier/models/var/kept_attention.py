# Functions of transformers that continue several trajectories at once and keep their keys and values.
#
# Shapes: N trajectories of one prompt, R rows each (2 with guidance: conditional, unconditional), L tokens
# of the step at hand, C width, H heads, D = C / H, T tokens of text. The trajectories of a call lie one
# after the other along the length: all but self-attention takes them for one long step.
def project(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  weight = w[p + ".weight"]
  return torch.linear(torch.to(x, weight.dtype), weight, w[p + ".bias"])
# (R, L, n * H * D) -> (n, R, H, L, D)
def unpack_heads(x: Tensor, n: int, heads: int) -> Tensor:
  return torch.permute(torch.view(x, [torch.size(x, 0), torch.size(x, 1), n, heads, -1]), [2, 0, 3, 1, 4])
# Softmax attention over (B, H, L, D), the queries times a scale, with the logarithms of the softmax's sums (B, H, L).
# On a GPU libtorch's attention with sums is called by name: cuDNN's, which plans anew for each size, where that
# pays, else the flash kernel.
def attend(q: Tensor, k: Tensor, v: Tensor, scale: float, kernel: str) -> Tuple[Tensor, Tensor]:
  if kernel == "cudnn" and torch.size(q, 2) >= 1024:
    o, sums, _0, _1, _2, _3, _4, _5, _6, = torch._scaled_dot_product_cudnn_attention(q, k, v, None, True, 0., False, False, scale=scale)
    sums = torch.view(sums, [torch.size(q, 0), torch.size(q, 1), torch.size(q, 2)])
  elif kernel != "plain":
    o, sums, _0, _1, _2, _3, _4, _5, _6, = torch._scaled_dot_product_flash_attention(q, k, v, 0., False, False, scale=scale)
  else:
    scores = torch.matmul(q * scale, torch.transpose(k, 2, 3))
    sums = torch.logsumexp(scores, [-1])
    o = torch.matmul(torch.softmax(scores, -1), v)
  return (o, sums)
# Self-attention of N trajectories: queries (R, N * L, H, D) see the shared keys and values (2, R, 1, P, H, D) and
# those of their own (2, R, N, L', H, D). The shared part is one attention in which all trajectories' queries
# follow each other; both parts are merged by their softmax sums. -> (R, N * L, C)
def forked_attention(q: Tensor, shared: List[Tensor], own: Tensor, kernel: str) -> Tensor:
  R = torch.size(q, 0)
  N = torch.size(own, 2)
  path = torch.unbind(torch.transpose(torch.flatten(own, 1, 2), 2, 3), 0)
  split = torch.flatten(torch.unflatten(q, 1, [N, -1]), 0, 1)
  o, sums, = attend(torch.transpose(split, 1, 2), path[0], path[1], 1., kernel)
  o = torch.flatten(torch.unflatten(torch.transpose(o, 1, 2), 0, [R, N]), 1, 2)
  if torch.len(shared) > 0:
    joined = shared[0]
    if torch.len(shared) > 1:
      joined = torch.cat(shared, 3)
    prefix = torch.unbind(torch.transpose(torch.flatten(joined, 1, 2), 2, 3), 0)
    p, before, = attend(torch.transpose(q, 1, 2), prefix[0], prefix[1], 1., kernel)
    after = torch.flatten(torch.permute(torch.unflatten(sums, 0, [R, N]), [0, 1, 3, 2]), 1, 2)
    weight = torch.unsqueeze(torch.sigmoid(after - torch.transpose(before, 1, 2)), -1)
    o = torch.lerp(torch.transpose(p, 1, 2), o, torch.to(weight, o.dtype))
  return torch.flatten(o, 2)
def modulate(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
  return torch.addcmul(shift, plain_layer_norm(x, eps), scale)
# The same for tensors so long that memory traffic counts and launches do not: a row's modulation is its norm's
# weight and bias, so it costs no pass of its own.
def modulate_rows(x: Tensor, scale: Tensor, shift: Tensor, eps: float, like: int) -> Tensor:
  C = torch.size(x, 2)
  h = torch.empty_like(x, dtype=like)
  for r in range(torch.size(x, 0)):
    normed = torch.layer_norm(torch.select(x, 0, r), [C], torch.select(torch.select(scale, 0, r), 0, 0), torch.select(torch.select(shift, 0, r), 0, 0), eps)
    _0 = torch.copy_(torch.select(h, 0, r), normed)
  return h
