  # Part of the class of infinity.py or var.py: all blocks over one scale, in libtorch's own operators.
  #   x (R, N * L, C) float32, level (C): the scale's embedding, modulation, memory: as `condition` returns them
  #   shared, own, rope, guidance, guided_layers: as in `step`
  #   made (depth or 1, 2, R, N, L, H, D): where keys and values go; one for all layers where none is kept
  # -> x after all blocks
  def blocks(self, x: Tensor, level: Tensor, modulation: Tensor, memory: Tensor, shared: List[Tensor], own: List[Tensor], made: Tensor, rope: Tensor, N: int, guidance: float, guided_layers: List[int]) -> Tensor:
    w = self.w
    R = torch.size(x, 0)
    L = torch.size(x, 1) // N
    C = torch.size(x, 2)
    long = N * L >= 1024 and self.attention != "plain"
    like = memory.dtype
    mine = torch.unbind(made, 0)
    kept = torch.len(mine)
    modulations = torch.unbind(torch.flatten(modulation, 0, 1), 0)
    texts = torch.unbind(torch.flatten(memory, 0, 1), 0)
    before = annotate(List[List[Tensor]], [])
    for block in shared:
      _0 = torch.append(before, torch.unbind(block, 0))
    apart = annotate(List[List[Tensor]], [])
    for block in own:
      _1 = torch.append(apart, torch.unbind(block, 0))
    # Calls of functions are not inlined and small scales wait for the interpreter, so the block is written out.
    for i in range(self.depth):
      p = "blocks." + str(i) + "."
      a = p + self.self_attention
      if i % self.level_every == 0:
        x = x + level # a tensor of its own, which the blocks change in place
      m = 6 * i
      # self-attention over this scale and all earlier ones; each query and key is brought to a length, then
      # turned: neighbouring pairs are complex numbers, rope (L, 1, 1, D / 2) their factors
      if long:
        h = modulate_rows(x, modulations[m + 2], modulations[m + 4], self.eps, like)
      else:
        h = torch.layer_norm(x, [C], None, None, self.eps)
        h = torch.addcmul(modulations[m + 4], h, modulations[m + 2], value=1, out=torch.empty_like(x, dtype=like))
      qkv = torch.linear(h, w[a + "mat_qkv.weight"], w[a + "mat_qkv.bias"])
      qkv = torch.view(qkv, [R, N, L, 3, self.heads, self.head_width])
      qk = torch.slice(qkv, 3, 0, 2)
      length = torch.clamp_min_(torch.norm(qk, 2, [-1], True, dtype=6), 1.e-12)
      qk = qk * (w[a + "scale"] / length)
      if self.rotary:
        qk = torch.flatten(torch.view_as_real(torch.view_as_complex(torch.unflatten(qk, -1, [-1, 2])) * rope), -2)
      q = torch.flatten(torch.to(torch.select(qk, 3, 0), like), 1, 2)
      now = mine[i % kept]
      _2 = torch.copy_(torch.select(now, 0, 0), torch.select(qk, 3, 1))
      _3 = torch.copy_(torch.select(now, 0, 1), torch.select(qkv, 3, 2))
      parts = annotate(List[Tensor], [])
      for blocks in before:
        _4 = torch.append(parts, blocks[i])
      if N == 1:
        joined = now
        if torch.len(parts) > 0:
          _5 = torch.append(parts, now)
          joined = torch.cat(parts, 3)
        kv = torch.unbind(torch.transpose(torch.flatten(joined, 1, 2), 2, 3), 0)
        o = torch.scaled_dot_product_attention(torch.transpose(q, 1, 2), kv[0], kv[1], None, 0., False, scale=1.)
        o = torch.flatten(torch.transpose(o, 1, 2), 2)
      else:
        path = now
        if torch.len(apart) > 0:
          forked = annotate(List[Tensor], [])
          for blocks in apart:
            _6 = torch.append(forked, blocks[i])
          _7 = torch.append(forked, now)
          path = torch.cat(forked, 3)
        o = forked_attention(q, parts, path, self.attention)
      x = torch.addcmul_(x, torch.linear(o, w[a + "proj.weight"], w[a + "proj.bias"]), modulations[m])
      # cross-attention to the text
      if self.reads_text:
        h = torch.to(torch.layer_norm(x, [C], w[p + "ca_norm.weight"], w[p + "ca_norm.bias"], self.eps), like)
        q = torch.view(torch.linear(h, w[p + "ca.mat_q.weight"], w[p + "ca.mat_q.bias"]), [R, N * L, self.heads, self.head_width])
        o = torch.scaled_dot_product_attention(torch.transpose(q, 1, 2), texts[2 * i], texts[2 * i + 1])
        o = torch.flatten(torch.transpose(o, 1, 2), 2)
        x = torch.add_(x, torch.linear(o, w[p + "ca.proj.weight"], w[p + "ca.proj.bias"]))
      # feed-forward
      if long:
        h = modulate_rows(x, modulations[m + 3], modulations[m + 5], self.eps, like)
      else:
        h = torch.layer_norm(x, [C], None, None, self.eps)
        h = torch.addcmul(modulations[m + 5], h, modulations[m + 3], value=1, out=torch.empty_like(x, dtype=like))
      if self.attention == "plain":
        h = torch.gelu(torch.linear(h, w[p + "ffn.fc1.weight"], w[p + "ffn.fc1.bias"]), approximate="tanh")
      else: # one kernel on a GPU
        wide = torch._addmm_activation(w[p + "ffn.fc1.bias"], torch.flatten(h, 0, 1), torch.t(w[p + "ffn.fc1.weight"]), use_gelu=True)
        h = torch.unflatten(wide, 0, [R, -1])
      x = torch.addcmul_(x, torch.linear(h, w[p + "ffn.fc2.weight"], w[p + "ffn.fc2.bias"]), modulations[m + 1])
      #= "block" + str(i) := torch.clone(x)
      if R == 2:
        for g in guided_layers:
          if g == i:
            mixed = torch.slice(x, 0, 0, 1) * guidance + torch.slice(x, 0, 1, 2) * (1. - guidance)
            x = torch.cat([mixed, mixed], 0)
    return x
