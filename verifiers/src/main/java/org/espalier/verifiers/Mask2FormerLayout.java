package org.espalier.verifiers;

import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.torch.WeightSource;

/**
 * The two layouts in which checkpoints of Mask2Former come: that of transformers 4, and that of <a
 * href="https://github.com/open-mmlab/mmdetection">mmdetection</a>, whose versions 2 and 3 name
 * attentions and feed-forward layers differently. Both are read as the former, stacked projections
 * in parts.
 */
final class Mask2FormerLayout {
  private static final String MODEL = "Mask2Former on a Swin transformer";
  private static final String MARK = "class_predictor.weight";
  private static final String MMDET_MARK = "panoptic_head.query_feat.weight";
  private static final String HEAD = "panoptic_head.";
  private static final String PIXELS = "model.pixel_level_module.";
  private static final String QUERIES = "model.transformer_module.";

  /** A name of mmdetection's, as a regular expression, and what it is here. */
  private record Rule(Pattern from, String to) {
    static Rule of(String from, String to) {
      return new Rule(Pattern.compile(from), to);
    }
  }

  private static final List<Rule> RULES =
      List.of(
          Rule.of(
              "backbone\\.patch_embed\\.projection\\.",
              PIXELS + "encoder.embeddings.patch_embeddings.projection."),
          Rule.of("backbone\\.patch_embed\\.norm\\.", PIXELS + "encoder.embeddings.norm."),
          Rule.of(
              "backbone\\.stages\\.(\\d+)\\.downsample\\.",
              PIXELS + "encoder.encoder.layers.$1.downsample."),
          Rule.of(
              "backbone\\.stages\\.(\\d+)\\.blocks\\.(\\d+)\\.norm1\\.",
              block("layernorm_before.")),
          Rule.of(
              "backbone\\.stages\\.(\\d+)\\.blocks\\.(\\d+)\\.norm2\\.", block("layernorm_after.")),
          Rule.of(
              "backbone\\.stages\\.(\\d+)\\.blocks\\.(\\d+)\\.attn\\.w_msa\\.proj\\.",
              block("attention.output.dense.")),
          Rule.of(
              "backbone\\.stages\\.(\\d+)\\.blocks\\.(\\d+)\\.attn\\.w_msa\\.",
              block("attention.self.")),
          Rule.of(
              "backbone\\.stages\\.(\\d+)\\.blocks\\.(\\d+)\\.ffn\\.layers\\.0\\.0\\.",
              block("intermediate.dense.")),
          Rule.of(
              "backbone\\.stages\\.(\\d+)\\.blocks\\.(\\d+)\\.ffn\\.layers\\.1\\.",
              block("output.dense.")),
          Rule.of(
              "pixel_decoder\\.input_convs\\.(\\d+)\\.conv\\.",
              PIXELS + "decoder.input_projections.$1.0."),
          Rule.of(
              "pixel_decoder\\.input_convs\\.(\\d+)\\.gn\\.",
              PIXELS + "decoder.input_projections.$1.1."),
          Rule.of(
              "pixel_decoder\\.encoder\\.layers\\.(\\d+)\\.(attentions\\.0|self_attn)\\.",
              PIXELS + "decoder.encoder.layers.$1.self_attn."),
          Rule.of(
              "pixel_decoder\\.encoder\\.layers\\.(\\d+)\\.ffns?(\\.0)?\\.layers\\.0\\.0\\.",
              PIXELS + "decoder.encoder.layers.$1.fc1."),
          Rule.of(
              "pixel_decoder\\.encoder\\.layers\\.(\\d+)\\.ffns?(\\.0)?\\.layers\\.1\\.",
              PIXELS + "decoder.encoder.layers.$1.fc2."),
          Rule.of(
              "pixel_decoder\\.encoder\\.layers\\.(\\d+)\\.norms\\.0\\.",
              PIXELS + "decoder.encoder.layers.$1.self_attn_layer_norm."),
          Rule.of(
              "pixel_decoder\\.encoder\\.layers\\.(\\d+)\\.norms\\.1\\.",
              PIXELS + "decoder.encoder.layers.$1.final_layer_norm."),
          Rule.of("pixel_decoder\\.level_encoding\\.weight", PIXELS + "decoder.level_embed"),
          Rule.of("pixel_decoder\\.mask_feature\\.", PIXELS + "decoder.mask_projection."),
          Rule.of(
              "transformer_decoder\\.layers\\.(\\d+)\\.(attentions\\.0|cross_attn)\\.attn\\.",
              query("cross_attn.")),
          Rule.of(
              "transformer_decoder\\.layers\\.(\\d+)\\.(attentions\\.1|self_attn)\\.attn\\.",
              query("self_attn.")),
          Rule.of(
              "transformer_decoder\\.layers\\.(\\d+)\\.ffns?(\\.0)?\\.layers\\.0\\.0\\.",
              query("fc1.")),
          Rule.of(
              "transformer_decoder\\.layers\\.(\\d+)\\.ffns?(\\.0)?\\.layers\\.1\\.",
              query("fc2.")),
          Rule.of(
              "transformer_decoder\\.layers\\.(\\d+)\\.norms\\.0\\.",
              query("cross_attn_layer_norm.")),
          Rule.of(
              "transformer_decoder\\.layers\\.(\\d+)\\.norms\\.1\\.",
              query("self_attn_layer_norm.")),
          Rule.of(
              "transformer_decoder\\.layers\\.(\\d+)\\.norms\\.2\\.", query("final_layer_norm.")),
          Rule.of("transformer_decoder\\.post_norm\\.", QUERIES + "decoder.layernorm."),
          Rule.of("decoder_input_projs\\.", QUERIES + "input_projections."),
          Rule.of("query_embed\\.", QUERIES + "queries_embedder."),
          Rule.of("query_feat\\.", QUERIES + "queries_features."),
          Rule.of("level_embed\\.", QUERIES + "level_embed."),
          Rule.of("cls_embed\\.", "class_predictor."));

