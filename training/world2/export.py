"""Writes world 2's shipped files: ``python export.py --checkpoints DIR --resources DIR --cases FILE``: weights in int8 by row (beside an int8 tensor
NAME lies NAME.row_scale, float32), prompts as GenEval-like JSON lines, and cases that the Java evaluator must agree with."""
import argparse
import json
import os
import sys

import torch

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import jobs
import nets
import world
from safetensors.torch import save_file

sys.modules.setdefault("world", world)
p = argparse.ArgumentParser(description=__doc__)
p.add_argument("--checkpoints", required=True)
p.add_argument("--prompts", required=True)
p.add_argument("--resources", required=True)
p.add_argument("--cases", required=True)
p.add_argument("--many", help="10,000 further cases, for a check by hand")
a = p.parse_args()
LICENCE = "Apache-2.0"


def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(value, f, indent=2)
        f.write("\n")


def saved(name):
    s = torch.load(f"{a.checkpoints}/{name}.pt", map_location="cpu")
    return s["state"], s["extra"]


def scaled(v):
    """float tensor -> (int8, scales); what is int8 already stays"""
    if isinstance(v, tuple):
        return v
    flat = v.float().flatten(1)
    scale = flat.abs().amax(1).clamp(min=1e-12) / 127
    return (flat / scale[:, None]).round().clamp(-127, 127).to(torch.int8).view_as(v), scale


def write_weights(path, state, small=True):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    out = {}
    for k, v in state.items():
        if isinstance(v, tuple) or (small and v.ndim >= 2 and v.is_floating_point() and v[0].numel() >= 16):
            values, scale = scaled(v)
            out[k], out[k + ".row_scale"] = values.contiguous(), scale.float().contiguous()
        else:
            out[k] = (v.bfloat16() if v.is_floating_point() else v).contiguous().clone()
    save_file(out, path, metadata={"format": "pt"})


def under(state, prefix):
    return {k[len(prefix):]: v for k, v in state.items() if k.startswith(prefix)}


def tokenizer_json(first, specials, unknown, before, after):
    vocab = dict(specials) | {w: first + n for n, w in enumerate(world.WORDS)}
    vocab = dict(sorted(vocab.items(), key=lambda kv: kv[1]))
    special = lambda t: {"SpecialToken": {"id": t, "type_id": 0}}
    single = [special(t) for t in before] + [{"Sequence": {"id": "A", "type_id": 0}}] + [special(t) for t in after]
    pair = single + [{"Sequence": {"id": "B", "type_id": 0}}] + [special(t) for t in after]
    used = {t: {"id": t, "ids": [vocab[t]], "tokens": [t]} for t in dict.fromkeys(before + after)}
    added = [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
             for t, i in sorted(specials.items(), key=lambda kv: kv[1])]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": {"type": "Lowercase"},
            "pre_tokenizer": {"type": "Whitespace"}, "post_processor": {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": used},
            "decoder": None, "model": {"type": "WordLevel", "vocab": vocab, "unk_token": unknown}}


def training(extra):
    return {k: extra[k] for k in ("steps", "batch", "seconds", "gpus") if k in extra} | {"gpu": "NVIDIA H100"}


def text_folder(folder, state):
    write_json(f"{folder}/config.json", nets.T5_CONFIG)
    write_weights(f"{folder}/model.safetensors", state)
    write_json(f"{folder}/tokenizer.json", tokenizer_json(3, {"<pad>": 0, "</s>": 1, "<unk>": 2}, "<unk>", [], ["</s>"]))


