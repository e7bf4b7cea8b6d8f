"""Writes the shipped files: ``python export.py --checkpoints DIR --resources DIR --golden DIR``.

Weights are rounded to bfloat16 and sharded below 15 MiB. The golden tensors are computed from these rounded weights in
float32 on the CPU. Jobs without a checkpoint are left out.
"""
import argparse
import json
import os

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

import nets
import world

SHARD = 14 * 2 ** 20
ARGS = argparse.Namespace()


# ---------------------------------------------------------------------------------------------- files
def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(value, f, indent=2)
        f.write("\n")


def write_weights(path, state):
    """safetensors in bfloat16; more than SHARD bytes become numbered shards with a Hugging Face index"""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    state = {k: (v.bfloat16() if v.is_floating_point() else v).contiguous().clone() for k, v in state.items()}
    size = lambda t: t.numel() * t.element_size()
    shards, total = [{}], 0
    for k, v in sorted(state.items()):
        if shards[-1] and sum(map(size, shards[-1].values())) + size(v) > SHARD:
            shards.append({})
        shards[-1][k] = v
        total += size(v)
    if len(shards) == 1:
        save_file(state, path, metadata={"format": "pt"})
        return
    stem, where = path[:-len(".safetensors")], {}
    for n, shard in enumerate(shards):
        name = f"{stem}-{n + 1:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, name, metadata={"format": "pt"})
        where |= {k: os.path.basename(name) for k in shard}
    write_json(path + ".index.json", {"metadata": {"total_size": total}, "weight_map": where})


def tokenizer_json(first_words, specials, unknown, before, after):
    """A Hugging Face word-level tokenizer: lower case, split at white space and punctuation, special tokens round the words."""
    vocab = dict(specials) | {w: first_words + n for n, w in enumerate(world.WORDS)}
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


T5_TOKENIZER = lambda: tokenizer_json(3, {"<pad>": 0, "</s>": 1, "<unk>": 2}, "<unk>", [], ["</s>"])
CLIP_TOKENIZER = lambda: tokenizer_json(1, {"<unk>": 0, "<|startoftext|>": nets.CLIP_BOS, "<|endoftext|>": nets.CLIP_EOS}, "<unk>", ["<|startoftext|>"], ["<|endoftext|>"])
BERT_TOKENIZER = lambda: tokenizer_json(4, {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}, "[UNK]", ["[CLS]"], ["[SEP]"])


def check_tokenizers():
    """The shipped tokenizers give the ids that were trained with, for every evaluation prompt and its near misses."""
    from tokenizers import Tokenizer
    specs, records, val, val_records = world.evaluation_prompts()
    texts = [r["prompt"] for r in records + val_records] + [world.caption(s, False, 2) for s in specs + val]
    words = torch.tensor([world.pad_words(world.caption_words(s, True, 0)) for s in specs + val] + [world.pad_words(world.caption_words(s, False, 2)) for s in specs + val])
    for make, ids, mask in ((T5_TOKENIZER, *nets.t5_ids(words)), (CLIP_TOKENIZER, nets.clip_ids(words), None), (BERT_TOKENIZER, *nets.bert_ids(words))):
        t = Tokenizer.from_str(json.dumps(make()))
        for n, text in enumerate(texts + [""]):
            if text:
                wanted = ids[n]
                wanted = wanted[mask[n]].tolist() if mask is not None else wanted[:int((wanted == nets.CLIP_EOS).int().argmax()) + 1].tolist()
            else:
                wanted = {T5_TOKENIZER: [1], CLIP_TOKENIZER: [nets.CLIP_BOS, nets.CLIP_EOS], BERT_TOKENIZER: [2, 3]}[make]
            got = t.encode(text).ids
            assert got == wanted, (text, got, wanted)
    print("tokenizers give the training ids for", len(texts), "captions")


# ---------------------------------------------------------------------------------------------- checkpoints
def read(job, model):
    """(model with bfloat16-rounded weights in float32, extra) or None"""
    path = f"{ARGS.checkpoints}/{job}.pt"
    if not os.path.exists(path):
        print("no", job)
        return None
    saved = torch.load(path, map_location="cpu")
    model.load_state_dict({k: v.bfloat16().float() if v.is_floating_point() else v for k, v in saved["state"].items()})
    model.extra = {"scale_factor": 1.0, "shift_factor": 0.0, "mean": 0.0, "std": 1.0} | saved["extra"]
    return model.eval().requires_grad_(False)


