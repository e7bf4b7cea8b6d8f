package org.espalier.models.diffusion;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.espalier.api.EspalierException;
import org.espalier.torch.TensorInfo;
import org.espalier.torch.WeightSource;

/**
 * Weights of the diffusers layout seen through Black Forest Labs' keys. Most tensors only change
 * their names; query, key and value projections are joined along their outputs, the halves of the
 * last modulation are swapped (diffusers: scale, shift; here: shift, scale), and the matrices of
 * the autoencoder's attention become 1 x 1 convolutions. All of these are joins of row-major byte
 * ranges, so nothing is converted and tensors are still streamed. Tensors that are not recognised
 * keep their names, so that the program's check reports them.
 */
final class DiffusersWeights implements WeightSource {
  /** A run of bytes of a tensor of the file. */
  private record Segment(String name, long offset, long bytes) {}

  private record Entry(TensorInfo info, List<Segment> segments) {}

  private final WeightSource source;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Set<String> unread;

  private DiffusersWeights(WeightSource source) {
    this.source = source;
    this.unread = new TreeSet<>(source.names());
  }

  /** Whether weights are a transformer in the diffusers layout. */
  static boolean isTransformer(WeightSource source) {
    return source.names().contains("x_embedder.weight");
  }

  /** Whether weights are an autoencoder in the diffusers layout. */
  static boolean isAutoencoder(WeightSource source) {
    return source.names().contains("decoder.mid_block.resnets.0.conv1.weight");
  }

  /**
   * A transformer in Black Forest Labs' keys, whichever layout it comes in.
   *
   * @param source the weights; closed with the result
   */
  static WeightSource transformer(WeightSource source) {
    if (!isTransformer(source)) {
      return source;
    }
    DiffusersWeights weights = new DiffusersWeights(source);
    weights.layer("img_in", "x_embedder");
    weights.layer("txt_in", "context_embedder");
    if (weights.has("single_stream_modulation.linear.weight")) {
      weights.flux2();
      return weights.complete();
    }
    weights.embedder("time_in", "time_text_embed.timestep_embedder");
    weights.embedder("guidance_in", "time_text_embed.guidance_embedder");
    weights.embedder("vector_in", "time_text_embed.text_embedder");
    for (int i = 0; weights.has("transformer_blocks." + i + ".norm1.linear.weight"); i++) {
      String from = "transformer_blocks." + i + ".";
      String to = "double_blocks." + i + ".";
      weights.layer(to + "img_mod.lin", from + "norm1.linear");
      weights.layer(to + "txt_mod.lin", from + "norm1_context.linear");
      weights.jointAttention(to, from);
      weights.layer(to + "img_mlp.0", from + "ff.net.0.proj");
      weights.layer(to + "img_mlp.2", from + "ff.net.2");
      weights.layer(to + "txt_mlp.0", from + "ff_context.net.0.proj");
      weights.layer(to + "txt_mlp.2", from + "ff_context.net.2");
    }
    for (int i = 0; weights.has("single_transformer_blocks." + i + ".norm.linear.weight"); i++) {
      String from = "single_transformer_blocks." + i + ".";
      String to = "single_blocks." + i + ".";
      weights.layer(to + "modulation.lin", from + "norm.linear");
      weights.layer(
          to + "linear1",
          from + "attn.to_q",
          from + "attn.to_k",
          from + "attn.to_v",
          from + "proj_mlp");
      weights.layer(to + "linear2", from + "proj_out");
      weights.tensor(to + "norm.query_norm.scale", from + "attn.norm_q.weight");
      weights.tensor(to + "norm.key_norm.scale", from + "attn.norm_k.weight");
    }
    weights.swappedLayer("final_layer.adaLN_modulation.1", "norm_out.linear");
    weights.layer("final_layer.linear", "proj_out");
    return weights.complete();
  }

