"""Chooses the evaluator's ``other_margin``: ``python calibrate_evaluator.py --scenes 512 [--seed 13] [--weights DIR]``. Needs no GPU.

The detector has a class "other" for shapes that are none of the seven. It was trained on clean and slightly blurred renders only; on
pictures that a decoder made, soft edges raise its logit. The margin is the largest one tried that loses no object of a set of scenes
whose every object IS a mixture of two shapes; what it does to reconstructions and to near misses is printed beside it.
"""
import argparse
import json
import os
import random
import struct

import torch

import evaluate
import nets
import world

WEIGHTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../shapes-world/src/main/resources/org/espalier/shapes/weights")
DTYPES = {"BF16": torch.bfloat16, "F32": torch.float32}
MARGINS = (0.0, 2.0, 3.0, 4.0, 6.0, 8.0, 100.0)


def tensors_of(path):
    with open(path, "rb") as f:
        content = f.read()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for key, t in header.items():
        a, b = t["data_offsets"]
        tensors[key] = torch.frombuffer(bytearray(content[start + a:start + b]), dtype=DTYPES[t["dtype"]]).view(t["shape"]).float()
    return tensors


def loaded(module, path):
    module.load_state_dict(tensors_of(path))
    return module.eval().to(evaluate.DEV)


def batched(f, x):
    return torch.cat([f(part) for part in x.split(64)])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=512)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--weights", default=WEIGHTS)
    args = parser.parse_args()
    evaluate.DEV = "cuda" if torch.cuda.is_available() else "cpu"

    tokenizer = loaded(nets.Tokenizer(), f"{args.weights}/infinity-nano/vae.safetensors")
    detector = loaded(nets.Detector(), f"{args.weights}/shapes-detector/model.safetensors")
    rng = random.Random(args.seed)
    tags = list(world.MIX)
    specs = [world.sample_spec(tags[k % 8], rng) for k in range(args.scenes)]
    misses = [world.near_miss(s, rng)[0] for s in specs]
    rows, wrong = evaluate.packed(specs), evaluate.packed(misses)
    torch.manual_seed(args.seed)
    rows["number"] = torch.arange(len(specs), device=evaluate.DEV)
    mixed, mixtures = world.sample_scene(rows, blends=1.0)
    rows, scene = world.sample_scene(rows)
    wrong = {k: v[rows["number"]] for k, v in wrong.items()}
    pixels = lambda u8: u8.float() / 127.5 - 1
    clean = world.render(scene)
    with torch.no_grad():
        code = batched(lambda x: nets.quantize(tokenizer.encode(pixels(x)))[2], clean)
        pictures = {"clean": clean, "reconstructed": batched(lambda x: evaluate.to_u8(tokenizer.decoder(x)), code), "mixtures": world.render(mixtures)}
        for margin in MARGINS:
            line = {"margin": margin}
            for name, picture in pictures.items():
                found = evaluate.detect(detector, pixels(picture), margin)
                if name == "mixtures":
                    line["mixtures called other"] = round(float((found["shape"][found["valid"]] == len(world.SHAPES)).float().mean()), 4)
                else:
                    line[name] = evaluate.by_tag(rows["tag"], evaluate.check(found, rows))
                    line[name + " near misses accepted"] = round(float(evaluate.check(found, wrong).float().mean()), 4)
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
