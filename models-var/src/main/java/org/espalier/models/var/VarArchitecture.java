package org.espalier.models.var;

import static org.espalier.models.var.WeightShapes.info;
import static org.espalier.models.var.WeightShapes.size;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.espalier.api.EspalierException;
import org.espalier.torch.Flops;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/**
 * The sizes of a VAR transformer, read off the shapes of its weights.
 *
 * @param depth blocks
 * @param width of the residual stream
 * @param heads of self-attention
 * @param hidden width of the feed-forward layers
 * @param vocabulary outcomes of a token
 * @param codeChannels of a token's vector
 * @param classes labels, without the one that stands for none
 * @param sides of the square grids, the coarsest first
 * @param sharedModulation whether all blocks share the layer that makes their modulation
 */
record VarArchitecture(
    int depth,
    int width,
    int heads,
    int hidden,
    int vocabulary,
    int codeChannels,
    int classes,
    List<Integer> sides,
    boolean sharedModulation) {
  /** Grids of the published models for images of 256 pixels. */
  static final List<Integer> SIDES_256 = List.of(1, 2, 3, 4, 5, 6, 8, 10, 13, 16);

  /** Grids of the published model for images of 512 pixels. */
  static final List<Integer> SIDES_512 = List.of(1, 2, 3, 4, 6, 9, 13, 18, 24, 32);

  VarArchitecture {
    sides = List.copyOf(sides);
  }

  /**
   * The sizes of a published model.
   *
   * @param name {@code d16}, {@code d20}, {@code d24}, {@code d30} or {@code d36}
   * @throws EspalierException CONFIG for another one
   */
  static VarArchitecture published(String name) {
    return switch (name) {
      case "d16", "d20", "d24", "d30" -> published(Integer.parseInt(name.substring(1)), SIDES_256);
      case "d36" -> published(36, SIDES_512);
      default ->
          throw EspalierException.config(
              "The size (" + name + ") of VAR is not a published one.",
              "Maybe use random:d16, random:d20, random:d24, random:d30 or random:d36.");
    };
  }

  private static VarArchitecture published(int depth, List<Integer> sides) {
    int width = 64 * depth;
    return new VarArchitecture(
        depth, width, depth, 4 * width, 4096, 32, 1000, sides, /* sharedModulation= */ depth == 36);
  }

  /**
   * The weights without what they are wrapped in.
   *
   * @param source a checkpoint
   */
  static WeightSource normalize(WeightSource source) {
    return source.unwrapped("pos_start", "a VAR transformer");
  }

  /**
   * Reads the sizes.
   *
   * @param source normalized weights
   * @param configured sides of the grids from a {@code config.json}; empty where it says none
   * @throws EspalierException CONFIG where a key is missing or sizes do not fit together
   */
  static VarArchitecture of(WeightSource source, List<Integer> configured) {
    int depth = 0;
    while (source.names().contains("blocks." + depth + ".attn.mat_qkv.weight")) {
      depth++;
    }
    if (depth == 0) {
      throw EspalierException.config(
          "The weights "
              + source.location()
              + " lack the key blocks.0.attn.mat_qkv.weight: they are not those of a VAR"
              + " transformer.",
          "Maybe use var_d16.pth to var_d36.pth; an Infinity transformer goes with the model"
              + " infinity.");
    }
    int tokens = size(source, "pos_1LC", 1, 3);
    int levels = size(source, "lvl_embed.weight", 0, 2);
    VarArchitecture architecture =
        new VarArchitecture(
            depth,
            size(source, "pos_start", 2, 3),
            Math.toIntExact(info(source, "blocks.0.attn.scale_mul_1H11").elements()),
            size(source, "blocks.0.ffn.fc1.weight", 0, 2),
            size(source, "head.weight", 0, 2),
            size(source, "word_embed.weight", 1, 2),
            size(source, "class_emb.weight", 0, 2) - 1,
            sides(source, tokens, levels, configured),
            source.names().contains("shared_ada_lin.1.weight"));
    int square = architecture.sides.stream().mapToInt(side -> side * side).sum();
    if (square != tokens || architecture.sides.size() != levels) {
      throw EspalierException.config(
          "The grids %s have %d scales of %d tokens; the transformer %s has %d of %d."
              .formatted(
                  architecture.sides,
                  architecture.sides.size(),
                  square,
                  source.location(),
                  levels,
                  tokens),
          "Maybe correct patch_nums in config.json.");
    }
    if (architecture.width % architecture.heads != 0) {
      throw EspalierException.config(
          "The width (%d) of %s does not fit its %d heads."
              .formatted(architecture.width, source.location(), architecture.heads),
          "Maybe the file is damaged.");
    }
    return architecture;
  }

  /** The grids: from the level of each token where the file tells it, else by their tokens. */
  private static List<Integer> sides(
      WeightSource source, int tokens, int levels, List<Integer> configured) {
    if (source.names().contains("lvl_1L") && !source.isRandom()) {
      int[] counts = new int[levels];
      for (long level : source.longs("lvl_1L")) {
        if (level < 0 || level >= levels) {
          throw EspalierException.config(
              "The key lvl_1L of %s names the level %d of %d."
                  .formatted(source.location(), level, levels),
              "Maybe the file is damaged.");
        }
        counts[(int) level]++;
      }
      return IntStream.of(counts).mapToObj(count -> (int) Math.round(Math.sqrt(count))).toList();
    }
    if (!configured.isEmpty()) {
      return configured;
    }
    for (List<Integer> sides : List.of(SIDES_256, SIDES_512)) {
      if (sides.stream().mapToInt(side -> side * side).sum() == tokens) {
        return sides;
      }
    }
    throw EspalierException.config(
        "The grids of %s are unknown: it has %d tokens and no key lvl_1L."
            .formatted(source.location(), tokens),
        "Maybe give patch_nums in a config.json beside it.");
  }

  /** Its grids. */
  ScaleSchedule schedule() {
    List<ScaleSchedule.Grid> grids = new ArrayList<>();
    sides.forEach(side -> grids.add(new ScaleSchedule.Grid(side, side)));
    return new ScaleSchedule(grids, grids.get(grids.size() - 1));
  }

  /** Width of one head. */
  int headWidth() {
    return width / heads;
  }

  /** All weights of such a transformer. */
  WeightSpec weights() {
    long tokens = sides.stream().mapToLong(side -> (long) side * side).sum();
    WeightSpec.Builder spec =
        WeightSpec.builder()
            .fullPrecision("pos_start", 1, 1, width)
            .fullPrecision("pos_1LC", 1, tokens, width)
            .fullPrecision("lvl_embed.weight", sides.size(), width)
            .fullPrecision("class_emb.weight", classes + 1L, width)
            .linear("word_embed", width, codeChannels);
    full(spec, "head_nm.ada_lin.1", 2L * width);
    spec.fullPrecision("head.weight", vocabulary, width).fullPrecision("head.bias", vocabulary);
    if (sharedModulation) {
      full(spec, "shared_ada_lin.1", 6L * width);
    }
    for (int i = 0; i < depth; i++) {
      String block = "blocks." + i + ".";
      if (sharedModulation) {
        spec.fullPrecision(block + "ada_gss", 1, 1, 6, width);
      } else {
        full(spec, block + "ada_lin.1", 6L * width);
      }
      spec.fullPrecision(block + "attn.scale_mul_1H11", 1, heads, 1, 1)
          .key(block + "attn.mat_qkv.weight", 3L * width, width)
          .key(block + "attn.q_bias", width)
          .key(block + "attn.zero_k_bias", width)
          .key(block + "attn.v_bias", width)
          .linear(block + "attn.proj", width, width)
          .linear(block + "ffn.fc1", hidden, width)
          .linear(block + "ffn.fc2", width, hidden);
    }
    return spec.ignore("lvl_1L", "attn_bias_for_masking").build();
  }

  private void full(WeightSpec.Builder spec, String prefix, long out) {
    spec.fullPrecision(prefix + ".weight", out, width).fullPrecision(prefix + ".bias", out);
  }

  /**
   * Floating-point operations of what all scales of a class share.
   *
   * @param rows 2 with guidance, else 1
   */
  long conditionFlops(int rows) {
    return (sharedModulation ? 1 : depth) * Flops.linear(rows, width, 6L * width)
        + Flops.linear(rows, width, 2L * width);
  }

  /**
   * Floating-point operations of one scale.
   *
   * @param schedule the grids
   * @param scale from 0
   * @param rows 2 with guidance, else 1
   * @param headRows 2 with guidance on the logits of this scale, else 1
   */
  long stepFlops(ScaleSchedule schedule, int scale, int rows, int headRows) {
    long tokens = schedule.get(scale).tokens();
    long all = schedule.tokensBefore(scale) + tokens;
    long perRow = tokens * rows;
    long block =
        Flops.linear(perRow, width, 3L * width)
            + Flops.attention((long) rows * heads, tokens, all, headWidth())
            + Flops.linear(perRow, width, width)
            + Flops.linear(perRow, width, hidden)
            + Flops.linear(perRow, hidden, width);
    return (scale == 0 ? 0 : Flops.linear(tokens, codeChannels, width)) // shared by both rows
        + depth * block
        + Flops.linear(tokens * headRows, width, vocabulary);
  }
}
