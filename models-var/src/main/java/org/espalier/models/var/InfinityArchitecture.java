package org.espalier.models.var;

import static org.espalier.models.var.WeightShapes.info;
import static org.espalier.models.var.WeightShapes.size;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.api.EspalierException;
import org.espalier.torch.Flops;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/**
 * The sizes of an Infinity transformer, read off the shapes of its weights.
 *
 * @param depth blocks
 * @param width of the residual stream
 * @param heads of self- and cross-attention
 * @param hidden width of the feed-forward layers
 * @param bits of one token, 4 times the code's channels where codes are patchified
 * @param textChannels width of the text features
 * @param textLength tokens of text at most
 * @param poolHeads heads of the attentive pool over the text
 * @param levels scales that have an embedding
 */
public record InfinityArchitecture(
    int depth,
    int width,
    int heads,
    int hidden,
    int bits,
    int textChannels,
    int textLength,
    int poolHeads,
    int levels) {

  private static final Pattern CHUNKED =
      Pattern.compile("block_chunks\\.(\\d+)\\.module\\.(\\d+)\\.(.*)");
  private static final Pattern BLOCK = Pattern.compile("blocks\\.(\\d+)\\.ada_gss");
  private static final Pattern UNREGISTERED = Pattern.compile("unregistered_blocks\\.(\\d+\\..*)");

  /**
   * The sizes of a published model.
   *
   * @param size {@code 125m}, {@code 1b}, {@code 2b} or {@code 8b}
   * @throws EspalierException CONFIG for another size
   */
  static InfinityArchitecture published(String size) {
    return switch (size) {
      case "125m" -> new InfinityArchitecture(12, 768, 8, 3072, 16, 2048, 512, 16, 15);
      case "1b" -> new InfinityArchitecture(24, 1536, 16, 6144, 16, 2048, 512, 16, 15);
      case "2b" -> new InfinityArchitecture(32, 2048, 16, 8192, 32, 2048, 512, 16, 15);
      case "8b" -> new InfinityArchitecture(40, 3584, 28, 14336, 56, 2048, 512, 16, 15);
      default ->
          throw EspalierException.config(
              "The size (" + size + ") of Infinity is not a published one.",
              "Maybe use random:125m, random:1b, random:2b or random:8b.");
    };
  }

  /**
   * The weights under the names that the program uses: whatever they are wrapped in removed, and
   * {@code block_chunks.A.module.B.} written as {@code blocks.N.}.
   *
   * @param source a checkpoint in any of the published layouts
   */
  static WeightSource normalize(WeightSource source) {
    WeightSource unwrapped = source.unwrapped("pos_start", "an Infinity transformer");
    int chunk = 0;
    for (String name : unwrapped.names()) {
      Matcher matcher = CHUNKED.matcher(name);
      if (matcher.matches()) {
        chunk = Math.max(chunk, Integer.parseInt(matcher.group(2)) + 1);
      }
    }
    int perChunk = chunk;
    return unwrapped.renamed(
        name -> {
          Matcher matcher = CHUNKED.matcher(name);
          if (matcher.matches()) {
            int block =
                Integer.parseInt(matcher.group(1)) * perChunk + Integer.parseInt(matcher.group(2));
            return "blocks." + block + "." + matcher.group(3);
          }
          Matcher plain = UNREGISTERED.matcher(name);
          return plain.matches() ? "blocks." + plain.group(1) : name;
        });
  }

  /**
   * Blocks of one chunk: where the level embedding is not only added before the first block, it is
   * added before each chunk.
   *
   * @param source a checkpoint under its own names
   */
  static int blocksPerChunk(WeightSource source) {
    Map<String, Integer> counts = new HashMap<>();
    for (String name : source.names()) {
      Matcher matcher = CHUNKED.matcher(name.replaceFirst("^.*?(?=block_chunks\\.)", ""));
      if (matcher.matches()) {
        counts.merge(matcher.group(1), Integer.parseInt(matcher.group(2)) + 1, Math::max);
      }
    }
    return counts.getOrDefault("0", 1);
  }

  /**
   * Reads the sizes.
   *
   * @param source normalized weights
   * @throws EspalierException CONFIG where a key is missing or sizes do not fit together
   */
  static InfinityArchitecture of(WeightSource source) {
    List<Integer> blocks = new ArrayList<>();
    for (String name : source.names()) {
      Matcher matcher = BLOCK.matcher(name);
      if (matcher.matches()) {
        blocks.add(Integer.parseInt(matcher.group(1)));
      }
    }
    int depth = blocks.stream().max(Comparator.naturalOrder()).orElse(-1) + 1;
    if (depth == 0) {
      throw EspalierException.config(
          "The weights " + source.location() + " have no transformer blocks.",
          "Maybe the checkpoint is of a model without shared adaptive norms, which is"
              + " unsupported.");
    }
    InfinityArchitecture architecture =
        new InfinityArchitecture(
            depth,
            size(source, "pos_start", 2, 3),
            Math.toIntExact(info(source, "blocks.0.sa.scale_mul_1H11").elements()),
            size(source, "blocks.0.ffn.fc1.weight", 0, 2),
            size(source, "word_embed.weight", 1, 2),
            size(source, "text_norm.weight", 0, 1),
            size(source, "cfg_uncond", 0, 2),
            size(source, "text_proj_for_sos.ca.mat_q", 1, 3),
            size(source, "lvl_embed.weight", 0, 2));
    int outputs = size(source, "head.weight", 0, 2);
    if (outputs != 2 * architecture.bits) {
      throw EspalierException.config(
          "The head of "
              + source.location()
              + " has "
              + outputs
              + " outputs instead of two for"
              + " each of "
              + architecture.bits
              + " bits.",
          "Maybe the model predicts indices instead of bits, which is unsupported.");
    }
    if (architecture.width % architecture.heads != 0
        || architecture.width / architecture.heads % 4 != 0
        || architecture.width % architecture.poolHeads != 0) {
      throw EspalierException.config(
          "The width (%d) of %s does not fit its %d heads."
              .formatted(architecture.width, source.location(), architecture.heads),
          "Maybe the file is damaged.");
    }
    return architecture;
  }

  /**
   * Checks that tokenizer and schedule fit the transformer.
   *
   * @param location of the weights
   * @param schedule the grids
   * @param codeChannels of the tokenizer
   * @throws EspalierException CONFIG where they do not
   */
  void requireFit(Path location, ScaleSchedule schedule, int codeChannels) {
    if (bits != codeChannels && bits != 4 * codeChannels) {
      throw EspalierException.config(
          "The transformer %s predicts %d bits a token; the tokenizer has %d channels."
              .formatted(location, bits, codeChannels),
          "Maybe use the tokenizer of as many bits.");
    }
    if (schedule.size() > levels) {
      throw EspalierException.config(
          "The schedule has %d scales; the transformer %s knows %d."
              .formatted(schedule.size(), location, levels),
          "Maybe use a smaller pn.");
    }
  }

  /** Width of one head. */
  int headWidth() {
    return width / heads;
  }

  /**
   * All weights of such a transformer.
   *
   * @param source normalized weights, for the shapes that come in two published forms
   */
  WeightSpec weights(WeightSource source) {
    String scale = "blocks.0.sa.scale_mul_1H11";
    // (1, 1, H, 1) in checkpoints made for flash attention
    return weights(
        source.names().contains(scale)
            && source.info(scale).shape().size() == 4
            && source.info(scale).size(2) == heads);
  }

  /** All weights of such a transformer, in the usual of the published forms. */
  WeightSpec weights() {
    return weights(false);
  }

  private WeightSpec weights(boolean flash) {
    WeightSpec.Builder spec =
        WeightSpec.builder()
            .fullPrecision("cfg_uncond", textLength, textChannels)
            .fullPrecision("pos_start", 1, 1, width)
            .fullPrecision("text_norm.weight", textChannels)
            .fullPrecision("lvl_embed.weight", levels, width);
    full(spec, "text_proj_for_ca.0", width, textChannels);
    full(spec, "text_proj_for_ca.2", width, width);
    spec.fullPrecision("text_proj_for_sos.ca.mat_q", 1, poolHeads, width / poolHeads)
        .fullPrecision("text_proj_for_sos.ca.mat_kv.weight", 2L * width, textChannels)
        .fullPrecision("text_proj_for_sos.ca.v_bias", width)
        .fullPrecision("text_proj_for_sos.ca.zero_k_bias", width);
    full(spec, "text_proj_for_sos.ca.proj", width, width);
    full(spec, "shared_ada_lin.1", 6L * width, width);
    full(spec, "head_nm.ada_lin.1", 2L * width, width);
    full(spec, "head", 2L * bits, width);
    full(spec, "word_embed", width, bits);
    for (int i = 0; i < depth; i++) {
      String block = "blocks." + i + ".";
      String scale = block + "sa.scale_mul_1H11";
      spec.fullPrecision(block + "ada_gss", 1, 1, 6, width)
          .fullPrecision(scale, 1, flash ? 1 : heads, flash ? heads : 1, 1)
          .key(block + "sa.mat_qkv.weight", 3L * width, width)
          .key(block + "sa.q_bias", width)
          .key(block + "sa.zero_k_bias", width)
          .key(block + "sa.v_bias", width)
          .linear(block + "sa.proj", width, width)
          .linear(block + "ca.mat_q", width, width)
          .key(block + "ca.mat_kv.weight", 2L * width, width)
          .key(block + "ca.zero_k_bias", width)
          .key(block + "ca.v_bias", width)
          .linear(block + "ca.proj", width, width)
          .fullPrecision(block + "ca_norm.weight", width)
          .fullPrecision(block + "ca_norm.bias", width)
          .linear(block + "ffn.fc1", hidden, width)
          .linear(block + "ffn.fc2", width, hidden);
    }
    // Buffers that some checkpoints carry and that the reference drops as well.
    return spec.ignore(
            "lvl_1L", "attn_bias_for_masking", "Infinity_visible_kvlen", "Infinity_invisible_qlen")
        .build();
  }

  private static void full(WeightSpec.Builder spec, String prefix, long out, long in) {
    spec.fullPrecision(prefix + ".weight", out, in).fullPrecision(prefix + ".bias", out);
  }

  /**
   * Floating-point operations of what all scales of a prompt share.
   *
   * @param textTokens tokens of the prompt
   * @param rows 2 with guidance, else 1
   */
  long conditionFlops(int textTokens, int rows) {
    long words = (long) rows * textTokens;
    return Flops.linear(words, textChannels, 2L * width) // the pool's keys and values
        + Flops.attention((long) rows * poolHeads, 1, textTokens, width / poolHeads)
        + Flops.linear(rows, width, width)
        + Flops.linear(rows, width, 6L * width)
        + Flops.linear(rows, width, 2L * width)
        + Flops.linear(words, textChannels, width)
        + Flops.linear(words, width, width)
        + depth * Flops.linear(words, width, 2L * width);
  }

  /**
   * Floating-point operations of one scale.
   *
   * @param schedule the grids
   * @param scale from 0
   * @param textTokens tokens of the prompt
   * @param rows 2 with guidance, else 1
   * @param headRows 2 with guidance on the logits, else 1
   */
  long stepFlops(ScaleSchedule schedule, int scale, int textTokens, int rows, int headRows) {
    long tokens = schedule.get(scale).tokens();
    long all = schedule.tokensBefore(scale) + tokens;
    long perRow = tokens * rows;
    long block =
        Flops.linear(perRow, width, 3L * width)
            + Flops.attention((long) rows * heads, tokens, all, headWidth())
            + Flops.linear(perRow, width, width)
            + Flops.linear(perRow, width, width)
            + Flops.attention((long) rows * heads, tokens, textTokens, headWidth())
            + Flops.linear(perRow, width, width)
            + Flops.linear(perRow, width, hidden)
            + Flops.linear(perRow, hidden, width);
    return (scale == 0 ? 0 : Flops.linear(tokens, bits, width)) // shared by both rows
        + depth * block
        + Flops.linear(tokens * headRows, width, 2L * bits);
  }
}
