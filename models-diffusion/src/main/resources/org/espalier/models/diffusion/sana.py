# The transformer of SANA (https://arxiv.org/abs/2410.10629), SANA-1.5 included, keys as in diffusers' SanaTransformer2DModel.
# B rows, N image tokens of one latent pixel each, L text tokens, D model width.
def across_heads(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  if torch.__contains__(w, p + ".weight"):
    y = rms_norm(w[p + ".weight"], x, 1.0000000000000001e-05)
  else:
    y = x
  return y
# (B, N, D) -> (B, heads, D / heads, N)
def heads_first(x: Tensor, heads: int) -> Tensor:
  return torch.unflatten(torch.transpose(x, 1, 2), 1, [heads, -1])
class Sana(Module):
  # Each image token attends to all, at a cost that grows with their number alone.
  def image_attention(self, p: str, x: Tensor) -> Tensor:
    w = self.w
    q = heads_first(across_heads(w, p + ".norm_q", projection(w, p + ".to_q", x)), self.heads)
    k = heads_first(across_heads(w, p + ".norm_k", projection(w, p + ".to_k", x)), self.heads)
    v = heads_first(projection(w, p + ".to_v", x), self.heads)
    a = torch.transpose(torch.flatten(linear_attention(q, k, v), 1, 2), 1, 2)
    return projection(w, p + ".to_out.0", torch.type_as(a, x))
  # mask (B, 1, 1, L), added to the scores
  def text_attention(self, p: str, x: Tensor, text: Tensor, mask: Tensor) -> Tensor:
    w = self.w
    q = split_heads(across_heads(w, p + ".norm_q", projection(w, p + ".to_q", x)), self.text_heads)
    k = split_heads(across_heads(w, p + ".norm_k", projection(w, p + ".to_k", text)), self.text_heads)
    v = split_heads(projection(w, p + ".to_v", text), self.text_heads)
    a = torch.scaled_dot_product_attention(q, k, v, torch.type_as(mask, q), 0., False)
    return projection(w, p + ".to_out.0", merge_heads(a))
  # latents (B, C, rows, columns), text (B, L, .), its mask (B, L), t (B) -> velocity, as the latents, float32
  def velocity(self, latent: Tensor, texts: List[Tensor], t: Tensor) -> Tensor:
    w = self.w
    eps = self.eps
    like = w["patch_embed.proj.weight"]
    x = torch.transpose(torch.flatten(convolution(w, "patch_embed.proj", torch.type_as(latent, like), 1), 2), 1, 2)
    #= "patch_embed" := x
    time = embed(w, "time_embed.emb.timestep_embedder.linear_1", "time_embed.emb.timestep_embedder.linear_2", sinusoid(torch.mul(t, 1000. * self.time_scale), like))
    c = projection(w, "time_embed.linear", torch.silu(time))
    #= "time.embedded" := time
    #= "time.modulation" := c
    y = feed_forward(w, "caption_projection.linear_1", "caption_projection.linear_2", torch.type_as(texts[0], like), False)
    y = rms_norm(w["caption_norm.weight"], y, 1.0000000000000001e-05)
    #= "caption_norm" := y
    mask = torch.unsqueeze(torch.unsqueeze((1. - torch.to(texts[1], 6)) * -10000., 1), 1)
    parts = torch.unflatten(c, 1, [6, -1])
    for i in range(self.layers):
      p = "transformer_blocks." + str(i)
      m = torch.chunk(w[p + ".scale_shift_table"] + parts, 6, 1)
      a = self.image_attention(p + ".attn1", modulated(x, m[0], m[1], eps))
      #= "block" + str(i) + ".attn1" := a
      x = torch.addcmul(x, m[2], a)
      b = self.text_attention(p + ".attn2", x, y, mask)
      #= "block" + str(i) + ".attn2" := b
      x = x + b
      h = torch.unflatten(torch.transpose(modulated(x, m[3], m[4], eps), 1, 2), 2, [self.grid_rows, self.grid_columns])
      f = gated_convolutions(w, p + ".ff", h)
      #= "block" + str(i) + ".ff" := f
      x = torch.addcmul(x, m[5], torch.transpose(torch.flatten(f, 2), 1, 2))
      #= "block" + str(i) := x
    m = torch.chunk(w["scale_shift_table"] + torch.unsqueeze(time, 1), 2, 1)
    x = modulated(x, m[0], m[1], 9.9999999999999995e-07)
    #= "norm_out" := x
    z = torch.transpose(projection(w, "proj_out", x), 1, 2)
    return torch.to(torch.unflatten(z, 2, [self.grid_rows, self.grid_columns]), 6)
