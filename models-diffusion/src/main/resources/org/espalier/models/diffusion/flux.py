# The transformers of FLUX.1 (https://github.com/black-forest-labs/flux) and FLUX.2
# (https://github.com/black-forest-labs/flux2), keys as published by Black Forest Labs. FLUX.2 has one modulation for all
# blocks of a kind, gated feed-forward layers, no biases, no pooled vector and a fourth axis of positions, for text.
# B rows, N image tokens, L text tokens, S = L + N, D model width.
def timed(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  return embed(w, p + ".in_layer", p + ".out_layer", x)
def normed_qk(w: Dict[str, Tensor], p: str, x: Tensor, heads: int, rope: Tensor, eps: float, into: Tensor) -> Tensor:
  return query_key(w, p + ".query_norm.scale", p + ".key_norm.scale", x, heads, rope, eps, into)
class Flux(Module):
  # Text tokens lie at the origin, in FLUX.2 along an axis of their own; image tokens at (0, row, column).
  def rope(self, L: int, like: Tensor) -> Tensor:
    image = grid(self.grid_rows, self.grid_columns, 0, like)
    text = torch.zeros([L, 3], dtype=6, device=like.device)
    positions = torch.cat([text, image])
    if torch.gt(torch.len(self.axes), 3):
      along = torch.cat([torch.arange(L, dtype=6, device=like.device), torch.zeros_like(torch.select(image, 1, 0))])
      positions = torch.cat([positions, torch.unsqueeze(along, 1)], 1)
    return rotary(positions, self.axes, self.theta)
  # image (B, N, C), text (B, L, .) and in FLUX.1 pooled (B, .), t (B) -> velocity (B, N, C) float32
  def velocity(self, image: Tensor, texts: List[Tensor], t: Tensor) -> Tensor:
    w = self.w
    eps = self.eps
    like = w["img_in.weight"]
    x = projection(w, "img_in", torch.type_as(image, like))
    y = projection(w, "txt_in", torch.type_as(texts[0], like))
    #= "x_embedder" := x
    #= "context_embedder" := y
    c = timed(w, "time_in", sinusoid(torch.mul(t, 1000.), like))
    #= "time_proj" := sinusoid(torch.mul(t, 1000.), like)
    if torch.__contains__(w, "guidance_in.in_layer.weight"):
      c = c + timed(w, "guidance_in", sinusoid(torch.full_like(t, self.guidance * 1000.), like))
    if torch.__contains__(w, "vector_in.in_layer.weight"):
      c = c + timed(w, "vector_in", torch.type_as(texts[1], like))
    #= "temb" := c
    c = torch.silu(c)
    L = torch.size(y, 1)
    S = L + torch.size(x, 1)
    D = torch.size(x, 2)
    rope = self.rope(L, x)
    #= "rope" := torch.view_as_real(torch.flatten(rope, 1))
    text_rope = torch.slice(rope, 0, 0, L)
    image_rope = torch.slice(rope, 0, L)
    qk = query_key_room(x, S, self.heads)
    m = annotate(List[Tensor], [])
    n = annotate(List[Tensor], [])
    if self.shared:
      m = modulation(w, "double_stream_modulation_img.lin", c, 6)
      n = modulation(w, "double_stream_modulation_txt.lin", c, 6)
      #= "double_modulation_img" := torch.cat(m, -1)
      #= "double_modulation_txt" := torch.cat(n, -1)
    for i in range(self.double_blocks):
      p = "double_blocks." + str(i) + "."
      if torch.__not__(self.shared):
        m = modulation(w, p + "img_mod.lin", c, 6)
        n = modulation(w, p + "txt_mod.lin", c, 6)
      xv = normed_qk(w, p + "img_attn.norm", projection(w, p + "img_attn.qkv", modulated(x, m[0], m[1], eps)), self.heads, image_rope, eps, torch.slice(qk, 1, L))
      yv = normed_qk(w, p + "txt_attn.norm", projection(w, p + "txt_attn.qkv", modulated(y, n[0], n[1], eps)), self.heads, text_rope, eps, torch.slice(qk, 1, 0, L))
      a = joint_attention(qk, torch.cat([yv, xv], 1))
      x = torch.addcmul(x, m[2], projection(w, p + "img_attn.proj", torch.slice(a, 1, L)))
      x = torch.addcmul(x, m[5], feed_forward(w, p + "img_mlp.0", p + "img_mlp.2", modulated(x, m[3], m[4], eps), self.gated))
      y = torch.addcmul(y, n[2], projection(w, p + "txt_attn.proj", torch.slice(a, 1, 0, L)))
      y = torch.addcmul(y, n[5], feed_forward(w, p + "txt_mlp.0", p + "txt_mlp.2", modulated(y, n[3], n[4], eps), self.gated))
      #= "double" + str(i) + ".img" := x
      #= "double" + str(i) + ".txt" := y
    z = torch.cat([y, x], 1)
    if self.shared:
      m = modulation(w, "single_stream_modulation.lin", c, 3)
      #= "single_modulation" := torch.cat(m, -1)
    wide = torch.empty([torch.size(x, 0), S, D + self.mlp_width], dtype=x.dtype, device=x.device)
    for i in range(self.single_blocks):
      p = "single_blocks." + str(i) + "."
      if torch.__not__(self.shared):
        m = modulation(w, p + "modulation.lin", c, 3)
      h = projection(w, p + "linear1", modulated(z, m[0], m[1], eps))
      v = normed_qk(w, p + "norm", torch.slice(h, 2, 0, 3 * D), self.heads, rope, eps, qk)
      _0 = torch.copy_(torch.slice(wide, 2, 0, D), joint_attention(qk, v))
      if self.gated:
        _1 = torch.copy_(torch.slice(wide, 2, D), gated(torch.slice(h, 2, 3 * D)))
      else:
        _2 = torch.gelu(torch.slice(h, 2, 3 * D), approximate="tanh", out=torch.slice(wide, 2, D))
      z = torch.addcmul(z, m[2], projection(w, p + "linear2", wide))
      #= "single" + str(i) := z
    m = modulation(w, "final_layer.adaLN_modulation.1", c, 2)
    z = modulated(torch.slice(z, 1, L), m[0], m[1], eps)
    #= "norm_out" := z
    return torch.to(projection(w, "final_layer.linear", z), 6)
