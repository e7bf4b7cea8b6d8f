// Kernels for what libtorch does in several passes over memory: an optional library of operators, espalier::*, that
// programs on an NVIDIA GPU use where it lies beside libtorch (docs/performance.md says how it is built). Every
// operator has its equivalent in the texts of the programs; sums are float32, results bfloat16.
//
// All kernels are bound by memory: each thread moves 16 bytes of bfloat16 (8 channels) at a time, and what is the same
// for many tokens stays in registers.
#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_bf16.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <tuple>

namespace {

using at::Tensor;

constexpr int kVector = 8;  // bfloat16 channels in 16 bytes

struct Channels {
  float v[kVector];
};

__device__ __forceinline__ Channels load(const __nv_bfloat16* from) {
  const uint4 raw = *reinterpret_cast<const uint4*>(from);
  const unsigned words[4] = {raw.x, raw.y, raw.z, raw.w};
  Channels c;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    c.v[2 * i] = __uint_as_float(words[i] << 16);
    c.v[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
  }
  return c;
}

__device__ __forceinline__ Channels load(const float* from) {
  const float4 a = reinterpret_cast<const float4*>(from)[0];
  const float4 b = reinterpret_cast<const float4*>(from)[1];
  return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
}

__device__ __forceinline__ void store(float* to, const Channels& c) {
  reinterpret_cast<float4*>(to)[0] = make_float4(c.v[0], c.v[1], c.v[2], c.v[3]);
  reinterpret_cast<float4*>(to)[1] = make_float4(c.v[4], c.v[5], c.v[6], c.v[7]);
}

__device__ __forceinline__ void store(__nv_bfloat16* to, const Channels& c) {
  __nv_bfloat162 pairs[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    pairs[i] = __floats2bfloat162_rn(c.v[2 * i], c.v[2 * i + 1]);
  }
  *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(pairs);
}

__device__ __forceinline__ float sum_of_warp(float x) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    x += __shfl_xor_sync(0xffffffffu, x, lanes);
  }
  return x;
}

// The sum over a block; `shared` holds a number for each warp and is free again at the next call but one.
__device__ __forceinline__ float sum_of_block(float x, float* shared) {
  x = sum_of_warp(x);
  if (threadIdx.x % 32 == 0) {
    shared[threadIdx.x / 32] = x;
  }
  __syncthreads();
  float sum = 0;
  const int warps = blockDim.x / 32;
  for (int i = 0; i < warps; i++) {
    sum += shared[i];
  }
  return sum;
}

// One block works on consecutive tokens of one row; a thread has the same 8 channels of each.
template <bool kAdd>
__global__ void norm_kernel(
    float* x, const __nv_bfloat16* delta, const __nv_bfloat16* bias, const float* gate, const float* scale,
    const float* shift, __nv_bfloat16* out, int tokens, int channels, int tokens_of_block, int modulation_stride,
    float eps) {
  __shared__ float sums[2][32];
  const int channel = threadIdx.x * kVector;
  const bool active = channel < channels;
  const int row = blockIdx.y;
  Channels gates, offsets = {}, scales = {}, shifts = {};
#pragma unroll
  for (int i = 0; i < kVector; i++) {
    gates.v[i] = 1.f;
  }
  if (active) {
    if (kAdd) {
      if (gate != nullptr) {
        gates = load(gate + row * channels + channel);
      }
      offsets = load(bias + channel);
#pragma unroll
      for (int i = 0; i < kVector; i++) {
        offsets.v[i] *= gates.v[i];
      }
    }
    scales = load(scale + row * modulation_stride + channel);
    shifts = load(shift + row * modulation_stride + channel);
  }
  const int first = blockIdx.x * tokens_of_block;
  const int last = min(first + tokens_of_block, tokens);
  for (int token = first; token < last; token++) {
    const int64_t at = (static_cast<int64_t>(row) * tokens + token) * channels + channel;
    Channels v = {};
    if (active) {
      v = load(x + at);
      if (kAdd) {
        const Channels d = load(delta + at);
#pragma unroll
        for (int i = 0; i < kVector; i++) {
          v.v[i] += fmaf(gates.v[i], d.v[i], offsets.v[i]);
        }
        store(x + at, v);
      }
    }
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kVector; i++) {
      sum += v.v[i];
    }
    const float mean = sum_of_block(sum, sums[0]) / channels;
    float squares = 0;
    if (active) {
#pragma unroll
      for (int i = 0; i < kVector; i++) {
        v.v[i] -= mean;
        squares += v.v[i] * v.v[i];
      }
    }
    const float inverse = rsqrtf(sum_of_block(squares, sums[1]) / channels + eps);
    if (active) {
#pragma unroll
      for (int i = 0; i < kVector; i++) {
        v.v[i] = fmaf(v.v[i] * inverse, scales.v[i], shifts.v[i]);
      }
      store(out + at, v);
    }
  }
}