def weights(out):
    chosen = json.load(open(f"{a.checkpoints}/chosen.json"))
    tok, tok_extra = saved("tokenizer")
    tok = {k: v for k, v in tok.items() if not k.startswith("decoder.")} | {f"decoder.{k}": v for k, v in saved("decoder")[0].items()}
    var, extra = saved("var")
    c = nets.VAR_CONFIG
    write_json(f"{out}/world2-infinity/config.json", {
        "id": "world2-infinity", "model_type": "infinity", "licence": LICENCE, "image_size": 64, "depth": c["depth"], "embed_dim": c["embed_dim"], "num_heads": c["num_heads"],
        "mlp_hidden": c["mlp_hidden"], "bits": nets.BITS, "text_channels": c["text_channels"], "text_maxlen": c["text_maxlen"],
        "scale_schedule": [[1, s, s] for s in nets.SCALES], "rope_base_size": nets.ROPE_BASE_SIZE, "cfg": chosen["var"]["cfg"], "tau": chosen["var"]["tau"],
        "cfg_insertion_layer": [0], "vae": nets.VAE_CONFIG, "training": training(extra) | {"tokenizer": training(tok_extra)}})
    write_weights(f"{out}/world2-infinity/vae.safetensors", tok)
    write_weights(f"{out}/world2-infinity/transformer.safetensors", under(var, "transformer."))
    text_folder(f"{out}/world2-infinity/text_encoder", under(var, "text_encoder."))
    ae, ae_extra = saved("autoencoder")
    ae_config = nets.FLUX_AE_CONFIG | {k: ae_extra[k] for k in ("scale_factor", "shift_factor")}
    write_json(f"{out}/world2-flux-ae/config.json", {"id": "world2-flux-ae", "licence": LICENCE, "image_size": 64, "ae": ae_config, "training": training(ae_extra)})
    write_weights(f"{out}/world2-flux-ae/ae.safetensors", ae)
    flow, extra = saved("flow-s")
    write_json(f"{out}/world2-flux/config.json", {
        "id": "world2-flux", "model_type": "flux", "licence": LICENCE, "image_size": 64, "params": jobs.FLOWS["flow-s"], "ae_id": "world2-flux-ae", "ae": ae_config,
        "text": {"t5_max_length": nets.TEXT_LENGTH, "clip_max_length": nets.TEXT_LENGTH, "attention_mask": False},
        "sampler": {"kind": "ode", "steps": 30, "true_cfg": chosen["flow-s"]["cfg"], "shift": 3.5}, "training": training(extra)})
    write_weights(f"{out}/world2-flux/flux.safetensors", under(flow, "flux."))
    text_folder(f"{out}/world2-flux/text_encoder", under(flow, "text_encoder."))
    write_json(f"{out}/world2-flux/text_encoder_clip/config.json", nets.FLUX_CLIP_CONFIG)
    write_weights(f"{out}/world2-flux/text_encoder_clip/model.safetensors", under(flow, "clip."))
    write_json(f"{out}/world2-flux/text_encoder_clip/tokenizer.json",
               tokenizer_json(1, {"<unk>": 0, "<|startoftext|>": nets.CLIP_BOS, "<|endoftext|>": nets.CLIP_EOS}, "<unk>", ["<|startoftext|>"], ["<|endoftext|>"]))
    reward, extra = saved("reward")
    preprocessing = {"do_resize": True, "size": {"shortest_edge": 64}, "resample": 3, "do_center_crop": True, "crop_size": {"height": 64, "width": 64}, "do_convert_rgb": True,
                     "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": nets.PIXEL_MEAN, "image_std": nets.PIXEL_STD}
    write_json(f"{out}/world2-reward/config.json", {
        "id": "world2-reward", "model_type": "imagereward", "licence": LICENCE, "bert": nets.REWARD_BERT, "vit": nets.REWARD_VIT, "mean": extra["mean"], "std": extra["std"],
        "max_length": nets.TEXT_LENGTH, "preprocessor": preprocessing, "training": training(extra)})
    write_weights(f"{out}/world2-reward/model.safetensors", reward)
    write_json(f"{out}/world2-reward/tokenizer.json", tokenizer_json(4, {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}, "[UNK]", ["[CLS]"], ["[SEP]"]))
    detector, extra = saved("detector")
    write_json(f"{out}/world2-detector/config.json", {
        "id": "world2-detector", "licence": LICENCE, "image_size": 64, "grid": 16, "group_norm": {"groups": 8, "eps": 1e-5}, "heat_threshold": 0.4, "peak_window": 5, "max_objects": 12,
        "other_margin": 4.0, "channels": {"objectness": [0, 1], "shape": [1, 9], "color": [9, 17], "texture": [17, 20], "size": [20, 22], "offset": [22, 24]},
        "shapes": world.SHAPES + ["other"], "colors": world.COLORS, "textures": world.TEXTURES, "sizes": world.SIZES, "training": training(extra)})
    write_weights(f"{out}/world2-detector/model.safetensors", detector, small=False)