  /** What FLUX.2 has besides the first layers. */
  private void flux2() {
    embedder("time_in", "time_guidance_embed.timestep_embedder");
    embedder("guidance_in", "time_guidance_embed.guidance_embedder");
    for (String modulation :
        List.of(
            "double_stream_modulation_img",
            "double_stream_modulation_txt",
            "single_stream_modulation")) {
      layer(modulation + ".lin", modulation + ".linear");
    }
    for (int i = 0; has("transformer_blocks." + i + ".attn.to_out.0.weight"); i++) {
      String from = "transformer_blocks." + i + ".";
      String to = "double_blocks." + i + ".";
      jointAttention(to, from);
      layer(to + "img_mlp.0", from + "ff.linear_in");
      layer(to + "img_mlp.2", from + "ff.linear_out");
      layer(to + "txt_mlp.0", from + "ff_context.linear_in");
      layer(to + "txt_mlp.2", from + "ff_context.linear_out");
    }
    for (int i = 0; has("single_transformer_blocks." + i + ".attn.to_out.weight"); i++) {
      String from = "single_transformer_blocks." + i + ".attn.";
      String to = "single_blocks." + i + ".";
      layer(to + "linear1", from + "to_qkv_mlp_proj");
      layer(to + "linear2", from + "to_out");
      tensor(to + "norm.query_norm.scale", from + "norm_q.weight");
      tensor(to + "norm.key_norm.scale", from + "norm_k.weight");
    }
    swappedLayer("final_layer.adaLN_modulation.1", "norm_out.linear");
    layer("final_layer.linear", "proj_out");
  }

  /**
   * A transformer of Stable Diffusion 3 in Stability AI's keys.
   *
   * @param source the weights in diffusers' keys; closed with the result
   */
  static WeightSource sd3(WeightSource source) {
    DiffusersWeights weights = new DiffusersWeights(source);
    weights.tensor("pos_embed", "pos_embed.pos_embed");
    weights.layer("x_embedder.proj", "pos_embed.proj");
    weights.layer("context_embedder", "context_embedder");
    for (String[] pair :
        new String[][] {{"t_embedder", "timestep_embedder"}, {"y_embedder", "text_embedder"}}) {
      String from = "time_text_embed." + pair[1];
      weights.layer(pair[0] + ".mlp.0", from + ".linear_1");
      weights.layer(pair[0] + ".mlp.2", from + ".linear_2");
    }
    int layers = 0;
    while (weights.has("transformer_blocks." + layers + ".norm1.linear.weight")) {
      layers++;
    }
    for (int i = 0; i < layers; i++) {
      String from = "transformer_blocks." + i + ".";
      String image = "joint_blocks." + i + ".x_block.";
      String text = "joint_blocks." + i + ".context_block.";
      weights.layer(image + "adaLN_modulation.1", from + "norm1.linear");
      if (i < layers - 1) {
        weights.layer(text + "adaLN_modulation.1", from + "norm1_context.linear");
      } else { // like the final layer's, scale before shift
        weights.swappedLayer(text + "adaLN_modulation.1", from + "norm1_context.linear");
      }
      for (String attention : List.of("attn", "attn2")) {
        String p = from + attention;
        weights.layer(image + attention + ".qkv", p + ".to_q", p + ".to_k", p + ".to_v");
        weights.tensor(image + attention + ".ln_q.weight", p + ".norm_q.weight");
        weights.tensor(image + attention + ".ln_k.weight", p + ".norm_k.weight");
        weights.layer(image + attention + ".proj", p + ".to_out.0");
      }
      String p = from + "attn.";
      weights.layer(text + "attn.qkv", p + "add_q_proj", p + "add_k_proj", p + "add_v_proj");
      weights.tensor(text + "attn.ln_q.weight", p + "norm_added_q.weight");
      weights.tensor(text + "attn.ln_k.weight", p + "norm_added_k.weight");
      weights.layer(text + "attn.proj", p + "to_add_out");
      weights.layer(image + "mlp.fc1", from + "ff.net.0.proj");
      weights.layer(image + "mlp.fc2", from + "ff.net.2");
      weights.layer(text + "mlp.fc1", from + "ff_context.net.0.proj");
      weights.layer(text + "mlp.fc2", from + "ff_context.net.2");
    }
    weights.swappedLayer("final_layer.adaLN_modulation.1", "norm_out.linear");
    weights.layer("final_layer.linear", "proj_out");
    return weights.complete();
  }