const __nv_bfloat16* bfloat16s(const Tensor& x) {
  return reinterpret_cast<const __nv_bfloat16*>(x.data_ptr());
}

// Layer norm over the channels of x (R, T, C), then a multiplication and an addition by scale and shift, each (R, C),
// or (C) of stride 0. Before that, where there is a delta (R * T, C), it is added to x, in place, plus bias (C), times
// gate (R, C) or 1. -> (R * T, C)
Tensor norm_rows(const Tensor& x, const __nv_bfloat16* delta, const __nv_bfloat16* bias, const float* gate,
                 const float* scale, const float* shift, int modulation_stride, double eps) {
  const int rows = x.size(0), tokens = x.size(1), channels = x.size(2);
  Tensor out = at::empty({x.size(0) * x.size(1), x.size(2)}, x.options().dtype(at::kBFloat16));
  const int threads = (channels / kVector + 31) / 32 * 32;
  // Few tokens are spread over all multiprocessors; many share the loads of what is the same for them.
  const int each = std::clamp(rows * tokens / 2048, 1, 8);
  const dim3 grid((tokens + each - 1) / each, rows);
  auto kernel = delta == nullptr ? norm_kernel<false> : norm_kernel<true>;
  kernel<<<grid, threads, 0, c10::cuda::getCurrentCUDAStream()>>>(
      x.data_ptr<float>(), delta, bias, gate, scale, shift, reinterpret_cast<__nv_bfloat16*>(out.data_ptr()), tokens,
      channels, each, modulation_stride, static_cast<float>(eps));
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

// Where keys and values (2, R, N, L, H, D) go, if anywhere; H and D without gaps.
struct Destination {
  __nv_bfloat16* data;
  int64_t part, row, trajectory, token;  // strides

  __device__ __forceinline__ __nv_bfloat16* at(int which, int64_t r, int64_t n, int place) const {
    return data + which * part + r * row + n * trajectory + place * token;
  }
};

// Of queries, keys and values qkv (R, N, L, 3, H, D), plus bias (3, H, D) where there is one, queries and keys are
// brought to the lengths scale (2, H), then turned: neighbouring channels are complex numbers, rope (L, D / 2) their
// factors. Queries go to q (R, N, L, H, D), keys and values to one place or two. A block is one token at a time, D / 8
// lanes one of its heads.
template <int kLanes>
__global__ void turn_kernel(
    const __nv_bfloat16* qkv, const __nv_bfloat16* bias, const float* scale, const float2* rope, __nv_bfloat16* q,
    Destination into, Destination more, int trajectories, int length, int heads, int64_t tokens, float least) {
  const int head = threadIdx.x / kLanes;
  const int channel = threadIdx.x % kLanes * kVector;
  const int width = kLanes * kVector;
  const bool active = head < heads;
  for (int64_t token = blockIdx.x; token < tokens; token += gridDim.x) {
    const int place = token % length;
    const int64_t trajectory = token / length;
    Channels parts[3] = {};
    float2 factors[kVector / 2] = {};
    if (active) {
      const __nv_bfloat16* from = qkv + token * 3 * heads * width + head * width + channel;
#pragma unroll
      for (int i = 0; i < 3; i++) {
        parts[i] = load(from + static_cast<int64_t>(i) * heads * width);
        if (bias != nullptr) {
          const Channels offsets = load(bias + (i * heads + head) * width + channel);
#pragma unroll
          for (int j = 0; j < kVector; j++) {
            parts[i].v[j] += offsets.v[j];
          }
        }
      }
      const float4* turns = reinterpret_cast<const float4*>(rope + (static_cast<int64_t>(place) * width + channel) / 2);
      const float4 a = turns[0], b = turns[1];
      factors[0] = make_float2(a.x, a.y);
      factors[1] = make_float2(a.z, a.w);
      factors[2] = make_float2(b.x, b.y);
      factors[3] = make_float2(b.z, b.w);
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
      float squares = 0;
#pragma unroll
      for (int j = 0; j < kVector; j++) {
        squares += parts[i].v[j] * parts[i].v[j];
      }
#pragma unroll
      for (int lanes = kLanes / 2; lanes > 0; lanes /= 2) {
        squares += __shfl_xor_sync(0xffffffffu, squares, lanes);
      }
      if (active) {
        const float factor = scale[i * heads + head] / fmaxf(sqrtf(squares), least);
#pragma unroll
        for (int j = 0; j < kVector; j += 2) {
          const float re = parts[i].v[j] * factor, im = parts[i].v[j + 1] * factor;
          const float2 f = factors[j / 2];
          parts[i].v[j] = re * f.x - im * f.y;
          parts[i].v[j + 1] = re * f.y + im * f.x;
        }
      }
    }
    if (active) {
      store(q + (token * heads + head) * width + channel, parts[0]);
      const int64_t row = trajectory / trajectories, n = trajectory % trajectories;
      const int64_t inner = static_cast<int64_t>(head) * width + channel;
#pragma unroll
      for (int i = 0; i < 2; i++) {
        store(into.at(i, row, n, place) + inner, parts[1 + i]);
        if (more.data != nullptr) {
          store(more.at(i, row, n, place) + inner, parts[1 + i]);
        }
      }
    }
  }
}

constexpr int kParts = 32;

// Keys and values of several scales, each (depth, 2, R, N, L, H, D), any strides but of the last three.
struct Parts {
  const uint4* data[kParts];
  int64_t begin[kParts + 1];   // vectors of a row before each part
  int64_t strides[kParts][4];  // of a layer, of keys and values, of a row and of a trajectory, in vectors
  int count, rows, trajectories;
};

__global__ void join_kernel(const __grid_constant__ Parts parts, uint4* out, int64_t out_stride, int layer) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= parts.begin[parts.count]) {
    return;
  }
  int part = 0;
  while (i >= parts.begin[part + 1]) {
    part++;
  }
  const int n = blockIdx.y % parts.trajectories;
  const int row = blockIdx.y / parts.trajectories % parts.rows;
  const int which = blockIdx.y / parts.trajectories / parts.rows;
  const int64_t* strides = parts.strides[part];
  const uint4* from = parts.data[part] + layer * strides[0] + which * strides[1] + row * strides[2] + n * strides[3];
  out[blockIdx.y * out_stride + i] = from[i - parts.begin[part]];
}

