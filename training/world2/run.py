"""Runs a plan of training jobs, then one of measurements, within a time limit: ``python run.py PLAN --seconds 585 --work DIR --prompts FILE``.

Plans ``first`` and ``second`` are two consecutive calls on four GPUs (with fewer, jobs share them); the second goes on from the first one's
states. Every line of a plan is a chain of jobs on its GPUs, each with its end as a share of the training time; a chain that fails leaves the others alone.
"""
import argparse
import json
import os
import subprocess
import sys
import time

GO_ON = "--keep --floor 0.6"
PLANS = {
    "first": [
        ("0,1", [("tokenizer", 0.235, "")]),
        ("0,1", [("var", 1.0, GO_ON)]),
        ("2", [("autoencoder", 0.2, "")]),
        ("2", [("flow-l", 1.0, GO_ON)]),
        ("2", [("reward", 1.0, GO_ON)]),
        ("3", [("detector", 0.165, "")]),
        ("3", [("critic", 0.14, "")]),
        ("3", [("flow-s", 1.0, GO_ON)]),
        ("3", [("decoder", 0.99, GO_ON)]),
        ("3", [("clip", 0.75, "--floor 0.05")]),
    ],
    "second": [
        ("0,1", [("tokenizer", 0.39, "")]),
        ("0,1", [("var", 1.0, "--full 2 --keep")]),
        ("2", [("flow-l", 1.0, "--every 40")]),
        ("2", [("reward", 1.0, "--keep")]),
        ("3", [("flow-s", 1.0, "--every 40")]),
        ("3", [("decoder", 0.995, "")]),
        ("3", [("clip", 0.99, "")]),
    ],
    "none": [],
}
STAGES = {"first": ["judges:40"], "second": ["judges:30"], "none": ["tune:60", "claims:150", "confirm:50", "families:60", "verifiers:60"]}  # each with its seconds

p = argparse.ArgumentParser()
p.add_argument("plan", choices=PLANS)
p.add_argument("--seconds", type=float, default=585, help="of the whole call")
p.add_argument("--train", type=float, default=540, help="of the training")
p.add_argument("--work", default="checkpoints")
p.add_argument("--prompts", required=True)
p.add_argument("--stages", nargs="*", help="instead of the plan's")
p.add_argument("--smoke", action="store_true")
a = p.parse_args()
begin = time.time()
here = os.path.dirname(os.path.abspath(__file__))
os.makedirs(a.work, exist_ok=True)
gpus = int(subprocess.run(["bash", "-c", "nvidia-smi -L 2>/dev/null | wc -l"], capture_output=True, text=True).stdout) or 1
SMOKE = " --smoke" if a.smoke else ""
ENV = os.environ | {"OMP_NUM_THREADS": "4", "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore", "TORCHINDUCTOR_CACHE_DIR": f"{os.path.abspath(a.work)}/compiled"}


def start(line, where, log):
    return subprocess.Popen(["bash", "-c", f"{line} > {a.work}/log-{log}.txt 2>&1"], env=ENV | {"CUDA_VISIBLE_DEVICES": where}, start_new_session=True)


def job(name, share, flags, where):
    rest = f"{here}/jobs.py {name} --end {begin + share * a.train:.0f} --out {a.work} {flags}{SMOKE}"
    line = f"{sys.executable} {rest}"
    n = len(where.split(","))
    return f"({sys.executable} -m torch.distributed.run --standalone --nproc_per_node {n} {rest} || CUDA_VISIBLE_DEVICES={where[0]} {line})" if n > 1 else line


def last_lines(names):
    for name in names:
        try:
            lines = open(f"{a.work}/log-{name}.txt").read().strip().splitlines()
        except OSError:
            continue
        bad = [x for x in lines if "Error" in x][-1:]
        print(*[x[:260] for x in (bad or lines[-1:])], flush=True)


def wait(running, names, limit, every):
    mark = time.time()
    while any(r.poll() is None for r in running):
        time.sleep(0.5)
        if time.time() > limit:
            for r in running:
                if r.poll() is None:
                    os.killpg(r.pid, 9)
            print("stopped at the limit", flush=True)
            break
        if time.time() - mark > every:
            mark = time.time()
            last_lines(names)


running, names = [], []
for where, chain in PLANS[a.plan]:
    where = ",".join(dict.fromkeys(str(int(g) % gpus) for g in where.split(",")))
    for name, share, flags in chain:
        names.append(f"{a.plan}-{name}")
        running.append(start(job(name, share, flags, where), where, names[-1]))
wait(running, names, begin + a.train + 40, 60)
print(f"trained after {time.time() - begin:.0f} s", flush=True)
last_lines(names)
for part in a.stages if a.stages is not None else STAGES[a.plan]:
    stages, seconds = part.split(":")[0].split("+"), float(part.split(":")[1])
    end = min(begin + a.seconds - 10, time.time() + seconds)
    running, logs = [], []
    for stage in stages:
        many = gpus if stage != "judges" else 1
        for r in range(many):
            logs.append(f"{stage}-{r}")
            line = f"{sys.executable} {here}/study.py {stage} --rank {r} --world {many} --out {a.work} --prompts {a.prompts} --end {end:.0f}{SMOKE}"
            running.append(start(line, str(r if stage != "judges" else gpus - 1), logs[-1]))
    wait(running, [], min(begin + a.seconds, end + 25), 1e9)
    print(f"{stages} after {time.time() - begin:.0f} s", flush=True)
    for stage in stages:
        os.system(f"grep -h -v '^ ' {a.work}/log-{stage}-0.txt | cut -c1-230 | tail -45; grep -l Traceback {a.work}/log-{stage}-*.txt; grep -h 'failed' {a.work}/log-{stage}-*.txt | cut -c1-300 | head -5")
print(f"all done after {time.time() - begin:.0f} s", flush=True)
