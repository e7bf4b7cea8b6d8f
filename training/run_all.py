"""Trains, evaluates and exports everything within a time limit: ``python run_all.py --seconds 1050 --out checkpoints``.

The chains of jobs are spread over the GPUs there are; every job's end is a share of the time limit. Jobs that
are marked as done in the output directory (see resume.py) are not run again.
"""
import argparse
import os
import subprocess
import sys
import time

import torch

import world

# A job is named with the share of the time limit at which it ends; evaluations run until they are done.
# (GPUs, jobs that run one after another). A generator renders and compiles while the autoencoder that it waits for trains.
CHAINS = [
    ([0], [("tokenizer", 0.24)]),
    ([0], [("var", 0.91), ("evaluate:var", 1)]),
    ([1], [("autoencoder", 0.19)]),
    ([1, 3], [("flux-nano-large", 0.91), ("evaluate:flux-nano-large", 1)]),
    ([2], [("detector", 0.16)]),
    ([2], [("flux-nano", 0.89), ("evaluate:flux-nano", 1)]),
    ([3], [("clip", 0.18)]),
    ([2], [("reward", 0.89), ("evaluate:verifiers", 1), ("evaluate:compute", 1)]),
]


def chain(jobs, gpus, args, begin):
    """A shell line that runs the jobs one after another; a failed job does not stop those behind it."""
    lines = []
    for job, share in jobs:
        smoke = " --smoke" if args.smoke else ""
        log = f"{args.out}/log-{job.replace(':', '-')}.txt"
        if job.startswith("evaluate:"):
            line = f"{sys.executable} evaluate.py {job[9:]} --out {args.out}{smoke}"
        else:
            if os.path.exists(f"{args.out}/{job}.final"):
                continue
            rest = f"train.py {job} --end {begin + share * args.seconds:.0f} --out {args.out}{smoke}"
            line = f"{sys.executable} {rest}"
            if len(gpus) > 1:  # and on one GPU should that fail
                line = f"({sys.executable} -m torch.distributed.run --standalone --nproc_per_node {len(gpus)} {rest} || {line})"
        lines.append(f"{line} > {log} 2>&1")
    threads = max(2, (os.cpu_count() or 8) // 5)
    env = os.environ | {"CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus)), "OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(["bash", "-c", "; ".join(lines) or "true"], env=env)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1050)
    parser.add_argument("--begin", type=float, default=time.time(), help="Unix time from which the limit counts")
    parser.add_argument("--out", default="checkpoints")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    pool = world.make_pool(8 * (250 if args.smoke else 32_000), 1, workers=8)
    torch.save({k: torch.from_numpy(v) for k, v in pool.items()}, f"{args.out}/pool.pt")
    gpus = torch.cuda.device_count()
    jobs_of = [(sorted({g % gpus for g in wanted}), jobs) for wanted, jobs in CHAINS]
    print(f"{len(pool['tag'])} captions after {time.time() - args.begin:.0f} s; {gpus} GPUs", flush=True)
    running = [chain(jobs, g, args, args.begin) for g, jobs in jobs_of]
    for p in running:
        p.wait()
    open(f"{args.out}/trained", "w").close()
    print(f"all done after {time.time() - args.begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
