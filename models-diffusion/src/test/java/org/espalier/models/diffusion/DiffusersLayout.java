package org.espalier.models.diffusion;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.espalier.models.diffusion.TinyFlux.Array;

/** Rewrites Black Forest Labs' tensors as diffusers would save them: the way back, for tests. */
final class DiffusersLayout {
  private DiffusersLayout() {}

  static Map<String, Array> transformer(Map<String, Array> published, int width) {
    Map<String, Array> out = new LinkedHashMap<>();
    published.forEach(
        (name, array) -> {
          String suffix = name.substring(name.lastIndexOf('.'));
          String key =
              name.replaceFirst("^img_in\\.", "x_embedder.")
                  .replaceFirst("^txt_in\\.", "context_embedder.")
                  .replaceFirst("^time_in\\.", "time_text_embed.timestep_embedder.")
                  .replaceFirst("^guidance_in\\.", "time_text_embed.guidance_embedder.")
                  .replaceFirst("^vector_in\\.", "time_text_embed.text_embedder.")
                  .replaceFirst("\\.in_layer\\.", ".linear_1.")
                  .replaceFirst("\\.out_layer\\.", ".linear_2.")
                  .replaceFirst("^double_blocks\\.", "transformer_blocks.")
                  .replaceFirst("^single_blocks\\.", "single_transformer_blocks.")
                  .replaceFirst("img_mod\\.lin\\.", "norm1.linear.")
                  .replaceFirst("txt_mod\\.lin\\.", "norm1_context.linear.")
                  .replaceFirst("modulation\\.lin\\.", "norm.linear.")
                  .replaceFirst("img_attn\\.proj\\.", "attn.to_out.0.")
                  .replaceFirst("txt_attn\\.proj\\.", "attn.to_add_out.")
                  .replaceFirst("img_attn\\.norm\\.query_norm\\.scale", "attn.norm_q.weight")
                  .replaceFirst("img_attn\\.norm\\.key_norm\\.scale", "attn.norm_k.weight")
                  .replaceFirst("txt_attn\\.norm\\.query_norm\\.scale", "attn.norm_added_q.weight")
                  .replaceFirst("txt_attn\\.norm\\.key_norm\\.scale", "attn.norm_added_k.weight")
                  .replaceFirst("\\.norm\\.query_norm\\.scale", ".attn.norm_q.weight")
                  .replaceFirst("\\.norm\\.key_norm\\.scale", ".attn.norm_k.weight")
                  .replaceFirst("img_mlp\\.0\\.", "ff.net.0.proj.")
                  .replaceFirst("img_mlp\\.2\\.", "ff.net.2.")
                  .replaceFirst("txt_mlp\\.0\\.", "ff_context.net.0.proj.")
                  .replaceFirst("txt_mlp\\.2\\.", "ff_context.net.2.")
                  .replaceFirst("linear2\\.", "proj_out.")
                  .replaceFirst("^final_layer\\.linear\\.", "proj_out.");
          String block = key.substring(0, Math.max(0, key.indexOf('.', key.indexOf('.') + 1) + 1));
          if (key.contains("img_attn.qkv.")) {
            split(out, array, width, block, suffix, "attn.to_q", "attn.to_k", "attn.to_v");
          } else if (key.contains("txt_attn.qkv.")) {
            split(
                out,
                array,
                width,
                block,
                suffix,
                "attn.add_q_proj",
                "attn.add_k_proj",
                "attn.add_v_proj");
          } else if (key.contains("linear1.")) {
            split(
                out,
                array,
                width,
                block,
                suffix,
                "attn.to_q",
                "attn.to_k",
                "attn.to_v",
                "proj_mlp");
          } else if (key.startsWith("final_layer.adaLN_modulation")) {
            float[] swapped = array.values().clone();
            int half = swapped.length / 2;
            System.arraycopy(array.values(), 0, swapped, half, half);
            System.arraycopy(array.values(), half, swapped, 0, half);
            out.put("norm_out.linear" + suffix, new Array(array.shape(), swapped));
          } else {
            out.put(key, array);
          }
        });
    return out;
  }

  /** The first parts have the model's width, the last one what is left. */
  private static void split(
      Map<String, Array> out,
      Array array,
      int width,
      String block,
      String suffix,
      String... names) {
    long rest = array.values().length / array.shape().get(0);
    int from = 0;
    for (int i = 0; i < names.length; i++) {
      long rows = i < 3 ? width : array.shape().get(0) - 3L * width;
      int length = (int) (rows * rest);
      List<Long> shape =
          array.shape().size() == 1 ? List.of(rows) : List.of(rows, array.shape().get(1));
      out.put(
          block + names[i] + suffix,
          new Array(shape, Arrays.copyOfRange(array.values(), from, from + length)));
      from += length;
    }
  }

  static Map<String, Array> autoencoder(Map<String, Array> published, int levels) {
    Map<String, Array> out = new LinkedHashMap<>();
    published.forEach(
        (name, array) -> {
          String key =
              name.replaceFirst("\\.norm_out\\.", ".conv_norm_out.")
                  .replaceFirst("\\.mid\\.block_1\\.", ".mid_block.resnets.0.")
                  .replaceFirst("\\.mid\\.block_2\\.", ".mid_block.resnets.1.")
                  .replaceFirst("\\.mid\\.attn_1\\.norm\\.", ".mid_block.attentions.0.group_norm.")
                  .replaceFirst(
                      "\\.mid\\.attn_1\\.proj_out\\.", ".mid_block.attentions.0.to_out.0.")
                  .replaceFirst("\\.mid\\.attn_1\\.([qkv])\\.", ".mid_block.attentions.0.to_$1.")
                  .replaceFirst("\\.nin_shortcut\\.", ".conv_shortcut.")
                  .replaceFirst("\\.down\\.(\\d+)\\.block\\.", ".down_blocks.$1.resnets.")
                  .replaceFirst(
                      "\\.down\\.(\\d+)\\.downsample\\.", ".down_blocks.$1.downsamplers.0.");
          for (int level = 0; level < levels; level++) {
            String up = "decoder.up_blocks." + (levels - 1 - level) + ".";
            key =
                key.replace("decoder.up." + level + ".block.", up + "resnets.")
                    .replace("decoder.up." + level + ".upsample.", up + "upsamplers.0.");
          }
          boolean matrix = key.matches(".*attentions\\.0\\.to_.*\\.weight");
          out.put(key, matrix ? new Array(array.shape().subList(0, 2), array.values()) : array);
        });
    return out;
  }
}