Parts parts_of(at::TensorList blocks, int64_t rows, int64_t trajectories) {
  TORCH_CHECK(blocks.size() <= kParts, "espalier::infinity_blocks takes at most ", kParts, " earlier scales");
  Parts parts = {};
  parts.count = blocks.size();
  parts.rows = rows;
  parts.trajectories = trajectories;
  for (size_t i = 0; i < blocks.size(); i++) {
    const Tensor& b = blocks[i];
    TORCH_CHECK(b.scalar_type() == at::kBFloat16 && b.dim() == 7 && b.size(2) == rows && b.size(3) == trajectories &&
                    b.stride(6) == 1 && b.stride(5) == b.size(6) && b.stride(4) == b.size(5) * b.size(6),
                "espalier::infinity_blocks needs keys and values (depth, 2, R, N, L, H, D), no gaps in the last three");
    parts.data[i] = reinterpret_cast<const uint4*>(b.data_ptr());
    parts.begin[i + 1] = parts.begin[i] + b.size(4) * b.stride(4) / kVector;
    for (int d = 0; d < 4; d++) {
      parts.strides[i][d] = b.stride(d) / kVector;
    }
  }
  return parts;
}

// One layer's keys and values of the parts one after the other, with room for more tokens behind them.
// -> (2, R, N, all L + room, H, D)
Tensor join(const Parts& parts, int layer, int64_t room, int64_t heads, int64_t width,
            const at::TensorOptions& options) {
  const int64_t token = heads * width / kVector;
  const int64_t length = parts.begin[parts.count] / token + room;
  Tensor out = at::empty({2, parts.rows, parts.trajectories, length, heads, width}, options);
  const int threads = 256;
  const dim3 grid((parts.begin[parts.count] + threads - 1) / threads, 2 * parts.rows * parts.trajectories);
  join_kernel<<<grid, threads, 0, c10::cuda::getCurrentCUDAStream()>>>(
      parts, reinterpret_cast<uint4*>(out.data_ptr()), length * token, layer);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

struct Attended {
  const __nv_bfloat16* data;
  const float* sums;
  int64_t row, trajectory, token, head;                  // strides of data
  int64_t sum_row, sum_trajectory, sum_token, sum_head;  // strides of sums
};

// Two parts of an attention, merged by their softmax sums.
__global__ void merge_kernel(Attended a, Attended b, __nv_bfloat16* out, int trajectories, int length, int heads,
                             int width, int64_t vectors) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= vectors) {
    return;
  }
  const int lanes = width / kVector;
  const int channel = i % lanes * kVector;
  const int head = i / lanes % heads;
  const int64_t token = i / lanes / heads;
  const int place = token % length, n = token / length % trajectories;
  const int64_t row = token / length / trajectories;
  const float weight =
      1.f / (1.f + __expf(a.sums[row * a.sum_row + n * a.sum_trajectory + place * a.sum_token + head * a.sum_head] -
                          b.sums[row * b.sum_row + n * b.sum_trajectory + place * b.sum_token + head * b.sum_head]));
  Channels x = load(a.data + row * a.row + n * a.trajectory + place * a.token + head * a.head + channel);
  const Channels y = load(b.data + row * b.row + n * b.trajectory + place * b.token + head * b.head + channel);
