"""Packs what a call made into parts that fit its way back: ``python pack.py WORK OUT``: logs and results, then the newest weights (bfloat16;
transformers in int8 by row, as they ship)."""
import glob
import io
import json
import os
import sys
import tarfile

import torch

work, out = sys.argv[1:]
PART, MOST = 15 * 2 ** 20, 59 * 2 ** 20
os.makedirs(out, exist_ok=True)


def by_row(w):
    """-> (int8, scale of each row): w is near int8 * scale"""
    flat = w.float().flatten(1)
    scale = flat.abs().amax(1).clamp(min=1e-12) / 127
    return (flat / scale[:, None]).round().clamp(-127, 127).to(torch.int8).view_as(w), scale


def packed(path):
    small = any(n in os.path.basename(path) for n in ("flow", "var", "reward", "clip"))
    saved = torch.load(path, map_location="cpu")
    saved["state"] = {k: by_row(v) if small and not isinstance(v, tuple) and v.ndim >= 2 and v.is_floating_point() else v for k, v in saved["state"].items()}
    buffer = io.BytesIO()
    torch.save(saved, buffer)
    return buffer.getvalue()


chosen = json.load(open(f"{work}/chosen.json")) if os.path.exists(f"{work}/chosen.json") else {}
files = {}
for p in sorted(glob.glob(f"{work}/*.txt") + glob.glob(f"{work}/*.json") + glob.glob(f"{work}/res-*.pt")):
    files[os.path.basename(p)] = open(p, "rb").read()
names = ["detector", "tokenizer", "decoder", "var", "autoencoder", "reward", "clip", "flow-s", "flow-l", "critic"] + [v["file"] for v in chosen.values() if "file" in v] + ["var0"]
for n in dict.fromkeys(names):
    if os.path.exists(f"{work}/{n}.pt"):
        one = packed(f"{work}/{n}.pt")
        if sum(map(len, files.values())) + len(one) < MOST:
            files[f"{n}.pt"] = one
        else:
            print("no room for", n, flush=True)
buffer = io.BytesIO()
with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
    for name, data in files.items():
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
data = buffer.getvalue()
for n in range(0, len(data), PART):
    open(f"{out}/pack.{n // PART}", "wb").write(data[n:n + PART])
print("packed", len(files), "files,", round(len(data) / 2 ** 20, 1), "MiB", flush=True)