def record(spec, n):
    """A GenEval-like record: every other object is excluded, so that ``strict`` is the exact metric."""
    groups = [g for g in range(world.GROUPS) if spec["count"][n, g] > 0]
    include, exclude = [], []
    for g in groups:
        entry = {"class": world.SHAPES[spec["shape"][n, g]], "count": int(spec["count"][n, g])}
        for k, names in (("color", world.COLORS), ("texture", world.TEXTURES), ("size", world.SIZES)):
            if spec[k][n, g] != world.NONE:
                entry[k] = names[spec[k][n, g]]
        if g and spec["rel"][n, g - 1] != world.NONE:  # the earlier group stands so to this one; seen from this one it is the opposite
            entry["position"] = [world.RELATIONS[int(spec["rel"][n, g - 1]) ^ 1], g - 1]
        include.append(entry)
        exclude.append({"class": entry["class"], "count": entry["count"] + 1})
    return {"include": include, "exclude": exclude}


def prompts(out):
    sets = torch.load(a.prompts)
    os.makedirs(out, exist_ok=True)
    for name, (spec, level) in sets.items():
        words = world.words(spec)
        with open(f"{out}/world2-{name}.jsonl", "w") as f:
            for n in range(len(level)):
                f.write(json.dumps({"tag": f"level-{int(level[n]) + 1}"} | record(spec, n) | {"prompt": world.text(words[n])}) + "\n")


def cases(path, count, seed):
    """Scenes as detections, some of them changed, against captions, some of them changed: what of each is fulfilled"""
    torch.manual_seed(seed)
    scene = world.sample_scene(count, "cpu")
    spec = world.describe(scene)
    wrong = world.near_miss(spec)[0]
    use = torch.rand(count) < 0.5
    spec = {k: torch.where(use.view(-1, *[1] * (v.ndim - 1)), wrong[k], v) for k, v in spec.items()}
    found = {k: scene[k].long() for k in ("shape", "color", "texture", "size")}
    for k, n in (("shape", 8), ("color", 8), ("texture", 3), ("size", 2)):  # shape 7: other
        change = torch.rand(count, world.SLOTS) < 0.06
        found[k] = torch.where(change, torch.randint(n, change.shape), found[k])
    found["valid"] = scene["present"] & (torch.rand(count, world.SLOTS) > 0.04)
    found["xy"] = scene["xy"] + 2 * torch.randn(count, world.SLOTS, 2)
    ok, asked = world.check(found, spec)
    with open(path, "w") as f:
        for n in range(count):
            seen = [[world.SHAPES[found["shape"][n, o]] if found["shape"][n, o] < 7 else None, world.COLORS[found["color"][n, o]], world.TEXTURES[found["texture"][n, o]],
                     world.SIZES[found["size"][n, o]], round(float(found["xy"][n, o, 0]), 6), round(float(found["xy"][n, o, 1]), 6)] for o in range(world.SLOTS) if found["valid"][n, o]]
            f.write(json.dumps({"record": record(spec, n), "seen": seen, "fulfilled": int((ok[n] & asked[n]).sum()), "asked": int(asked[n].sum())}) + "\n")


if __name__ == "__main__":
    weights(f"{a.resources}/weights")
    prompts(f"{a.resources}/prompts")
    cases(a.cases, 200, 5)
    if a.many:
        cases(a.many, 10_000, 6)
