# The single-stream transformer of Z-Image (https://arxiv.org/abs/2511.22699), keys as published; queries, keys and values of a
# block are joined to one matrix while they are read (attention.qkv), as are the two entries of its gate (feed_forward.w13).
# B rows, N image tokens, L text tokens, both filled up to multiples of 32 by learned tokens that are attended to.
def filled(x: Tensor, filler: Tensor) -> Tensor:
  missing = (32 - torch.size(x, 1) % 32) % 32
  return torch.cat([x, torch.expand(torch.type_as(filler, x), [torch.size(x, 0), missing, -1])], 1)
class ZImage(Module):
  # x (B, T, D), rope (T, 1, 1, half a head); c (B, A) modulates where the block has weights for it
  def block(self, p: str, x: Tensor, rope: Tensor, c: Tensor) -> Tensor:
    w = self.w
    eps = self.eps
    h = rms_norm(w[p + ".attention_norm1.weight"], x, eps)
    m = annotate(List[Tensor], [])
    adaptive = torch.__contains__(w, p + ".adaLN_modulation.0.weight")
    if adaptive:
      m = modulation(w, p + ".adaLN_modulation.0", c, 4)
      h = h * torch.add(m[0], 1)
    qk = query_key_room(x, torch.size(x, 1), self.heads)
    v = query_key(w, p + ".attention.norm_q.weight", p + ".attention.norm_k.weight", projection(w, p + ".attention.qkv", h), self.heads, rope, 1.0000000000000001e-05, qk)
    a = rms_norm(w[p + ".attention_norm2.weight"], projection(w, p + ".attention.to_out.0", joint_attention(qk, v)), eps)
    if adaptive:
      a = torch.tanh(m[1]) * a
    y = x + a
    h = rms_norm(w[p + ".ffn_norm1.weight"], y, eps)
    if adaptive:
      h = h * torch.add(m[2], 1)
    f = rms_norm(w[p + ".ffn_norm2.weight"], feed_forward(w, p + ".feed_forward.w13", p + ".feed_forward.w2", h, True), eps)
    if adaptive:
      f = torch.tanh(m[3]) * f
    return y + f
  # latents (B, C, 2 * rows, 2 * columns), text (B, L, .), t (B) -> velocity, as the latents, float32
  def velocity(self, latent: Tensor, texts: List[Tensor], t: Tensor) -> Tensor:
    w = self.w
    like = w["all_x_embedder.2-1.weight"]
    x = projection(w, "all_x_embedder.2-1", torch.type_as(patches_last(latent), like))
    #= "x_embedder" := x
    y = projection(w, "cap_embedder.1", rms_norm(w["cap_embedder.0.weight"], torch.type_as(texts[0], like), self.eps))
    #= "cap_embedder" := y
    N = torch.size(x, 1)
    x = filled(x, w["x_pad_token"])
    y = filled(y, w["cap_pad_token"])
    T = torch.size(x, 1)
    L = torch.size(y, 1)
    # The model's time runs from 0 (noise) to 1.
    c = embed(w, "t_embedder.mlp.0", "t_embedder.mlp.2", sinusoid(torch.mul(1. - t, self.t_scale), like))
    #= "t_embedder" := c
    # Text tokens lie along the first axis from 1 on; the image, a plane, behind them; its fillers at the origin.
    along = torch.arange(1, L + 1, dtype=6, device=x.device)
    none = torch.zeros_like(along)
    image = torch.cat([grid(self.grid_rows, self.grid_columns, L + 1, along), torch.zeros([T - N, 3], dtype=6, device=x.device)])
    text = torch.stack([along, none, none], -1)
    #= "position_ids.image" := image
    #= "position_ids.caption" := text
    image_rope = rotary(image, self.axes, self.theta)
    text_rope = rotary(text, self.axes, self.theta)
    for i in range(self.refiners):
      x = self.block("noise_refiner." + str(i), x, image_rope, c)
      y = self.block("context_refiner." + str(i), y, text_rope, c)
    #= "noise_refiner_last" := x
    #= "context_refiner_last" := y
    z = torch.cat([x, y], 1)
    rope = torch.cat([image_rope, text_rope])
    for i in range(self.layers):
      z = self.block("layers." + str(i), z, rope, c)
      #= "layer" + str(i) := z
    last = "all_final_layer.2-1."
    scale = torch.unsqueeze(torch.add(projection(w, last + "adaLN_modulation.1", torch.silu(c)), 1), 1)
    z = projection(w, last + "linear", plain_layer_norm(torch.slice(z, 1, 0, N), 9.9999999999999995e-07) * scale)
    #= "final_layer" := z
    return torch.neg(torch.to(unpatched_last(z, self.grid_rows, self.grid_columns), 6))
