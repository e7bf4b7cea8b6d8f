# What transformers of flows share: times, positions, modulation, attention over joined streams. A library.
# B rows, S tokens, D model width. Norms, rotary embedding and the time embedding are computed in float32 whatever the
# type of the weights.
# Two linear layers with SiLU between.
def embed(w: Dict[str, Tensor], first: str, second: str, x: Tensor) -> Tensor:
  return projection(w, second, torch.silu(projection(w, first, x)))
# Times (B), usually 1000 t -> (B, 256): cosines, then sines, at frequencies 10000^(-i/128).
def sinusoid(t: Tensor, like: Tensor) -> Tensor:
  i = torch.arange(128, dtype=6, device=t.device)
  frequency = torch.exp(torch.mul(i, -9.2103403719761836) / 128.)
  angle = torch.unsqueeze(t, -1) * frequency
  return torch.type_as(torch.cat([torch.cos(angle), torch.sin(angle)], -1), like)
# Shifts, scales and gates from the conditioning vector: `parts` tensors (B, 1, D).
def modulation(w: Dict[str, Tensor], p: str, c: Tensor, parts: int) -> List[Tensor]:
  return torch.chunk(torch.unsqueeze(projection(w, p, c), 1), parts, -1)
def modulated(x: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
  return torch.addcmul(shift, torch.add(scale, 1), plain_layer_norm(x, eps))
# The tokens (0, row, column) of an image -> (rows * columns, 3) float32; `first` is added to the first axis.
def grid(rows: int, columns: int, first: int, like: Tensor) -> Tensor:
  row = torch.repeat_interleave(torch.arange(rows, dtype=6, device=like.device), columns)
  column = torch.repeat(torch.arange(columns, dtype=6, device=like.device), [rows])
  return torch.stack([torch.full_like(row, first), row, column], -1)
# positions (S, axes) -> the rotary factors (S, 1, 1, half a head), complex. `widths` are the channels of each axis.
def rotary(positions: Tensor, widths: List[int], theta: float) -> Tensor:
  angles = annotate(List[Tensor], [])
  for i in range(torch.len(widths)):
    power = torch.arange(0, widths[i], 2, dtype=7, device=positions.device) / float(widths[i])
    omega = torch.reciprocal(torch.pow(theta, power))
    _0 = torch.append(angles, torch.unsqueeze(torch.to(torch.select(positions, -1, i), 7), -1) * omega)
  angle = torch.cat(angles, -1)
  factors = torch.stack([torch.to(torch.cos(angle), 6), torch.to(torch.sin(angle), 6)], -1)
  return torch.unsqueeze(torch.unsqueeze(torch.view_as_complex(factors), 1), 1)
# Queries and keys of some tokens, out of (B, T, 3 * D). Where the checkpoint has the weights of norms, each is divided
# by its root mean square and scaled; where there is a rope (T, 1, 1, D / heads / 2) of complex factors it turns
# consecutive pairs of channels. They go into `into` (B, T, 2, heads, D / heads). -> values (B, T, heads, D / heads)
def query_key(w: Dict[str, Tensor], q_norm: str, k_norm: str, x: Tensor, heads: int, rope: Optional[Tensor], eps: float, into: Tensor) -> Tensor:
  qkv = torch.unflatten(x, -1, [3, heads, -1])
  qk = torch.slice(qkv, 2, 0, 2)
  if torch.__contains__(w, q_norm):
    length = torch.norm(qk, 2, [-1], True, dtype=6)
    inverse = torch.rsqrt(length * length / torch.size(qk, -1) + eps)
    gain = torch.stack([w[q_norm], w[k_norm]], 0)
    qk = torch.mul_(qk * inverse, torch.unsqueeze(torch.to(gain, 6), 1))
  if rope is not None:
    turned = torch.view_as_complex(torch.unflatten(torch.to(qk, 6), -1, [-1, 2])) * rope
    qk = torch.flatten(torch.view_as_real(turned), -2)
  _0 = torch.copy_(into, qk)
  return torch.select(qkv, 2, 2)
# Queries and keys (B, S, 2, heads, D / heads), values (B, S, heads, D / heads) -> (B, S, D)
def joint_attention(qk: Tensor, v: Tensor) -> Tensor:
  q = torch.transpose(torch.select(qk, 2, 0), 1, 2)
  k = torch.transpose(torch.select(qk, 2, 1), 1, 2)
  return merge_heads(attention(q, k, torch.transpose(v, 1, 2)))
# Room for the queries and keys of a block, written anew by every block.
def query_key_room(x: Tensor, tokens: int, heads: int) -> Tensor:
  return torch.empty([torch.size(x, 0), tokens, 2, heads, torch.size(x, 2) // heads], dtype=x.dtype, device=x.device)
# The first half through SiLU, times the second.
def gated(x: Tensor) -> Tensor:
  half = torch.chunk(x, 2, -1)
  return torch.silu(half[0]) * half[1]
# Two linear layers with GELU (its tanh form) between, or with a SiLU gate.
def feed_forward(w: Dict[str, Tensor], first: str, second: str, x: Tensor, gate: bool) -> Tensor:
  h = projection(w, first, x)
  if gate:
    g = gated(h)
  else:
    g = torch.gelu(h, approximate="tanh")
  return projection(w, second, g)
# Latents (B, C, 2 * rows, 2 * columns) -> patches of 2 x 2 as tokens (B, rows * columns, 4 * C), channels slowest
def patches(x: Tensor) -> Tensor:
  z = torch.unflatten(torch.unflatten(x, 3, [-1, 2]), 2, [-1, 2])
  return torch.flatten(torch.flatten(torch.permute(z, [0, 2, 4, 1, 3, 5]), 3), 1, 2)
# As `patches`, but channels fastest
def patches_last(x: Tensor) -> Tensor:
  z = torch.unflatten(torch.unflatten(x, 3, [-1, 2]), 2, [-1, 2])
  return torch.flatten(torch.flatten(torch.permute(z, [0, 2, 4, 3, 5, 1]), 3), 1, 2)
# Tokens (B, rows * columns, 4 * C), channels fastest -> latents (B, C, 2 * rows, 2 * columns)
def unpatched_last(x: Tensor, rows: int, columns: int) -> Tensor:
  z = torch.view(x, [torch.size(x, 0), rows, columns, 2, 2, -1])
  return torch.flatten(torch.flatten(torch.permute(z, [0, 5, 1, 3, 2, 4]), 4), 2, 3)
