"""Turns exported weights back into checkpoints: ``python resume.py WEIGHTS OUT --done JOB... --init JOB...``.

A job named by --done counts as trained; one named by --init starts from these weights.
"""
import argparse
import json
import os

import torch
from safetensors.torch import load_file

FOLDERS = {"autoencoder": "flux-nano-ae/ae", "detector": "shapes-detector/model", "clip": "clip-nano/model", "reward": "imagereward-nano/model", "tokenizer": "infinity-nano/vae"}


def part(path, prefix=""):
    return {prefix + k: v.float() if v.is_floating_point() else v for k, v in load_file(path + ".safetensors").items()}


def state(weights, job):
    if job == "var":
        return part(f"{weights}/infinity-nano/transformer", "transformer.") | part(f"{weights}/infinity-nano/text_encoder/model", "text_encoder.")
    if job.startswith("flux"):
        shards = [f[:-12] for f in os.listdir(f"{weights}/{job}") if f.endswith(".safetensors")]
        flux = {k: v for s in shards for k, v in part(f"{weights}/{job}/{s}", "flux.").items()}
        return flux | part(f"{weights}/{job}/text_encoder/model", "text_encoder.") | part(f"{weights}/{job}/text_encoder_clip/model", "clip.")
    return part(f"{weights}/{FOLDERS[job]}")


def extra(weights, job):
    folder = "infinity-nano" if job == "var" else job if job.startswith("flux") else FOLDERS[job].split("/")[0]
    c = json.load(open(f"{weights}/{folder}/config.json"))
    training = c["training"]["tokenizer"] if job == "tokenizer" else c["training"]
    numbers = {k: v for k, v in training.items() if v is not None and not isinstance(v, dict)}
    return numbers | {k: c[k] for k in ("mean", "std") if k in c} | {k: c["ae"][k] for k in ("scale_factor", "shift_factor") if job == "autoencoder"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    parser.add_argument("out")
    parser.add_argument("--done", nargs="*", default=[])
    parser.add_argument("--init", nargs="*", default=[])
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    for job in args.done + args.init:
        saved = {"state": state(args.weights, job), "extra": extra(args.weights, job)}
        torch.save(saved, f"{args.out}/{job}.pt" if job in args.done else f"{args.out}/init-{job}.pt")
        if job in args.done:
            open(f"{args.out}/{job}.final", "w").close()