#pragma unroll
  for (int j = 0; j < kVector; j++) {
    x.v[j] += weight * (y.v[j] - x.v[j]);
  }
  store(out + i * kVector, x);
}

// Attention of N trajectories' queries to what they share, (R, H, N * L, D) with sums (R, H, N * L) float32, and to
// what each has for itself, (R * N, H, L, D) with sums (R * N, H, L). -> attention to both (R * N * L, H * D)
Tensor merge(const Tensor& shared, const Tensor& before, const Tensor& own, const Tensor& after) {
  const int64_t rows = shared.size(0), heads = shared.size(1), width = shared.size(3);
  const int64_t length = own.size(2), n = own.size(0) / rows;
  Tensor out = at::empty({rows * n * length, heads * width}, shared.options());
  const Attended a = {bfloat16s(shared), before.data_ptr<float>(),
                      shared.stride(0), shared.stride(2) * length, shared.stride(2), shared.stride(1),
                      before.stride(0), before.stride(2) * length, before.stride(2), before.stride(1)};
  const Attended b = {bfloat16s(own), after.data_ptr<float>(),
                      own.stride(0) * n, own.stride(0), own.stride(2), own.stride(1),
                      after.stride(0) * n, after.stride(0), after.stride(2), after.stride(1)};
  const int64_t vectors = out.numel() / kVector;
  merge_kernel<<<(vectors + 255) / 256, 256, 0, c10::cuda::getCurrentCUDAStream()>>>(
      a, b, reinterpret_cast<__nv_bfloat16*>(out.data_ptr()), n, length, heads, width, vectors);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

// Softmax attention of q (B, H, L, D) to k and v (B, H, T, D) and, where wanted, the logarithms of the softmax's sums
// (B, H, L). cuDNN plans anew for each size and is made for many keys, so it is taken where that pays.
std::tuple<Tensor, Tensor> attend(const Tensor& q, const Tensor& k, const Tensor& v, double scale, bool cudnn,
                                  bool sums) {
  if (cudnn && q.size(2) >= 1024 && k.size(2) >= 256) {
    auto result = at::_scaled_dot_product_cudnn_attention(q, k, v, std::nullopt, sums, 0., false, false, scale);
    Tensor logarithms = std::get<1>(result);
    return {std::get<0>(result), sums ? logarithms.view({q.size(0), q.size(1), q.size(2)}) : logarithms};
  }
  auto result = at::_scaled_dot_product_flash_attention(q, k, v, 0., false, false, scale);
  return {std::get<0>(result), std::get<1>(result)};
}

// All blocks of Infinity over one scale of n trajectories; scale_blocks.py, in the operators of libtorch, says what
// they compute. In C++ because small scales wait for the interpreter otherwise. What a block adds last to x is added by
// the next block's norm.
//   x (R, n * L, C) float32; level (C) float32
//   w: weights, bfloat16 but for ca_norm and sa.scale, (2, H, 1)
//   modulation (depth, 6, R, 1, C) float32, memory (depth, 2, R, H, T, D) bfloat16
//   shared, own: keys and values of earlier scales (depth, 2, R, 1, L', H, D) and (depth, 2, R, n, L', H, D)
//   made (depth or 1, 2, R, n, L, H, D): where those of this scale go
// -> x after all blocks
Tensor infinity_blocks(const Tensor& given, const Tensor& level, c10::Dict<std::string, Tensor> w,
                       const Tensor& modulation, const Tensor& memory, at::TensorList shared, at::TensorList own,
                       const Tensor& made, const Tensor& rope, int64_t n, int64_t level_every, double guidance,
                       at::IntArrayRef guided_layers, double eps, bool cudnn) {
  const c10::cuda::CUDAGuard guard(given.device());
  const at::AutoDispatchBelowADInplaceOrView inference;
  const int64_t depth = modulation.size(0), rows = modulation.size(2), channels = modulation.size(4);
  const int64_t heads = memory.size(3), text = memory.size(4), width = memory.size(5);
  const int64_t tokens = given.size(1), length = tokens / n;
  TORCH_CHECK(given.scalar_type() == at::kFloat && modulation.scalar_type() == at::kFloat &&
                  memory.scalar_type() == at::kBFloat16 && made.scalar_type() == at::kBFloat16 &&
                  rope.scalar_type() == at::kComplexFloat && modulation.is_contiguous() && memory.is_contiguous() &&
                  made.is_contiguous() && rope.is_contiguous(),
              "espalier::infinity_blocks needs contiguous tensors, bfloat16 for text, keys and values, else float32");
  TORCH_CHECK((width == 64 || width == 128) && heads * width == channels && channels <= 1024 * kVector && tokens > 0,
              "espalier::infinity_blocks has no kernels for ", heads, " heads of ", width);
  const bool keep = made.size(0) == depth;
  // Trajectories that have nothing of their own but this scale read the common past twice over, merged; a single
  // trajectory reads its past as its own.
  const Parts before = parts_of(n == 1 ? at::TensorList() : shared, rows, 1);
  const Parts path = parts_of(n == 1 ? shared : own, rows, n);
  const int64_t layer_of_made = made.numel() / made.size(0), half_of_made = layer_of_made / 2;
  const auto stream = c10::cuda::getCurrentCUDAStream();
  const double text_scale = 1. / std::sqrt(static_cast<double>(width));
  const auto modulations = [&](int64_t layer, int which) {
    return modulation.data_ptr<float>() + (layer * 6 + which) * rows * channels;
  };
  const auto first_norm = [&](const Tensor& x, int64_t layer) {
    return norm_rows(x, nullptr, nullptr, nullptr, modulations(layer, 2), modulations(layer, 4), channels, eps);
  };
  Tensor x = given + level;
  Tensor h = first_norm(x, 0);
  for (int64_t i = 0; i < depth; i++) {
    const std::string p = "blocks." + std::to_string(i) + ".";
    const auto weight = [&](const char* name) { return w.at(p + name); };
    // self-attention over this scale and all earlier ones
    const Tensor qkv_bias = weight("sa.mat_qkv.bias");
    const bool large = tokens >= 1024;
    const Tensor qkv = large ? at::addmm(qkv_bias, h, weight("sa.mat_qkv.weight").t())
                             : at::mm(h, weight("sa.mat_qkv.weight").t());
    const Tensor q = at::empty({rows * n * length, heads, width}, qkv.options());
    auto* mine = reinterpret_cast<__nv_bfloat16*>(made.data_ptr()) + (keep ? i : 0) * layer_of_made;
    const Destination kept = {mine, half_of_made, half_of_made / rows, half_of_made / rows / n, channels};
    Destination into = kept, also = {};
    Tensor joined = made;
    int64_t offset = made.storage_offset() + (keep ? i : 0) * layer_of_made, all = length;
    if (path.count > 0) {
      joined = join(path, i, length, heads, width, made.options());
      all = joined.size(3);
      offset = 0;
      into = {reinterpret_cast<__nv_bfloat16*>(joined.data_ptr()) + (all - length) * channels, joined.stride(0),
              joined.stride(1), joined.stride(2), channels};
      also = keep ? kept : Destination{};
    }
    const int threads = (heads * width / kVector + 31) / 32 * 32;
    auto turn = width == 128 ? turn_kernel<16> : turn_kernel<8>;
    turn<<<std::min<int64_t>(rows * tokens, 132 * 64), threads, 0, stream>>>(
        bfloat16s(qkv), large ? nullptr : bfloat16s(qkv_bias), weight("sa.scale").data_ptr<float>(),
        reinterpret_cast<const float2*>(rope.data_ptr()), reinterpret_cast<__nv_bfloat16*>(q.data_ptr()), into, also, n,
        length, heads, rows * tokens, 1e-12f);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    const int64_t of_trajectory = all * channels;
    const auto cached = [&](int64_t which) {
      return joined.as_strided({rows * n, heads, all, width}, {of_trajectory, width, channels, 1},
                               offset + which * rows * n * of_trajectory);
    };
    const Tensor split = q.as_strided({rows * n, heads, length, width}, {length * channels, width, channels, 1}, 0);
    auto [o, sums] = attend(split, cached(0), cached(1), 1., cudnn, before.count > 0);
    if (before.count > 0) {
      const Tensor prefix = join(before, i, 0, heads, width, made.options());
      const int64_t common = prefix.size(3);
      const auto of_prefix = [&](int64_t which) {
        return prefix.as_strided({rows, heads, common, width}, {common * channels, width, channels, 1},
                                 which * rows * common * channels);
      };
      const Tensor folded = q.as_strided({rows, heads, tokens, width}, {tokens * channels, width, channels, 1}, 0);
      const auto [a, sums_of_a] = attend(folded, of_prefix(0), of_prefix(1), 1., cudnn, true);
      o = merge(a, sums_of_a, o, sums);
    } else {
      o = o.transpose(1, 2).reshape({rows * tokens, channels});
    }
    o = at::mm(o, weight("sa.proj.weight").t());
    h = norm_rows(x, bfloat16s(o), bfloat16s(weight("sa.proj.bias")), modulations(i, 0),
                  weight("ca_norm.weight").data_ptr<float>(), weight("ca_norm.bias").data_ptr<float>(), 0, eps);
    // cross-attention to the text
    const Tensor asked = at::addmm(weight("ca.mat_q.bias"), h, weight("ca.mat_q.weight").t());
    const auto words = [&](int64_t which) {
      return memory.as_strided({rows, heads, text, width}, {heads * text * width, text * width, width, 1},
                               memory.storage_offset() + (2 * i + which) * rows * heads * text * width);
    };
    const Tensor heard = std::get<0>(
        attend(asked.as_strided({rows, heads, tokens, width}, {tokens * channels, width, channels, 1}, 0), words(0),
               words(1), text_scale, cudnn, false));
    o = at::mm(heard.transpose(1, 2).reshape({rows * tokens, channels}), weight("ca.proj.weight").t());
    h = norm_rows(x, bfloat16s(o), bfloat16s(weight("ca.proj.bias")), nullptr, modulations(i, 3), modulations(i, 5),
                  channels, eps);
    // feed-forward
    h = at::_addmm_activation(weight("ffn.fc1.bias"), h, weight("ffn.fc1.weight").t(), 1, 1, true);
    h = at::mm(h, weight("ffn.fc2.weight").t());
    const Tensor bias = weight("ffn.fc2.bias");
    const int64_t after = i + 1;
    const bool guides = rows == 2 && std::find(guided_layers.begin(), guided_layers.end(), i) != guided_layers.end();
    if (guides || after == depth || after % level_every == 0) {
      x.addcmul_((h + bias).view_as(x), modulation.select(0, i).select(0, 1));
      if (guides) {
        const Tensor mixed = x.slice(0, 0, 1) * guidance + x.slice(0, 1, 2) * (1. - guidance);
        x = at::cat({mixed, mixed}, 0);
      }
      if (after < depth) {
        if (after % level_every == 0) {
          x.add_(level);
        }
        h = first_norm(x, after);
      }
    } else {
      h = norm_rows(x, bfloat16s(h), bfloat16s(bias), modulations(i, 1), modulations(after, 2), modulations(after, 4),
                    channels, eps);
    }
  }
  return x;
}

// Sums and sums of squares of each channel over some pixels: x (pixels, C), a thread has 8 channels of every
// blockDim.y-th pixel. -> partial (blocks, 2, C)
__global__ void moments_kernel(const __nv_bfloat16* x, float* partial, int64_t pixels, int channels,
                               int64_t pixels_of_block) {
  extern __shared__ float sums[];  // (blockDim.y, 2, C)
  const int channel = threadIdx.x * kVector;
  Channels sum = {}, squares = {};
  const int64_t first = blockIdx.x * pixels_of_block;
  const int64_t last = min(first + pixels_of_block, pixels);
#pragma unroll 4
  for (int64_t p = first + threadIdx.y; p < last; p += blockDim.y) {
    const Channels v = load(x + p * channels + channel);
#pragma unroll
    for (int i = 0; i < kVector; i++) {
      sum.v[i] += v.v[i];
      squares.v[i] += v.v[i] * v.v[i];
    }
  }
  store(sums + (threadIdx.y * 2) * channels + channel, sum);
  store(sums + (threadIdx.y * 2 + 1) * channels + channel, squares);
  __syncthreads();
  for (int i = threadIdx.y * blockDim.x + threadIdx.x; i < 2 * channels; i += blockDim.x * blockDim.y) {
    float total = 0;
    for (unsigned y = 0; y < blockDim.y; y++) {
      total += sums[y * 2 * channels + i];
    }
    partial[static_cast<int64_t>(blockIdx.x) * 2 * channels + i] = total;
  }
}

// A block is one group of channels. -> factors (2, C): what a channel is multiplied by, and what is added.
__global__ void factors_kernel(const float* partial, const float* bias, const float* weight, const float* offset,
                               float* factors, int blocks, int channels, int channels_of_group, double pixels,
                               double eps) {
  extern __shared__ double moments[];  // (2, channels of a group)
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
  const int begin = blockIdx.x * channels_of_group;
  for (int c = warp; c < channels_of_group; c += warps) {
    double sum = 0, squares = 0;
    for (int b = lane; b < blocks; b += 32) {
      sum += partial[static_cast<int64_t>(b) * 2 * channels + begin + c];
      squares += partial[static_cast<int64_t>(b) * 2 * channels + channels + begin + c];
    }
    for (int lanes = 16; lanes > 0; lanes /= 2) {
      sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
      squares += __shfl_xor_sync(0xffffffffu, squares, lanes);
    }
    if (lane == 0) {
      const double added = bias[begin + c], mean = sum / pixels;
      moments[c] = mean + added;
      moments[channels_of_group + c] = squares / pixels + added * (added + 2 * mean);
    }
  }
  __syncthreads();
  double mean = 0, square = 0;
  for (int c = 0; c < channels_of_group; c++) {
    mean += moments[c];
    square += moments[channels_of_group + c];
  }
  mean /= channels_of_group;
  square /= channels_of_group;
  const double inverse = rsqrt(fmax(square - mean * mean, 0.) + eps);
  for (int c = threadIdx.x; c < channels_of_group; c += blockDim.x) {
    const double factor = inverse * weight[begin + c];
    factors[begin + c] = factor;
    factors[channels + begin + c] = (bias[begin + c] - mean) * factor + offset[begin + c];
  }
}

__global__ void silu_kernel(const __nv_bfloat16* x, const float* factors, __nv_bfloat16* out, int64_t pixels,
                            int channels) {
  const int channel = threadIdx.x * kVector;
  const Channels scale = load(factors + channel), shift = load(factors + channels + channel);
#pragma unroll 4
  for (int64_t p = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y; p < pixels;
       p += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    Channels v = load(x + p * channels + channel);
#pragma unroll
    for (int i = 0; i < kVector; i++) {
      const float y = fmaf(v.v[i], scale.v[i], shift.v[i]);
      v.v[i] = y / (1.f + __expf(-y));
    }
    store(out + p * channels + channel, v);
  }
}

void check_image(const Tensor& x) {
  TORCH_CHECK(x.is_cuda() && x.scalar_type() == at::kBFloat16 && x.dim() == 4 && x.size(0) == 1 &&
                  x.is_contiguous(at::MemoryFormat::ChannelsLast) && x.size(1) % kVector == 0 && x.size(1) <= 1024,
              "espalier's kernels need bfloat16 images (1, C, H, W) in channels-last order on a GPU, C at most 1024");
}

void check_channels(const Tensor& values, int64_t channels) {
  TORCH_CHECK(values.scalar_type() == at::kFloat && values.is_contiguous() && values.numel() == channels,
              "espalier's kernels need ", channels, " float32 numbers, one a channel");
}

// Group norm and SiLU of x + bias: x (1, C, H, W) bfloat16 in channels-last order, bias, weight and offset (C) float32.
Tensor group_norm_silu(const Tensor& x, const Tensor& bias, const Tensor& weight, const Tensor& offset, int64_t groups,
                       double eps) {
  const int64_t channels = x.size(1), pixels = x.size(2) * x.size(3);
  check_image(x);
  TORCH_CHECK(channels % groups == 0, "espalier::group_norm_silu cannot part ", channels, " channels into ", groups);
  for (const Tensor& values : {bias, weight, offset}) {
    check_channels(values, channels);
  }
  const c10::cuda::CUDAGuard guard(x.device());
  const auto stream = c10::cuda::getCurrentCUDAStream();
  const int wide = channels / kVector;
  const dim3 threads(wide, std::max(1, 256 / wide));
  const int64_t each = std::max<int64_t>(threads.y * 4, (pixels + 527) / 528);
  const int blocks = (pixels + each - 1) / each;
  Tensor partial = at::empty({blocks, 2, channels}, x.options().dtype(at::kFloat));
  Tensor factors = at::empty({2, channels}, partial.options());
  Tensor out = at::empty_like(x);
  const __nv_bfloat16* data = bfloat16s(x);
  moments_kernel<<<blocks, threads, threads.y * 2 * channels * sizeof(float), stream>>>(
      data, partial.data_ptr<float>(), pixels, channels, each);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  const int of_group = channels / groups;
  factors_kernel<<<groups, 256, 2 * of_group * sizeof(double), stream>>>(
      partial.data_ptr<float>(), bias.data_ptr<float>(), weight.data_ptr<float>(), offset.data_ptr<float>(),
      factors.data_ptr<float>(), blocks, channels, of_group, static_cast<double>(pixels), eps);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  const int64_t most = (pixels + threads.y - 1) / threads.y;
  silu_kernel<<<std::min<int64_t>(most, 132 * 32), threads, 0, stream>>>(
      data, factors.data_ptr<float>(), reinterpret_cast<__nv_bfloat16*>(out.data_ptr()), pixels, channels);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

__global__ void upsample_kernel(const __nv_bfloat16* x, const float* bias, __nv_bfloat16* out, int width,
                                int64_t pixels, int channels) {
  const int channel = threadIdx.x * kVector;
  const Channels offsets = load(bias + channel);
  for (int64_t p = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y; p < pixels;
       p += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    Channels v = load(x + p * channels + channel);
#pragma unroll
    for (int i = 0; i < kVector; i++) {
      v.v[i] += offsets.v[i];
    }
    const int64_t row = p / width, column = p % width;
    __nv_bfloat16* to = out + (4 * row * width + 2 * column) * channels + channel;
    store(to, v);
    store(to + channels, v);
    store(to + static_cast<int64_t>(2) * width * channels, v);
    store(to + static_cast<int64_t>(2 * width + 1) * channels, v);
  }
}

// x (1, C, H, W) bfloat16 in channels-last order, plus bias (C) float32, each pixel four times. -> (1, C, 2 H, 2 W)
Tensor upsample(const Tensor& x, const Tensor& bias) {
  const int64_t channels = x.size(1), pixels = x.size(2) * x.size(3);
  check_image(x);
  check_channels(bias, channels);
  const c10::cuda::CUDAGuard guard(x.device());
  Tensor out = at::empty({1, channels, 2 * x.size(2), 2 * x.size(3)}, x.options(), at::MemoryFormat::ChannelsLast);
  const int wide = channels / kVector;
  const dim3 threads(wide, std::max(1, 256 / wide));
  upsample_kernel<<<std::min<int64_t>((pixels + threads.y - 1) / threads.y, 132 * 32), threads, 0,
                    c10::cuda::getCurrentCUDAStream()>>>(bfloat16s(x), bias.data_ptr<float>(),
                                                         reinterpret_cast<__nv_bfloat16*>(out.data_ptr()), x.size(3),
                                                         pixels, channels);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

}  // namespace

TORCH_LIBRARY(espalier, m) {
  m.def(
      "infinity_blocks(Tensor x, Tensor level, Dict(str, Tensor) w, Tensor modulation, Tensor memory, Tensor[] shared, "
      "Tensor[] own, Tensor(a!) made, Tensor rope, int n, int level_every, float guidance, int[] guided_layers, "
      "float eps, bool cudnn) -> Tensor");
  m.def("group_norm_silu(Tensor x, Tensor bias, Tensor weight, Tensor offset, int groups, float eps) -> Tensor");
  m.def("upsample(Tensor x, Tensor bias) -> Tensor");
}

TORCH_LIBRARY_IMPL(espalier, CUDA, m) {
  m.impl("infinity_blocks", infinity_blocks);
  m.impl("group_norm_silu", group_norm_silu);
  m.impl("upsample", upsample);
}
