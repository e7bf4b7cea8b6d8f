"""Resizes and centre crops by Pillow, as reference for the Java image pipeline.

Needs Pillow and numpy only, and runs in a second:
    python3 training/pillow_cases.py verifiers/src/test/resources/pillow
writes cases.json (what was done; CRC-32 of each result) and cases.bin (the pixels, RGB, row by row).
Sources are computed by a formula, so that only the results are stored. Resizes go up, down and to odd
sizes; crops are those of CLIP: the shorter edge to a size by bicubic, then the middle, with the odd
pixel cut off as transformers (down) and as torchvision (half_even) do it.
"""

import json
import pathlib
import sys
import zlib

import numpy as np
import PIL
from PIL import Image

RESIZES = [
    (64, 64, 32, 32), (37, 53, 24, 24), (100, 40, 33, 57), (31, 31, 64, 64), (256, 200, 28, 22), (64, 48, 64, 24),
    (48, 64, 20, 64), (5, 3, 11, 17), (300, 7, 40, 9), (512, 385, 27, 21), (1, 9, 5, 3), (63, 65, 65, 63), (17, 29, 51, 31),
    (2, 2, 1, 1),
]
CROPS = [(64, 64, 32), (97, 64, 32), (64, 97, 32), (31, 20, 28), (20, 31, 28), (301, 199, 30), (33, 50, 33)]


def formula(w, h):
    y, x, c = np.mgrid[0:h, 0:w, 0:3]
    return ((x * 7 + y * 13 + c * 29 + ((x * y) % 31) * 5 + ((x // 5 + y // 7) % 2) * 128) % 256).astype(np.uint8)


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    cases, data = [], b""

    def add(image, **what):
        nonlocal data
        pixels = np.asarray(image).tobytes()
        cases.append({**what, "offset": len(data), "length": len(pixels), "crc32": zlib.crc32(pixels)})
        data += pixels

    for w, h, to_w, to_h in RESIZES:
        for name, kind in (("bicubic", Image.Resampling.BICUBIC), ("bilinear", Image.Resampling.BILINEAR)):
            image = Image.fromarray(formula(w, h)).resize((to_w, to_h), kind)
            add(image, kind="resize", width=w, height=h, toWidth=to_w, toHeight=to_h, filter=name)
    for w, h, side in CROPS:
        short, long = min(w, h), max(w, h)
        scaled = int(side * long / short)
        to_w, to_h = (side, scaled) if w <= h else (scaled, side)
        image = Image.fromarray(formula(w, h)).resize((to_w, to_h), Image.Resampling.BICUBIC)
        for rounding in ("down", "half_even"):
            cut = (lambda n: (n - side) // 2) if rounding == "down" else (lambda n: int(round((n - side) / 2.0)))
            left, top = cut(to_w), cut(to_h)
            add(image.crop((left, top, left + side, top + side)), kind="crop", width=w, height=h, side=side, rounding=rounding)
    (out / "cases.bin").write_bytes(data)
    text = {"pillow": PIL.__version__, "cases": cases}
    (out / "cases.json").write_text(json.dumps(text, indent=1) + "\n")
    print(PIL.__version__, len(cases), "cases,", len(data), "bytes")


main(pathlib.Path(sys.argv[1]))
