package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * What verifiers of CLIP's form make of the cosine between image and text. Each has one formula and
 * one scale, those of its publication.
 */
enum ClipScore {
  /** <a href="https://arxiv.org/abs/2104.08718">CLIPScore</a> times 100, without its cut at 0. */
  CLIP(
      "clip",
      "clip-score",
      "[-100, 100]: 100 x cosine",
      "OpenAI's CLIP: MIT",
      "openai/clip-vit-base-patch32",
      Set.of("clip"),
      Set.of("openai-wit")) {
    @Override
    double value(double cosine, double logit) {
      return 100 * cosine;
    }

    @Override
    Map<String, Double> parts(double cosine, double logit) {
      Map<String, Double> parts = new LinkedHashMap<>(super.parts(cosine, logit));
      parts.put("clip-score", 2.5 * Math.max(cosine, 0));
      return parts;
    }
  },
  /** <a href="https://arxiv.org/abs/2305.01569">PickScore</a>, as its authors compute it. */
  PICKSCORE(
      "pickscore",
      "pickscore",
      "about [-100, 100], usually 15 to 25: exp(logit_scale) x cosine",
      "PickScore_v1: MIT",
      "yuvalkirstain/PickScore_v1",
      Set.of("clip", "clip-vit-h-14-laion"),
      Set.of("laion-2b", "pick-a-pic")) {
    @Override
    double value(double cosine, double logit) {
      return logit;
    }
  },
  /** <a href="https://arxiv.org/abs/2306.09341">HPSv2</a>: the plain cosine. */
  HPS_V2(
      "hps-v2",
      "hps-v2",
      "[-1, 1], usually 0.2 to 0.35: cosine",
      "HPSv2: Apache-2.0",
      "xswu/HPSv2",
      Set.of("clip", "clip-vit-h-14-laion"),
      Set.of("laion-2b", "hpd")) {
    @Override
    double value(double cosine, double logit) {
      return cosine;
    }
  },
  /** <a href="https://arxiv.org/abs/2303.15343">SigLIP</a>: the logit of belonging together. */
  SIGLIP(
      "siglip",
      "siglip",
      "unbounded, usually -20 to 10: exp(logit_scale) x cosine + logit_bias",
      "Google's SigLIP: Apache-2.0",
      "google/siglip-so400m-patch14-384",
      Set.of("siglip"),
      Set.of("webli")) {
    @Override
    double value(double cosine, double logit) {
      return logit;
    }

    @Override
    Map<String, Double> parts(double cosine, double logit) {
      return Map.of("cosine", cosine, "probability", 1 / (1 + Math.exp(-logit)));
    }
  };

  private final String id;
  private final String metric;
  private final String range;
  private final String licence;
  private final String example;
  private final Set<String> families;
  private final Set<String> data;

  ClipScore(
      String id,
      String metric,
      String range,
      String licence,
      String example,
      Set<String> families,
      Set<String> data) {
    this.id = id;
    this.metric = metric;
    this.range = range;
    this.licence = licence;
    this.example = example;
    this.families = families;
    this.data = data;
  }

  /**
   * The score.
   *
   * @param cosine between the embeddings
   * @param logit the cosine times the learned temperature
   */
  abstract double value(double cosine, double logit);

  /** Components of the score. */
  Map<String, Double> parts(double cosine, double logit) {
    return Map.of("cosine", cosine, "logit", logit);
  }

  String id() {
    return id;
  }

  String metric() {
    return metric;
  }

  String range() {
    return range;
  }

  /** Where a checkpoint comes from, by its configuration or as the published ones. */
  Provenance provenance(JsonNode json) {
    return Provenance.of(json, licence, families, data);
  }

  /** A snapshot that is published. */
  String example() {
    return example;
  }
}