  private static final Pattern BACKBONE_NORM = Pattern.compile("backbone\\.norm(\\d)\\.(\\w+)");
  private static final Pattern MASK_EMBED = Pattern.compile("mask_embed\\.([024])\\.(\\w+)");
  private static final Pattern PYRAMID =
      Pattern.compile("pixel_decoder\\.(lateral|output)_convs\\.(\\d+)\\.(conv|gn)\\.(\\w+)");
  private static final Map<String, String> PYRAMID_NAMES =
      Map.of("lateral", "adapter_", "output", "layer_", "conv", "0", "gn", "1");

  private Mask2FormerLayout() {}

  private static String block(String name) {
    return PIXELS + "encoder.encoder.layers.$1.blocks.$2." + name;
  }

  private static String query(String name) {
    return QUERIES + "decoder.layers.$1." + name;
  }

  /**
   * Whether weights are mmdetection's.
   *
   * @param source as in the file
   */
  static boolean isMmdet(WeightSource source) {
    return source.names().stream().anyMatch(name -> name.endsWith(MMDET_MARK));
  }

  /**
   * Weights in the one layout that the program reads.
   *
   * @param source as in the file
   */
  static WeightSource canonical(WeightSource source) {
    if (!isMmdet(source)) {
      // Some versions of transformers write the backbone's own name, too.
      return source
          .unwrapped(MARK, MODEL)
          .split(name -> unstacked(name.replace(".encoder.swin.", ".encoder.")));
    }
    WeightSource inner = source.unwrapped(MMDET_MARK, MODEL);
    long laterals =
        inner.names().stream()
            .filter(
                n ->
                    n.matches(
                        "panoptic_head\\.pixel_decoder\\.lateral_convs\\.\\d+\\.conv\\.weight"))
            .count();
    return inner.split(name -> unstacked(renamed(name, laterals)));
  }

  /** A key of mmdetection's, renamed; one that is unknown stays, and is then refused by name. */
  static String renamed(String name, long laterals) {
    Matcher norm = BACKBONE_NORM.matcher(name);
    if (norm.matches()) {
      return PIXELS
          + "encoder.hidden_states_norms.stage"
          + (Integer.parseInt(norm.group(1)) + 1)
          + "."
          + norm.group(2);
    }
    String rest = name.startsWith(HEAD) ? name.substring(HEAD.length()) : name;
    Matcher embed = MASK_EMBED.matcher(rest);
    if (embed.matches()) {
      return QUERIES
          + "decoder.mask_predictor.mask_embedder."
          + Integer.parseInt(embed.group(1)) / 2
          + ".0."
          + embed.group(2);
    }
    Matcher pyramid = PYRAMID.matcher(rest);
    if (pyramid.matches()) {
      // mmdetection counts from the coarsest, transformers from the finest.
      return PIXELS
          + "decoder."
          + PYRAMID_NAMES.get(pyramid.group(1))
          + (laterals - Integer.parseInt(pyramid.group(2)))
          + "."
          + PYRAMID_NAMES.get(pyramid.group(3))
          + "."
          + pyramid.group(4);
    }
    for (Rule rule : RULES) {
      Matcher matcher = rule.from.matcher(rest);
      if (matcher.lookingAt()) {
        return matcher.replaceFirst(rule.to);
      }
    }
    return name;
  }

  /** What stacked projections stand for, by what tells them in a key. */
  private static final Map<String, List<String>> STACKED =
      Map.of(
          ".in_proj_", List.of(".q_proj.", ".k_proj.", ".v_proj."),
          ".self.qkv.", List.of(".self.query.", ".self.key.", ".self.value."));

  private static List<String> unstacked(String name) {
    return STACKED.entrySet().stream()
        .filter(entry -> name.contains(entry.getKey()))
        .findFirst()
        .map(
            entry ->
                entry.getValue().stream().map(part -> name.replace(entry.getKey(), part)).toList())
        .orElse(List.of(name));
  }
}
