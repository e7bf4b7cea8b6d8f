# Layers of decoders in the manner of Llama: Qwen3 (https://arxiv.org/abs/2505.09388), Qwen2, Llama. A library.
# `p` is a layer's prefix without the last dot, such as model.layers.0. Biases and norms of queries and keys are
# applied where the checkpoint has them; key-value heads may be fewer than heads.
# positions (..., L) -> cosines and sines (..., L, width): channel i turns with channel i + width / 2
def rotary_halves(positions: Tensor, width: int, theta: float) -> Tuple[Tensor, Tensor]:
  power = torch.arange(0, width, 2, dtype=6, device=positions.device) / float(width)
  angle = torch.unsqueeze(torch.to(positions, 6), -1) * torch.reciprocal(torch.pow(theta, power))
  both = torch.cat([angle, angle], -1)
  return (torch.cos(both), torch.sin(both))
# x (B, H, L, D), cosines and sines broadcast against it
def rotate_halves(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
  half = torch.chunk(x, 2, -1)
  return x * torch.type_as(cos, x) + torch.cat([torch.neg(half[1]), half[0]], -1) * torch.type_as(sin, x)
def head_norm(w: Dict[str, Tensor], p: str, x: Tensor, eps: float) -> Tensor:
  if torch.__contains__(w, p + ".weight"):
    y = rms_norm(w[p + ".weight"], x, eps)
  else:
    y = x
  return y
# x (B, L, C), after the input norm -> turned queries (B, H, L, D), turned keys and values (B, kv heads, L, D)
def decoder_qkv(w: Dict[str, Tensor], p: str, x: Tensor, cos: Tensor, sin: Tensor, heads: int, kv_heads: int, eps: float) -> List[Tensor]:
  q = head_norm(w, p + ".self_attn.q_norm", split_heads(projection(w, p + ".self_attn.q_proj", x), heads), eps)
  k = head_norm(w, p + ".self_attn.k_norm", split_heads(projection(w, p + ".self_attn.k_proj", x), kv_heads), eps)
  v = split_heads(projection(w, p + ".self_attn.v_proj", x), kv_heads)
  #= p + ".q_norm" := torch.transpose(q, 1, 2)
  #= p + ".k_norm" := torch.transpose(k, 1, 2)
  return [rotate_halves(q, cos, sin), rotate_halves(k, cos, sin), v]
# queries (B, H, L, D), keys and values (B, kv heads, S, D), mask broadcast against (B, H, L, S) or none -> (B, L, H * D)
def grouped_attention(q: Tensor, k: Tensor, v: Tensor, mask: Optional[Tensor]) -> Tensor:
  groups = torch.size(q, 1) // torch.size(k, 1)
  if torch.gt(groups, 1):
    keys = torch.repeat_interleave(k, groups, 1)
    values = torch.repeat_interleave(v, groups, 1)
  else:
    keys = k
    values = v
  return merge_heads(torch.scaled_dot_product_attention(q, keys, values, mask, 0., False))
# The rest of a layer: x (B, L, C) before the input norm, attended (B, L, H * D) -> (B, L, C)
def decoder_end(w: Dict[str, Tensor], p: str, x: Tensor, attended: Tensor, eps: float) -> Tensor:
  a = projection(w, p + ".self_attn.o_proj", attended)
  #= p + ".self_attn" := a
  y = x + a
  h = rms_norm(w[p + ".post_attention_layernorm.weight"], y, eps)
  gate = torch.silu(projection(w, p + ".mlp.gate_proj", h))
  m = projection(w, p + ".mlp.down_proj", gate * projection(w, p + ".mlp.up_proj", h))
  #= p + ".mlp" := m
  return y + m
# A whole layer without held keys and values.
def decoder_layer(w: Dict[str, Tensor], p: str, x: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor], heads: int, kv_heads: int, eps: float) -> Tensor:
  h = rms_norm(w[p + ".input_layernorm.weight"], x, eps)
  #= p + ".input_layernorm" := h
  qkv = decoder_qkv(w, p, h, cos, sin, heads, kv_heads, eps)
  return decoder_end(w, p, x, grouped_attention(qkv[0], qkv[1], qkv[2], mask), eps)
