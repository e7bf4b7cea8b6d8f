"""Evaluation of the trained networks: ``python evaluate.py PART... --out DIR`` (parts: var, flux-nano, flux-nano-large, verifiers).

Each part writes DIR/results-PART.json and, for generators, DIR/sheet-PART.png. The rules of the detector and of the check
are stated in README.md.
"""
import argparse
import functools
import json
import math
import os
import random
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch.utils.flop_counter import FlopCounterMode

import nets
import train
import world
from train import ARGS, DEV, amp, channels_last, load, log, pixels, sized

HEAT_THRESHOLD, MAX_OBJECTS = 0.4, 8
OTHER_MARGIN = 4.0  # chosen by calibrate_evaluator.py


# ---------------------------------------------------------------------------------------------- evaluator
@torch.no_grad()
def detect(detector, img, other_margin=OTHER_MARGIN):
    """img [B, 3, 64, 64] in [-1, 1] -> dict of [B, 8] tensors (``valid`` marks real detections) and ``xy`` [B, 8, 2] in pixels"""
    out = torch.cat([detector(x) for x in img.float().split(1024)])
    objectness, shape, color, texture, size, offset = out.split(nets.Detector.SPLIT, 1)
    shape = torch.cat([shape[:, :-1], shape[:, -1:] - other_margin], 1)
    heat = torch.sigmoid(objectness[:, 0])
    peak = (heat == F.max_pool2d(heat[:, None], 5, 1, 2)[:, 0]) & (heat > HEAT_THRESHOLD)
    value, index = (heat * peak).flatten(1).topk(MAX_OBJECTS, 1)
    at = lambda t: t.flatten(2).gather(2, index[:, None].expand(-1, t.shape[1], -1))
    cell = torch.stack([index % 16, index // 16], 1).float()
    xy = ((cell + 0.5 + at(offset)) * 4).transpose(1, 2)
    kinds = {k: at(t).argmax(1) for k, t in (("shape", shape), ("color", color), ("texture", texture), ("size", size))}
    return dict(valid=value > HEAT_THRESHOLD, xy=xy, **kinds)


def check(found, rows):
    """GenEval's semantics on detections; rows: packed specs (long). -> bool [B]"""
    correct = torch.ones(len(rows["tag"]), dtype=torch.bool, device=rows["tag"].device)
    matches = []
    for k in range(3):
        q = rows["reqs"][:, k]
        active = q[:, 0] != world.NONE
        same_class = found["valid"] & (found["shape"] == q[:, :1])
        match = same_class
        for column, name in ((1, "color"), (2, "texture"), (3, "size")):
            match = match & ((found[name] == q[:, column:column + 1]) | (q[:, column:column + 1] == world.NONE))
        ok = match.sum(1) >= q[:, 4]
        ok &= (rows["tag"] != world.COUNTING) | (same_class.sum(1) <= q[:, 4])
        correct &= ok | ~active
        matches.append(match)
    matches = torch.stack(matches, 1)
    row = torch.arange(len(correct), device=correct.device)
    d = found["xy"][:, None, :, :] - found["xy"][:, :, None, :]  # [B, a, b]: b minus a
    for k in range(2):
        i, r, j = rows["relations"][:, k].unbind(1)
        vertical = (r >= 2)[:, None, None]
        sign = torch.where((r == 0) | (r == 2), 1.0, -1.0)[:, None, None]
        main = torch.where(vertical, d[..., 1], d[..., 0]) * sign
        off = torch.where(vertical, d[..., 0], d[..., 1]).abs()
        a, b = matches[row, i.clamp(min=0)], matches[row, j.clamp(min=0)]
        ok = ((main > 3) & (main > off) & a[:, :, None] & b[:, None, :]).flatten(1).any(1)
        correct &= ok | (r == world.NONE)
    return correct


def by_tag(tag, values):
    values = values.float()
    out = {name: round(float(values[tag == k].mean()), 4) for k, name in enumerate(world.TAGS) if (tag == k).any()}
    return out | {"mean": round(sum(out.values()) / len(out), 4)}


def packed(specs):
    arrays = world.pack(specs, random.Random(1), prefix=True, style=0)
    return {k: torch.as_tensor(v).long().to(DEV) for k, v in arrays.items()}


def repeat(rows, n):
    return {k: v.repeat_interleave(n, 0) for k, v in rows.items()}


# ---------------------------------------------------------------------------------------------- models
def tokenizer():
    return load("tokenizer", nets.Tokenizer(), ARGS.wait).to(memory_format=torch.channels_last)


def autoencoder():
    return load("autoencoder", nets.FluxAutoencoder(), ARGS.wait).to(memory_format=torch.channels_last)


def to_u8(img):
    """[-1, 1] -> bytes, as the Java side does it: clamp, scale by 127.5, round"""
    return ((img.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


@torch.no_grad()
def decode_batches(decoder, z):
    with amp():
        return torch.cat([to_u8(decoder(channels_last(x))) for x in z.split(1024)])


class VarSampler:
    grid = [(c, t) for c in (1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0) for t in (0.6, 0.75, 0.85, 0.95, 1.1)]  # above 5 is worse
    names = ("cfg", "tau")
    validation_samples = 16

    def __init__(self):
        self.model, self.tokenizer = load("var", nets.InfinityWithText(), ARGS.wait), tokenizer()

    @torch.no_grad()
    def __call__(self, rows, cfg, tau):
        out = []
        for words in rows["words"].split(1024):
            ids, mask = nets.t5_ids(words)
            with amp():
                out.append(nets.sample_infinity(self.model, ids, mask, cfg, tau).float())
        return decode_batches(self.tokenizer.decoder, torch.cat(out))


class FluxSampler:
    grid = [(c, s) for c in (1.0, 1.5, 2.0, 3.0, 4.0, 6.0) for s in (1.0, 2.0, 3.5)]
    names = ("true_cfg", "shift")
    validation_samples = 8

    def __init__(self, name):
        self.model, self.ae = load(name, nets.FluxWithText(name), ARGS.wait), autoencoder()

    @torch.no_grad()
    def __call__(self, rows, cfg, shift):
        out, z = [], nets.FLUX_AE_CONFIG["z_channels"]
        for words in rows["words"].split(1024):
            noise = torch.randn(len(words), 64, 4 * z, device=DEV)
            with amp():
                x = nets.sample_flux(self.model, words, noise, cfg, shift, sized(30, 4))
            out.append(nets.unpack_latent(x.float(), 16) / self.ae.extra["scale_factor"] + self.ae.extra["shift_factor"])
        return decode_batches(self.ae.decoder, torch.cat(out))


# ---------------------------------------------------------------------------------------------- parts
def contact_sheet(path, images, records, per_prompt):
    """A row of ``per_prompt`` images for each prompt, twice enlarged, the prompt underneath; three prompts beside each other."""
    n, wide, cell = len(records), 3, 128
    rows = -(-n // wide)
    sheet = Image.new("RGB", (wide * (per_prompt * cell + 12), rows * (cell + 18)), "white")
    draw = ImageDraw.Draw(sheet)
    for k, record in enumerate(records):
        x0, y0 = (k % wide) * (per_prompt * cell + 12), (k // wide) * (cell + 18)
        for s in range(per_prompt):
            img = images[k * per_prompt + s].permute(1, 2, 0).cpu().numpy()
            sheet.paste(Image.fromarray(np.ascontiguousarray(img)).resize((cell, cell), Image.NEAREST), (x0 + s * cell, y0))
        draw.text((x0 + 2, y0 + cell + 2), record["prompt"][:100], fill="black")
    sheet.save(path)


def generator(part):
    sampler = VarSampler() if part == "var" else FluxSampler(part)
    detector = load("detector", nets.Detector(), ARGS.wait)
    test, test_records, val, _ = world.evaluation_prompts()
    test, val = packed(test), packed(val)
    if ARGS.smoke:
        sampler.grid = sampler.grid[:2]
    judge = lambda rows, img: torch.cat([check(detect(detector, pixels(i)), {k: v[a:a + 2048] for k, v in rows.items()})
                                         for a, i in zip(range(0, len(img), 2048), img.split(2048))])
    begin, sweep = time.time(), []
    rows = repeat(val, sized(sampler.validation_samples, 1))
    for setting in sampler.grid:
        torch.manual_seed(7)
        sweep.append(dict(zip(sampler.names, setting)) | by_tag(rows["tag"], judge(rows, sampler(rows, *setting))))
    best = max(sweep, key=lambda r: r["mean"])
    setting = [best[n] for n in sampler.names]
    log(part, f"sweep of {len(sweep)} in {time.time() - begin:.0f} s; best", best)
    torch.manual_seed(8)
    per = sized(16, 2)
    rows = repeat(test, per)
    img = sampler(rows, *setting)
    ok = judge(rows, img)
    results = {"chosen": dict(zip(sampler.names, setting)), "validation_sweep": sweep, "test_single_sample": by_tag(rows["tag"], ok), "samples_per_prompt": per,
               "test_any_of_samples": by_tag(test["tag"], ok.view(-1, per).any(1))}
    log(part, "test", results["test_single_sample"])
    chosen = [t * 32 + k for t in range(8) for k in (1, 9, 17)]
    contact_sheet(f"{ARGS.out}/sheet-{part}.png", img.view(-1, per, 3, 64, 64)[chosen, :sized(5, 2)].flatten(0, 1), [test_records[c] for c in chosen], sized(5, 2))
    write(part, results)
    if part == "var" or ARGS.smoke:
        results["best_of_16"] = best_of(rows, img, ok, per)
        log(part, "best of", per, {k: v["mean"] for k, v in results["best_of_16"].items()})
        write(part, results)


def best_of(rows, img, ok, per):
    clip, reward = load("clip", nets.Clip(nets.CLIP_CONFIG), ARGS.wait), load("reward", nets.ImageReward(), ARGS.wait)
    scores = {"clip-nano": clip_scores(clip, img, rows["words"][:, None])[:, 0], "imagereward-nano": reward_scores(reward, img, rows["words"][:, None])[:, 0]}
    scores = {k: v.view(-1, per) for k, v in scores.items()}
    scores["rank-ensemble"] = sum(v.argsort(1).argsort(1).float() for v in scores.values())
    ok, tag = ok.view(-1, per), rows["tag"].view(-1, per)[:, 0]
    scores["oracle"] = ok.float()
    return {k: by_tag(tag, ok.gather(1, v.argmax(1, keepdim=True))[:, 0]) for k, v in scores.items()}


@torch.no_grad()
def clip_scores(model, img, words):
    """img u8 [B], words [B, K, 22] -> cosine similarities [B, K]"""
    out = []
    for i, w in zip(img.split(512), words.split(512)):
        with amp():
            a, b = model.image(nets.verifier_pixels(pixels(i))), model.text(nets.clip_ids(w.flatten(0, 1))).view(len(i), w.shape[1], -1)
        out.append((a[:, None] * b).sum(-1))
    return torch.cat(out).float()


@torch.no_grad()
def reward_scores(model, img, words):
    """-> standardised rewards [B, K]"""
    out = []
    for i, w in zip(img.split(512), words.split(512)):
        ids, mask = nets.bert_ids(w.flatten(0, 1))
        with amp():
            out.append(model(nets.verifier_pixels(pixels(i)), ids, mask, w.shape[1]).view(len(i), -1))
    return ((torch.cat(out) - model.extra["mean"]) / model.extra["std"]).float()


def verifiers(part):
    """Detector on clean and reconstructed images; near-miss pairs by type for both verifiers; PSNR of both autoencoders."""
    rng = random.Random(3)
    tags = list(world.MIX)
    specs = [world.sample_spec(tags[k % 8], rng) for k in range(sized(4096, 256))]
    misses = [world.near_miss(s, rng)[0] for s in specs]
    rows, wrong = packed(specs), packed(misses)
    torch.manual_seed(4)
    rows["number"] = torch.arange(len(specs), device=DEV)
    rows, scene = world.sample_scene(rows)
    wrong = {k: v[rows["number"]] for k, v in wrong.items()}
    img = world.render(scene)
    tok, ae = tokenizer(), autoencoder()
    sets = {"clean": img}
    with torch.no_grad(), amp():
        code = torch.cat([nets.quantize(tok.encode(channels_last(pixels(x))))[2] for x in img.split(512)])
        z = torch.cat([ae.encoder(channels_last(pixels(x))).float().chunk(2, 1)[0] for x in img.split(512)])
    sets["tokenizer"], sets["autoencoder"] = decode_batches(tok.decoder, code), decode_batches(ae.decoder, z)
    sets["augmented"] = to_u8(world.augment(pixels(img)))
    detector = load("detector", nets.Detector(), ARGS.wait)
    clip, reward = load("clip", nets.Clip(nets.CLIP_CONFIG), ARGS.wait), load("reward", nets.ImageReward(), ARGS.wait)
    captions = torch.cat([rows["words"][:, None], rows["negatives"]], 1)
    results = {"autoencoder_scale_factor": ae.extra["scale_factor"]}
    for name, x in sets.items():
        found = detect(detector, pixels(x))
        psnr = (10 * torch.log10(4 / (pixels(x) - pixels(img)).pow(2).mean((1, 2, 3)).clamp(min=1e-9))).mean()
        r = {"psnr": round(float(psnr), 2), "evaluator_correct": by_tag(rows["tag"], check(found, rows)), "evaluator_accepts_near_miss": by_tag(rows["tag"], check(found, wrong))}
        for verifier, s in (("clip-nano", clip_scores(clip, x, captions)), ("imagereward-nano", reward_scores(reward, x, captions))):
            right = (s[:, :1] > s[:, 1:]).float()
            r[verifier] = {t: round(float(right[rows["negative_type"] == k].mean()), 4) for k, t in enumerate(world.NEGATIVE_TYPES) if (rows["negative_type"] == k).any()} | {"all": round(float(right.mean()), 4)}
        results[name] = r
        log(part, name, {k: v["mean"] if isinstance(v, dict) and "mean" in v else v for k, v in r.items()})
    write(part, results)


def flops(f, *a):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        f(*a)
    return counter.get_total_flops()


def compute(part):
    """FLOPs (multiply and add counted as two) of one image, and of training: 3 x forward x batch x steps."""
    img, w = torch.zeros(1, 3, 64, 64, device=DEV), torch.zeros(1, world.MAX_WORDS, dtype=torch.long, device=DEV)
    ids, mask = nets.t5_ids(w)
    make = {"tokenizer": nets.Tokenizer, "autoencoder": nets.FluxAutoencoder, "detector": nets.Detector, "clip": lambda: nets.Clip(nets.CLIP_CONFIG),
            "reward": nets.ImageReward, "var": nets.InfinityWithText} | {n: functools.partial(nets.FluxWithText, n) for n in nets.FLUX_PARAMS}
    results = {}
    for job, new in make.items():
        m = new().to(DEV).eval()
        if job in ("tokenizer", "autoencoder"):
            f = flops(m, img)
            extra = {"decode_flops": flops(m.decoder, torch.zeros(1, 16 if job == "tokenizer" else 8, 16, 16, device=DEV))}
        elif job == "var":
            f = flops(m, ids, mask, torch.zeros(1, dtype=torch.bool, device=DEV), torch.zeros(1, 520, 16, device=DEV))
            extra = {"image_flops": flops(lambda: nets.sample_infinity(m, ids, mask, 3.0, 1.0)), "transformer_parameters": nets.count_parameters(m.transformer)}
        elif job in nets.FLUX_PARAMS:
            x = torch.zeros(1, 64, 32, device=DEV)
            f = flops(m, x, w, torch.zeros(1, device=DEV))
            extra = {"image_flops": flops(lambda: nets.sample_flux(m, w, x, 3.0, 1.0, 30)), "transformer_parameters": nets.count_parameters(m.flux)}
        elif job == "detector":
            f, extra = flops(m, img), {}
        elif job == "clip":
            f, extra = flops(m, img, nets.clip_ids(w)), {}
        else:
            f = flops(m, img, *nets.bert_ids(w))
            extra = {"training_flops_per_image": 3 * flops(m, img, *nets.bert_ids(w.repeat(9, 1)), 9)}
        r = {"parameters": nets.count_parameters(m), "forward_flops": f} | extra
        if os.path.exists(f"{ARGS.out}/{job}.pt"):
            t = torch.load(f"{ARGS.out}/{job}.pt")["extra"]
            if "batch" in t and "flops" not in t:
                t["flops"] = int(t.get("warm_start_flops", 0) + t["steps"] * t["batch"] * extra.get("training_flops_per_image", 3 * f))
            r["training"] = t
        results[job] = r
        log(part, job, r)
    write(part, results)


def write(part, results):
    results = {"command": "python " + " ".join(sys.argv), "gpu": torch.cuda.get_device_name()} | results
    with open(f"{ARGS.out}/results-{part}.json.tmp", "w") as f:
        json.dump(results, f, indent=1)
    os.replace(f"{ARGS.out}/results-{part}.json.tmp", f"{ARGS.out}/results-{part}.json")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+")
    parser.add_argument("--out", default="checkpoints")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--wait", type=float, default=60, help="seconds to wait for weights that are still being trained")
    parser.parse_args(namespace=ARGS)
    for p in ARGS.parts:
        {"verifiers": verifiers, "compute": compute}.get(p, generator)(p)
