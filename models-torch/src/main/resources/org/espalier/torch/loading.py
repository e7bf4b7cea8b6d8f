  # Added to the class of every program: how its weights come in.
  def allocate_weight(self, index: int, sizes: List[int], dtype: int) -> int:
    w = self.w
    torch._set_item(w, (self.names)[index], torch.empty(sizes, dtype=dtype, device=torch.device(self.device_name)))
    return torch.len(w)
  def fill_weight(self, index: int, offset: int, values: Tensor) -> int:
    flat = torch.view((self.w)[(self.names)[index]], [-1])
    end = offset + torch.size(values, 0)
    copied = torch.copy_(torch.slice(flat, 0, offset, end), values)
    return end
  # Small noise, which keeps activations finite.
  def randomize_weight(self, index: int) -> int:
    filled = torch.normal_((self.w)[(self.names)[index]], 0., 0.02)
    return index
  # What a traced program remembered of its last call, see TorchProgram.Builder.traced.
  def traced(self, name: str) -> Tensor:
    return torch.to((self.w)["trace." + name], 6)
