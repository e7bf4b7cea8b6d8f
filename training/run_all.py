"""Trains, evaluates and exports everything within a time limit: ``python run_all.py --seconds 1050 --out checkpoints``.

The chains of jobs are spread over the GPUs there are; every job's end is a share of the time limit. Jobs that
are marked as done in the output directory (see resume.py) are not run again; --jobs names the only ones to run.
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
    ([0, 1], [("tokenizer", 0.25)]),
    ([0, 1], [("var", 0.91), ("evaluate:var", 1)]),
    ([2], [("autoencoder", 0.19)]),
    ([2], [("flux-nano-large", 0.91), ("evaluate:flux-nano-large", 1)]),
    ([3], [("detector", 0.16)]),
    ([3], [("flux-nano", 0.89), ("evaluate:flux-nano", 1)]),
    ([3], [("clip", 0.18)]),
    ([3], [("reward", 0.89), ("evaluate:verifiers", 1), ("evaluate:compute", 1)]),
]


def chain(jobs, gpus, args, begin):
    """A shell line that runs the jobs one after another; a failed job does not stop those behind it."""
    lines = []
    for job, share in jobs:
        if args.jobs and job.removeprefix("evaluate:") not in args.jobs:
            continue
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
    parser.add_argument("--jobs", nargs="*", help="only these jobs and their evaluations")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    gpus = torch.cuda.device_count()
    jobs_of = [(sorted({g % gpus for g in wanted}), jobs) for wanted, jobs in CHAINS]
    running = [chain(jobs, g, args, args.begin) for g, jobs in jobs_of]  # they start and compile while the captions are made
    pool = world.make_pool(32 * (64 if args.smoke else 8_000), 1, workers=32)
    torch.save({k: torch.from_numpy(v) for k, v in pool.items()}, f"{args.out}/pool.tmp")
    os.replace(f"{args.out}/pool.tmp", f"{args.out}/pool.pt")
    print(f"{len(pool['tag'])} captions after {time.time() - args.begin:.0f} s; {gpus} GPUs", flush=True)
    for p in running:
        p.wait()
    open(f"{args.out}/trained", "w").close()
    print(f"all done after {time.time() - args.begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