def result(part):
    path = f"{ARGS.checkpoints}/results-{part}.json"
    return json.load(open(path)) if os.path.exists(path) else {}


def training(model, job):
    done = result("compute").get(job, {}).get("training", {})
    return {k: (done | model.extra).get(k) for k in ("flops", "steps", "warm_start_steps", "batch", "seconds", "gpu")}


LICENCE = "Apache-2.0"


def text_folder(folder, encoder):
    write_json(f"{folder}/config.json", nets.T5_CONFIG)
    write_weights(f"{folder}/model.safetensors", encoder.state_dict())
    write_json(f"{folder}/tokenizer.json", T5_TOKENIZER())


def export(out):
    models = {}
    tok, var = read("tokenizer", nets.Tokenizer()), read("var", nets.InfinityWithText())
    if tok:
        write_weights(f"{out}/infinity-nano/vae.safetensors", tok.state_dict())
    if tok and var:
        chosen = result("var").get("chosen", {"cfg": 3.0, "tau": 0.85})
        c = nets.VAR_CONFIG
        write_json(f"{out}/infinity-nano/config.json", {
            "id": "infinity-nano", "model_type": "infinity", "licence": LICENCE, "image_size": 64, "depth": c["depth"], "embed_dim": c["embed_dim"], "num_heads": c["num_heads"],
            "mlp_hidden": c["mlp_hidden"], "bits": nets.BITS, "text_channels": c["text_channels"], "text_maxlen": c["text_maxlen"],
            "scale_schedule": [[1, s, s] for s in nets.SCALES], "rope_base_size": nets.ROPE_BASE_SIZE, "cfg": chosen["cfg"], "tau": chosen["tau"], "cfg_insertion_layer": [0],
            "vae": nets.VAE_CONFIG, "training": training(var, "var") | {"tokenizer": training(tok, "tokenizer")}})
        write_weights(f"{out}/infinity-nano/transformer.safetensors", var.transformer.state_dict())
        text_folder(f"{out}/infinity-nano/text_encoder", var.text_encoder)
        models["var"] = (tok, var, chosen)
    ae = read("autoencoder", nets.FluxAutoencoder())
    if ae:
        ae_config = nets.FLUX_AE_CONFIG | {k: ae.extra[k] for k in ("scale_factor", "shift_factor")}
        write_json(f"{out}/flux-nano-ae/config.json", {"id": "flux-nano-ae", "licence": LICENCE, "image_size": 64, "ae": ae_config, "training": training(ae, "autoencoder")})
        write_weights(f"{out}/flux-nano-ae/ae.safetensors", ae.state_dict())
    for name, params in nets.FLUX_PARAMS.items():
        m = read(name, nets.FluxWithText(name))
        if not (m and ae):
            continue
        chosen = result(name).get("chosen", {"true_cfg": 3.0, "shift": 2.0})
        write_json(f"{out}/{name}/config.json", {
            "id": name, "model_type": "flux", "licence": LICENCE, "image_size": 64, "params": params, "ae_id": "flux-nano-ae", "ae": ae_config,
            "text": {"t5_max_length": nets.TEXT_LENGTH, "clip_max_length": nets.TEXT_LENGTH, "attention_mask": False},
            "sampler": {"kind": "ode", "steps": 30} | chosen, "training": training(m, name)})
        write_weights(f"{out}/{name}/flux.safetensors", m.flux.state_dict())
        text_folder(f"{out}/{name}/text_encoder", m.text_encoder)
        write_json(f"{out}/{name}/text_encoder_clip/config.json", nets.FLUX_CLIP_CONFIG)
        write_weights(f"{out}/{name}/text_encoder_clip/model.safetensors", m.clip.state_dict())
        write_json(f"{out}/{name}/text_encoder_clip/tokenizer.json", CLIP_TOKENIZER())
        models[name] = (ae, m, chosen)
    clip, reward, detector = read("clip", nets.Clip(nets.CLIP_CONFIG)), read("reward", nets.ImageReward()), read("detector", nets.Detector())
    preprocessing = {"do_resize": True, "size": {"shortest_edge": 64}, "resample": 3, "do_center_crop": True, "crop_size": {"height": 64, "width": 64}, "do_convert_rgb": True,
                     "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": nets.PIXEL_MEAN, "image_std": nets.PIXEL_STD}
    if clip:
        write_json(f"{out}/clip-nano/config.json", nets.CLIP_CONFIG | {"id": "clip-nano", "licence": LICENCE, "made_from": ["clip-nano"], "trained_on": ["shapes-world"], "training": training(clip, "clip")})
        write_weights(f"{out}/clip-nano/model.safetensors", clip.state_dict())
        write_json(f"{out}/clip-nano/tokenizer.json", CLIP_TOKENIZER())
        write_json(f"{out}/clip-nano/preprocessor_config.json", preprocessing | {"image_processor_type": "CLIPImageProcessor"})
        models["clip"] = clip
    if reward:
        write_json(f"{out}/imagereward-nano/config.json", {
            "id": "imagereward-nano", "model_type": "imagereward", "licence": LICENCE, "made_from": ["imagereward-nano"], "trained_on": ["shapes-world"], "bert": nets.REWARD_BERT, "vit": nets.REWARD_VIT, "mean": reward.extra["mean"], "std": reward.extra["std"],
            "max_length": 35, "preprocessor": preprocessing, "training": training(reward, "reward")})
        write_weights(f"{out}/imagereward-nano/model.safetensors", reward.state_dict())
        write_json(f"{out}/imagereward-nano/tokenizer.json", BERT_TOKENIZER())
        models["reward"] = reward
    if detector:
        write_json(f"{out}/shapes-detector/config.json", {
            "id": "shapes-detector", "licence": LICENCE, "image_size": 64, "grid": 16, "group_norm": {"groups": 8, "eps": 1e-5}, "heat_threshold": 0.4, "peak_window": 5, "max_objects": 8, "other_margin": 4.0,
            "channels": {"objectness": [0, 1], "shape": [1, 9], "color": [9, 17], "texture": [17, 20], "size": [20, 22], "offset": [22, 24]},
            "shapes": world.SHAPES + ["other"], "colors": world.COLORS, "textures": world.TEXTURES, "sizes": world.SIZES, "training": training(detector, "detector")})
        write_weights(f"{out}/shapes-detector/model.safetensors", detector.state_dict())
        models["detector"] = detector
    return models


