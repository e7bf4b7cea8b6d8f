"""Makes a call's weights the beginning of the next one's: ``python unpack.py PACKED WORK`` (parts of pack.py; the tokenizer gets the further
trained decoder)."""
import glob
import io
import os
import sys
import tarfile

import torch

packed, work = sys.argv[1:]
DONE, GOES_ON = ("detector", "critic", "autoencoder"), ("tokenizer", "var", "flow-s", "flow-l", "reward")
os.makedirs(work, exist_ok=True)
data = b"".join(open(p, "rb").read() for p in sorted(glob.glob(f"{packed}/pack.*"), key=lambda p: int(p.rsplit(".", 1)[1])))
tarfile.open(fileobj=io.BytesIO(data)).extractall(work)
for name in GOES_ON:
    os.replace(f"{work}/{name}.pt", f"{work}/init-{name}.pt")
saved, decoder = (torch.load(f"{work}/{n}.pt", map_location="cpu") for n in ("init-tokenizer", "decoder"))
saved["state"] |= {f"decoder.{k}": v for k, v in decoder["state"].items()}
torch.save(saved, f"{work}/init-tokenizer.pt")
os.remove(f"{work}/decoder.pt")
for name in DONE:
    open(f"{work}/{name}.final", "w").close()