  /** The attention of a block with separate streams. */
  private void jointAttention(String to, String from) {
    layer(to + "img_attn.qkv", from + "attn.to_q", from + "attn.to_k", from + "attn.to_v");
    layer(
        to + "txt_attn.qkv",
        from + "attn.add_q_proj",
        from + "attn.add_k_proj",
        from + "attn.add_v_proj");
    tensor(to + "img_attn.norm.query_norm.scale", from + "attn.norm_q.weight");
    tensor(to + "img_attn.norm.key_norm.scale", from + "attn.norm_k.weight");
    tensor(to + "txt_attn.norm.query_norm.scale", from + "attn.norm_added_q.weight");
    tensor(to + "txt_attn.norm.key_norm.scale", from + "attn.norm_added_k.weight");
    layer(to + "img_attn.proj", from + "attn.to_out.0");
    layer(to + "txt_attn.proj", from + "attn.to_add_out");
  }

  /**
   * An autoencoder in Black Forest Labs' keys, whichever layout it comes in.
   *
   * @param source the weights; closed with the result
   */
  static WeightSource autoencoder(WeightSource source) {
    if (!isAutoencoder(source)) {
      return source;
    }
    DiffusersWeights weights = new DiffusersWeights(source);
    int levels = 0;
    while (weights.has("decoder.up_blocks." + levels + ".resnets.0.conv1.weight")) {
      levels++;
    }
    weights.layer("decoder.post_quant_conv", "post_quant_conv");
    weights.layer("encoder.quant_conv", "quant_conv");
    for (String half : List.of("encoder.", "decoder.")) {
      weights.layer(half + "conv_in", half + "conv_in");
      weights.layer(half + "conv_out", half + "conv_out");
      weights.layer(half + "norm_out", half + "conv_norm_out");
      String mid = half + "mid_block.";
      weights.residual(half + "mid.block_1", mid + "resnets.0");
      weights.residual(half + "mid.block_2", mid + "resnets.1");
      String attention = mid + "attentions.0.";
      weights.layer(half + "mid.attn_1.norm", attention + "group_norm");
      weights.pointwise(half + "mid.attn_1.q", attention + "to_q");
      weights.pointwise(half + "mid.attn_1.k", attention + "to_k");
      weights.pointwise(half + "mid.attn_1.v", attention + "to_v");
      weights.pointwise(half + "mid.attn_1.proj_out", attention + "to_out.0");
    }
    for (int i = 0; i < levels; i++) {
      String down = "encoder.down_blocks." + i + ".";
      for (int j = 0; weights.has(down + "resnets." + j + ".conv1.weight"); j++) {
        weights.residual("encoder.down." + i + ".block." + j, down + "resnets." + j);
      }
      weights.layer("encoder.down." + i + ".downsample.conv", down + "downsamplers.0.conv");
      // Diffusers counts the decoder's levels from the coarsest, Black Forest Labs from the finest.
      String up = "decoder.up_blocks." + i + ".";
      int level = levels - 1 - i;
      for (int j = 0; weights.has(up + "resnets." + j + ".conv1.weight"); j++) {
        weights.residual("decoder.up." + level + ".block." + j, up + "resnets." + j);
      }
      weights.layer("decoder.up." + level + ".upsample.conv", up + "upsamplers.0.conv");
    }
    return weights.complete();
  }

  /**
   * The same weights with projections of one input joined: {@code to_q}, {@code to_k} and {@code
   * to_v} of an attention to {@code qkv}, {@code w1} and {@code w3} of a gate to {@code w13}.
   *
   * @param source the weights; closed with the result
   */
  static WeightSource joinedProjections(WeightSource source) {
    DiffusersWeights weights = new DiffusersWeights(source);
    for (String name : source.names()) {
      if (name.endsWith(".attention.to_q.weight")) {
        String p = name.substring(0, name.length() - "to_q.weight".length());
        weights.layer(p + "qkv", p + "to_q", p + "to_k", p + "to_v");
      } else if (name.endsWith(".feed_forward.w1.weight")) {
        String p = name.substring(0, name.length() - "w1.weight".length());
        weights.layer(p + "w13", p + "w1", p + "w3");
      }
    }
    return weights.complete();
  }

  private boolean has(String name) {
    return source.names().contains(name);
  }

  private void embedder(String to, String from) {
    layer(to + ".in_layer", from + ".linear_1");
    layer(to + ".out_layer", from + ".linear_2");
  }

  private void residual(String to, String from) {
    layer(to + ".norm1", from + ".norm1");
    layer(to + ".conv1", from + ".conv1");
    layer(to + ".norm2", from + ".norm2");
    layer(to + ".conv2", from + ".conv2");
    layer(to + ".nin_shortcut", from + ".conv_shortcut");
  }

