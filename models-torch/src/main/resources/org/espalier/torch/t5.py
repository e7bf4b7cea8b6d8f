# The encoder of T5 (https://arxiv.org/abs/1910.10683), keys as in Hugging Face's T5EncoderModel.
def relative_bucket(distance: Tensor, buckets: int, max_distance: int) -> Tensor:
  half = buckets // 2
  sign = torch.mul(torch.to(torch.gt(distance, 0), 4), half)
  near = torch.abs(distance)
  exact = half // 2
  log_ratio = torch.log(torch.to(near, 6) / exact) / torch.log(max_distance / exact)
  far = torch.clamp_max(torch.to(exact + log_ratio * (half - exact), 4), half - 1)
  return sign + torch.where(torch.lt(near, exact), near, far)
class T5(Module):
  # ids (B, L) int64, mask (B, L) float: 1 for tokens, 0 for padding -> (B, L, d_model) float32
  def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
    w = self.w
    x = torch.embedding(w["shared.weight"], ids)
    position = torch.arange(torch.size(ids, 1), dtype=4, device=ids.device)
    distance = torch.unsqueeze(position, 0) - torch.unsqueeze(position, 1)
    bucket = relative_bucket(distance, self.buckets, self.max_distance)
    bias = torch.permute(torch.embedding(w["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"], bucket), [2, 0, 1])
    hidden = torch.unsqueeze(torch.unsqueeze((1. - mask) * -1e9, 1), 1)
    bias = torch.to(torch.unsqueeze(bias, 0) + hidden, x.dtype)
    for i in range(self.layers):
      p = "encoder.block." + str(i) + ".layer."
      h = rms_norm(w[p + "0.layer_norm.weight"], x, self.eps)
      q = split_heads(linear_no_bias(w, p + "0.SelfAttention.q", h), self.heads)
      k = split_heads(linear_no_bias(w, p + "0.SelfAttention.k", h), self.heads)
      v = split_heads(linear_no_bias(w, p + "0.SelfAttention.v", h), self.heads)
      o = torch.scaled_dot_product_attention(q, k, v, bias, 0., False, scale=1.)
      x = x + linear_no_bias(w, p + "0.SelfAttention.o", merge_heads(o))
      h = rms_norm(w[p + "1.layer_norm.weight"], x, self.eps)
      if self.gated:
        g = activate(linear_no_bias(w, p + "1.DenseReluDense.wi_0", h), self.activation) * linear_no_bias(w, p + "1.DenseReluDense.wi_1", h)
      else:
        g = activate(linear_no_bias(w, p + "1.DenseReluDense.wi", h), self.activation)
      x = x + linear_no_bias(w, p + "1.DenseReluDense.wo", g)
    return torch.to(rms_norm(w["encoder.final_layer_norm.weight"], x, self.eps), 6)
