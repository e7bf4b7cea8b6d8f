"""Compares these networks with reference tensors of the published implementations: ``python check_parity.py DIR``.

DIR holds pairs of NAME.weights.safetensors / NAME.golden.safetensors with small random weights. Prints the largest error of each.
"""
import json
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file

import nets

torch.set_grad_enabled(False)
D = sys.argv[1]


def meta(name):
    with safe_open(f"{D}/{name}", "pt") as f:
        return f.metadata()


def load(model, state, prefix=""):
    missing, unexpected = model.load_state_dict({k[len(prefix):]: v for k, v in state.items() if k.startswith(prefix)}, strict=False)
    if missing or unexpected:
        print("   missing", missing[:6], "unexpected", unexpected[:6])
    return model.eval()


def report(name, *pairs):
    print(name, " ".join(f"{float((a.float() - b.float()).abs().max()):.2e}" for a, b in pairs), flush=True)


def t5():
    g = load_file(f"{D}/t5-tiny-a.golden.safetensors")
    m = load(nets.T5Encoder(json.loads(meta("t5-tiny-a.golden.safetensors")["config"])), load_file(f"{D}/t5-tiny-a.weights.safetensors"))
    mask = g["attention_mask"].bool()
    report("t5", (m(g["input_ids"], mask)[mask], g["last_hidden_state"][mask]))


def infinity():
    g, i = load_file(f"{D}/infinity-tiny-a.golden.safetensors"), meta("infinity-tiny-a.golden.safetensors")
    c = {"depth": int(i["depth"]), "embed_dim": int(i["embed_dim"]), "num_heads": int(i["num_heads"]), "mlp_hidden": 512, "bits": 16, "text_channels": int(i["text_channels"]), "text_maxlen": 16}
    for base in (64, 16):
        m = load(nets.Infinity(c, base), load_file(f"{D}/infinity-tiny-a.transformer.safetensors"))

        class Pair:
            transformer = m
            text_encoder = staticmethod(lambda ids, mask: g["text_features"][None])

        keep, n = [], len(g["text_features"])
        z = nets.sample_infinity(Pair, torch.zeros(1, n, dtype=torch.long), torch.ones(1, n, dtype=torch.bool), float(i["cfg"]), float(i["tau"]), 0, keep)
        report(f"infinity (positions over {base})", *[(k, g[f"logits.{n}"]) for n, k in enumerate(keep)], (z, g["z"]))
        bits = [(k.unflatten(-1, (16, 2)).argmax(-1)) for k in keep]
    vae = nets.ConvDecoder(nets.Kit(True), 32, [1, 1, 1, 1, 1], 1, 16, False)
    load(vae, load_file(f"{D}/infinity-tiny-a.vae.safetensors"), "decoder.")
    report("infinity decoder", (vae(g["z"]).clamp(-1, 1), g["image"]))
    # teacher forcing equals stepping
    inputs, total = [], torch.zeros(1, 16, 16, 16)
    for k, s in enumerate(nets.SCALES[:-1]):
        code = torch.where(bits[k] > 0, 0.25, -0.25).transpose(1, 2).unflatten(2, (s, s))
        total = total + nets.upsample(code, 16)
        x = total if nets.SCALES[k + 1] == 16 else torch.nn.functional.interpolate(total, size=(nets.SCALES[k + 1],) * 2, mode="bilinear")
        inputs.append(x.flatten(2).transpose(1, 2))
    f, mask = g["text_features"][None], torch.ones(1, n, dtype=torch.bool)
    cond, un = (m(f, mask, torch.tensor([d]), torch.cat(inputs, 1)) for d in (False, True))
    cfg = float(i["cfg"])
    report("infinity teacher forcing against stepping", (cfg * cond + (1 - cfg) * un, torch.cat(keep, 1)))


def flux():
    g, i = load_file(f"{D}/flux-tiny-a.golden.safetensors"), meta("flux-tiny-a.golden.safetensors")
    p, ae = json.loads(i["params"]), json.loads(i["ae"])
    m = load(nets.Flux(p, g["txt"].shape[1], 4), load_file(f"{D}/flux-tiny-a.weights.safetensors"))
    guidance = torch.tensor([float(i["guidance"])])
    v = lambda x, t: m(x, g["txt"], g["vec"], torch.tensor([t]), guidance)
    times, x = json.loads(i["timesteps"]), g["noise"]
    first = v(x, times[0])
    for a, b in zip(times[:-1], times[1:]):
        x = x + (b - a) * v(x, a)
    latent = nets.unpack_latent(x, 8)
    d = load(nets.ConvDecoder(nets.Kit(False), ae["ch"], ae["ch_mult"], ae["num_res_blocks"], ae["z_channels"], True), load_file(f"{D}/flux-tiny-a.ae.safetensors"), "decoder.")
    report("flux velocity, tokens, latent, image, packing", (first, g["velocity_first"]), (x, g["latent_tokens"]), (latent, g["latent"]),
           (d(g["latent"] / ae["scale_factor"] + ae["shift_factor"]), g["image"]), (nets.pack_latent(latent), x))


def clip():
    g = load_file(f"{D}/clip-tiny-a.golden.safetensors")
    m = load(nets.Clip(json.loads(meta("clip-tiny-a.golden.safetensors")["config"])), load_file(f"{D}/clip-tiny-a.weights.safetensors"))
    a, b = m(g["pixel_values"], g["input_ids"])
    hidden, pooled = m.text_model(g["input_ids"])
    mask = g["attention_mask"].bool()
    report("clip logits, hidden, pooled", (m.logit_scale.exp() * a @ b.T, g["logits_per_image"]), (hidden[mask], g["text_last_hidden_state"][mask]), (pooled, g["text_pooled"]))


def reward():
    g, i = load_file(f"{D}/imagereward-tiny-a.golden.safetensors"), meta("imagereward-tiny-a.golden.safetensors")
    m = load(nets.ImageReward(json.loads(i["vit"]), json.loads(i["bert"])), load_file(f"{D}/imagereward-tiny-a.weights.safetensors"))
    raw = m(g["pixel_values"], g["input_ids"], g["attention_mask"].bool())
    report("imagereward image, reward", (m.blip.visual_encoder(g["pixel_values"]), g["image_embeds"]),
           ((raw - 0.16717362830052426) / 1.0333394966054072, g["reward"][:, 0]))


for f in (t5, infinity, flux, clip, reward):
    try:
        f()
    except Exception as e:  # report all of them
        print(f.__name__, "failed:", repr(e)[:600])