  /** Weight and bias, where there is one, of one layer, joined from one or more. */
  private void layer(String to, String... from) {
    join(to + ".weight", ".weight", from);
    join(to + ".bias", ".bias", from);
  }

  private void tensor(String to, String from) {
    join(to, "", from);
  }

  /** Joins tensors along their first axis; absent ones are left to the program's check. */
  private void join(String to, String suffix, String... from) {
    List<Segment> segments = new ArrayList<>();
    long first = 0;
    TensorInfo last = null;
    for (String prefix : from) {
      String name = prefix + suffix;
      if (!has(name)) {
        return;
      }
      TensorInfo info = source.info(name);
      if (last != null && (info.dtype() != last.dtype() || !rest(info).equals(rest(last)))) {
        throw EspalierException.config(
            "The tensor %s %s of %s cannot be joined with its neighbour (%s)."
                .formatted(name, info, source.location(), last),
            "Maybe the file is damaged.");
      }
      last = info;
      first += from.length == 1 ? 0 : info.size(0);
      segments.add(new Segment(name, 0, info.bytes()));
    }
    if (last == null) {
      return;
    }
    List<Long> shape = new ArrayList<>(last.shape());
    if (from.length > 1) {
      shape.set(0, first);
    }
    add(to, new TensorInfo(last.dtype(), shape), segments);
  }

  private static List<Long> rest(TensorInfo info) {
    return info.shape().subList(1, info.shape().size());
  }

  /** A matrix as a 1 x 1 convolution. */
  private void pointwise(String to, String from) {
    layer(to, from);
    Entry entry = entries.get(to + ".weight");
    if (entry != null && entry.info.shape().size() == 2) {
      List<Long> shape = new ArrayList<>(entry.info.shape());
      shape.addAll(List.of(1L, 1L));
      entries.put(
          to + ".weight", new Entry(new TensorInfo(entry.info.dtype(), shape), entry.segments));
    }
  }

  private void swappedLayer(String to, String from) {
    swapped(to + ".weight", from + ".weight");
    swapped(to + ".bias", from + ".bias");
  }

  /** A tensor whose upper and lower halves change places. */
  private void swapped(String to, String from) {
    if (has(from)) {
      TensorInfo info = source.info(from);
      long half = info.bytes() / 2;
      add(to, info, List.of(new Segment(from, half, half), new Segment(from, 0, half)));
    }
  }

  private void add(String to, TensorInfo info, List<Segment> segments) {
    entries.put(to, new Entry(info, segments));
    segments.forEach(segment -> unread.remove(segment.name));
  }

  private WeightSource complete() {
    for (String name : unread) {
      TensorInfo info = source.info(name);
      entries.putIfAbsent(name, new Entry(info, List.of(new Segment(name, 0, info.bytes()))));
    }
    return this;
  }

  @Override
  public Path location() {
    return source.location();
  }

  @Override
  public List<Path> files() {
    return source.files();
  }

  @Override
  public Set<String> names() {
    return Collections.unmodifiableSet(entries.keySet());
  }

  @Override
  public TensorInfo info(String name) {
    Entry entry = entries.get(name);
    // An unknown name gets the source's own message.
    return entry == null ? source.info(name) : entry.info;
  }

  @Override
  public ByteBuffer slice(String name, long byteOffset, int byteCount) {
    Entry entry = entries.get(name);
    if (entry == null) {
      return source.slice(name, byteOffset, byteCount);
    }
    ByteBuffer joined = null;
    long start = 0;
    long from = byteOffset;
    int wanted = byteCount;
    for (Segment segment : entry.segments) {
      if (wanted > 0 && from < start + segment.bytes) {
        int count = (int) Math.min(wanted, start + segment.bytes - from);
        ByteBuffer part = source.slice(segment.name, segment.offset + (from - start), count);
        if (count == byteCount) {
          return part;
        }
        if (joined == null) {
          joined = ByteBuffer.allocateDirect(byteCount).order(ByteOrder.LITTLE_ENDIAN);
        }
        joined.put(part);
        from += count;
        wanted -= count;
      }
      start += segment.bytes;
    }
    if (joined == null || wanted > 0) {
      throw new IndexOutOfBoundsException(
          "bytes %d+%d of %s".formatted(byteOffset, byteCount, name));
    }
    return joined.flip().asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
  }

  @Override
  public void close() {
    source.close();
  }
}