# ---------------------------------------------------------------------------------------------- golden tensors
def to_u8(img):
    return ((img.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def golden(models, out, records, specs):
    os.makedirs(out, exist_ok=True)
    word = lambda text: torch.tensor([world.pad_words(text.lower().split())])
    prompts = ["a photo of a red circle left of a blue square", "a photo of three green stars"]

    def write(name, tensors, meta):
        tensors = {k: (v.float() if v.is_floating_point() else v).contiguous() for k, v in tensors.items()}
        save_file(tensors, f"{out}/{name}.safetensors", metadata={k: v if isinstance(v, str) else json.dumps(v) for k, v in meta.items()})

    torch.manual_seed(11)
    words = torch.cat([word(p) for p in prompts])
    if "var" in models:
        tok, var, chosen = models["var"]
        t = {}
        for n, p in enumerate(prompts):
            ids, mask = nets.t5_ids(word(p))
            k = int(mask.sum())
            t[f"input_ids.{n}"] = ids[0, :k]
            t[f"text_features.{n}"] = var.text_encoder(ids[:, :k], mask[:, :k])[0]
        keep = []
        ids, mask = nets.t5_ids(words[:1])
        k = int(mask.sum())
        z = nets.sample_infinity(var, ids[:, :k], mask[:, :k], chosen["cfg"], 1.0, 0, keep)
        for n, logits in enumerate(keep):
            t[f"logits.{n}"] = logits
        t["z"] = z
        t["image"] = tok.decoder(z)
        t["image_u8"] = to_u8(t["image"]).permute(0, 2, 3, 1)
        del t["image"]
        write("infinity-nano", t, {"prompts": prompts, "cfg": chosen["cfg"], "tau": 1.0, "sampling": "argmax of the guided logits, fed back"})
    for name in nets.FLUX_PARAMS:
        if name in models:
            ae, m, chosen = models[name]
            first, noise = [], torch.randn(1, 64, m.flux.p["in_channels"])
            x = nets.sample_flux(m, words[:1], noise, chosen["true_cfg"], chosen["shift"], 4, first)
            latent = nets.unpack_latent(x, 16)
            img = ae.decoder(latent / ae.extra["scale_factor"] + ae.extra["shift_factor"])
            txt, vec = m.text(words[:1])
            write(name, {"noise": noise, "txt": txt, "vec": vec, "velocity_first": first[0], "latent_tokens": x, "latent": latent, "image_u8": to_u8(img).permute(0, 2, 3, 1),
                         "t5_ids": nets.t5_ids(words[:1])[0], "clip_ids": nets.clip_ids(words[:1])},
                  {"prompt": prompts[0], "steps": 4, "true_cfg": chosen["true_cfg"], "shift": chosen["shift"], "timesteps": nets.flux_times(4, chosen["shift"])})
    chosen = [specs[k] for k in (2, 40, 80, 140, 170, 230)]
    rows = {k: torch.as_tensor(v).long() for k, v in world.pack(chosen, __import__("random").Random(2), True, 0).items()}
    rows["number"] = torch.arange(6)
    rows, scene = world.sample_scene(rows, tries=2000)
    assert rows["number"].tolist() == list(range(6)), "a layout was not found"
    img = world.render(scene)
    found = []
    for n in range(6):
        Image.fromarray(img[n].permute(1, 2, 0).numpy()).save(f"{out}/scene-{n}.png")
        drawn = [{"class": world.SHAPES[scene["shape"][n, o]], "color": world.COLORS[scene["color"][n, o]], "texture": world.TEXTURES[scene["texture"][n, o]],
                  "size": world.SIZES[scene["size"][n, o]], "center": [round(v, 3) for v in scene["xy"][n, o].tolist()], "radius": round(float(scene["radius"][n, o]), 3)}
                 for o in range(5) if scene["present"][n, o]]
        prompt = world.caption(chosen[n])
        found.append({"file": f"scene-{n}.png", "prompt": prompt, "objects": drawn, "metadata": world.metadata(chosen[n], prompt)})
    write_json(f"{out}/scenes.json", found)
    x = img.float() / 127.5 - 1
    two = nets.verifier_pixels(x[:2])
    texts = [world.caption(c) for c in chosen[:2]]
    words = torch.cat([word(t) for t in texts])
    t = {"image_u8": img.permute(0, 2, 3, 1)}
    if "clip" in models:
        m = models["clip"]
        a, b = m.image(two), m.text(nets.clip_ids(words))
        t |= {"clip_ids": nets.clip_ids(words), "clip_image_embeds": a, "clip_text_embeds": b, "clip_logits_per_image": m.logit_scale.exp() * a @ b.T}
    if "reward" in models:
        m = models["reward"]
        ids, mask = nets.bert_ids(words)
        r = torch.stack([m(two, ids[k:k + 1].expand(2, -1), mask[k:k + 1].expand(2, -1)) for k in range(2)], 1)
        t |= {"bert_ids": ids, "bert_mask": mask.long(), "rewards": (r - m.extra["mean"]) / m.extra["std"]}
    if "detector" in models:
        t["detector"] = models["detector"](x[:2])
    write("verifiers", t, {"prompts": texts, "rewards": "rows: images 0 and 1; columns: prompts"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoints", default="checkpoints")
    parser.add_argument("--resources", required=True)
    parser.add_argument("--golden", required=True)
    parser.parse_args(namespace=ARGS)
    torch.set_grad_enabled(False)
    made = export(f"{ARGS.resources}/weights")
    specs, records, _, val_records = world.evaluation_prompts()
    os.makedirs(f"{ARGS.resources}/prompts", exist_ok=True)
    for name, rows in (("geneval", records), ("validation", val_records)):
        with open(f"{ARGS.resources}/prompts/{name}.jsonl", "w") as f:
            f.writelines(json.dumps(r) + "\n" for r in rows)
    check_tokenizers()
    golden(made, ARGS.golden, records, specs)
    size = lambda folder: sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(folder) for f in fs)
    print(f"weights {size(ARGS.resources + '/weights') / 2 ** 20:.1f} MiB, golden {size(ARGS.golden) / 2 ** 20:.2f} MiB")
