# The transformer of Stable Diffusion 3.5 (https://arxiv.org/abs/2403.03206), keys as published by Stability AI.
# B rows, N image tokens, L text tokens, S = N + L, D model width.
def branch(w: Dict[str, Tensor], p: str, x: Tensor, heads: int, into: Tensor) -> Tensor:
  return query_key(w, p + ".ln_q.weight", p + ".ln_k.weight", projection(w, p + ".qkv", x), heads, None, 9.9999999999999995e-07, into)
def dense(w: Dict[str, Tensor], p: str, x: Tensor) -> Tensor:
  return feed_forward(w, p + ".mlp.fc1", p + ".mlp.fc2", x, False)
class Sd3(Module):
  # The middle of the square of position embeddings that the weights hold.
  def positions(self) -> Tensor:
    square = torch.unflatten(torch.squeeze((self.w)["pos_embed"], 0), 0, [self.positions_side, self.positions_side])
    top = (self.positions_side - self.grid_rows) // 2
    left = (self.positions_side - self.grid_columns) // 2
    middle = torch.slice(torch.slice(square, 0, top, top + self.grid_rows), 1, left, left + self.grid_columns)
    return torch.unsqueeze(torch.flatten(middle, 0, 1), 0)
  # latents (B, C, 2 * rows, 2 * columns), text (B, L, .), pooled (B, .), t (B) -> velocity, as the latents, float32
  def velocity(self, latent: Tensor, texts: List[Tensor], t: Tensor) -> Tensor:
    w = self.w
    eps = 9.9999999999999995e-07
    like = w["x_embedder.proj.weight"]
    x = torch.linear(torch.type_as(patches(latent), like), torch.flatten(like, 1), w["x_embedder.proj.bias"])
    x = x + self.positions()
    y = projection(w, "context_embedder", torch.type_as(texts[0], like))
    #= "pos_embed" := x
    #= "context_embedder" := y
    #= "time_proj" := sinusoid(torch.mul(t, 1000.), like)
    c = embed(w, "t_embedder.mlp.0", "t_embedder.mlp.2", sinusoid(torch.mul(t, 1000.), like))
    c = c + embed(w, "y_embedder.mlp.0", "y_embedder.mlp.2", torch.type_as(texts[1], like))
    #= "temb" := c
    c = torch.silu(c)
    N = torch.size(x, 1)
    D = torch.size(x, 2)
    qk = query_key_room(x, N + torch.size(y, 1), self.heads)
    own = query_key_room(x, N, self.heads)
    for i in range(self.layers):
      p = "joint_blocks." + str(i) + ".x_block"
      q = "joint_blocks." + str(i) + ".context_block"
      last = torch.eq(i, self.layers - 1)
      dual = torch.__contains__(w, p + ".attn2.qkv.weight")
      m = modulation(w, p + ".adaLN_modulation.1", c, torch.size(w[p + ".adaLN_modulation.1.bias"], 0) // D)
      n = modulation(w, q + ".adaLN_modulation.1", c, torch.size(w[q + ".adaLN_modulation.1.bias"], 0) // D)
      xv = branch(w, p + ".attn", modulated(x, m[0], m[1], eps), self.heads, torch.slice(qk, 1, 0, N))
      yv = branch(w, q + ".attn", modulated(y, n[0], n[1], eps), self.heads, torch.slice(qk, 1, N))
      a = joint_attention(qk, torch.cat([xv, yv], 1))
      z = torch.addcmul(x, m[2], projection(w, p + ".attn.proj", torch.slice(a, 1, 0, N)))
      if dual:
        v = branch(w, p + ".attn2", modulated(x, m[6], m[7], eps), self.heads, own)
        b = projection(w, p + ".attn2.proj", joint_attention(own, v))
        #= "block" + str(i) + ".attn2" := b
        z = torch.addcmul(z, m[8], b)
      x = torch.addcmul(z, m[5], dense(w, p, modulated(z, m[3], m[4], eps)))
      #= "block" + str(i) + ".img" := x
      if torch.__not__(last):
        y = torch.addcmul(y, n[2], projection(w, q + ".attn.proj", torch.slice(a, 1, N)))
        y = torch.addcmul(y, n[5], dense(w, q, modulated(y, n[3], n[4], eps)))
        #= "block" + str(i) + ".txt" := y
    m = modulation(w, "final_layer.adaLN_modulation.1", c, 2)
    x = modulated(x, m[0], m[1], eps)
    #= "norm_out" := x
    return torch.to(unpatched_last(projection(w, "final_layer.linear", x), self.grid_rows, self.grid_columns), 6)
