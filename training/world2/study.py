"""Measurements on trained networks, a process a GPU: ``python study.py STAGE --rank R --world W --out DIR --prompts FILE --end UNIX_TIME``.

Stages: ``tune`` chooses settings on the validation prompts and, for each flow, the checkpoint whose accuracy by level is nearest to the VAR's
(chosen.json); ``claims``, ``families``, ``verifiers`` measure on the test prompts; ``confirm`` uses the confirmation prompts, once.
Each rank takes every W-th prompt; whatever is measured goes at once to DIR/res-STAGE-R.pt, and what the time does not allow is skipped.
"""
import argparse
import glob
import json
import os
import re
import time

import torch

import jobs
import search
import world
from train import ARGS, DEV, sized

START = time.time()
K = len(world.SCALES)
ALL = list(range(K))
# width, candidates, first candidates, kept prefix lengths by round, elite
BEAMS = {
    "beam 3x5": (3, 5, 15, ALL, False), "elite 3x5": (3, 5, 15, ALL, True), "elite 3x5 at 3 6 8": (3, 5, 15, [0, 3, 6, 8], True),
    "beam 3x5 at 3 6 8": (3, 5, 15, [0, 3, 6, 8], False), "beam 2x2": (2, 2, 4, ALL, False), "elite 2x2": (2, 2, 4, ALL, True),
    "greedy 1x15": (1, 15, 15, ALL, False), "elite 2x4 at 4 7 8 9": (2, 4, 16, [0, 4, 7, 8, 9], True), "elite 3x5 at 2 3 4": (3, 5, 15, [0, 2, 3, 4], True),
    "elite 1x15 at 3 6 8": (1, 15, 15, [0, 3, 6, 8], True),
}
FLOW_BEAMS = {  # the same shapes: prefix k of the flow are the starting noise and 3 (k - 1) of its 30 steps
    "beam 2x2": (2, 2, 4, list(range(11)), False), "elite 2x2": (2, 2, 4, list(range(11)), True), "elite 2x2 at 4 5 6 7": (2, 2, 4, [0, 4, 5, 6, 7], True),
    "elite 3x5 at 4 5 6": (3, 5, 15, [0, 4, 5, 6], True),
}
RESULT = {}


def say(*words):
    print(f"[{time.time() - START:6.1f} {ARGS.stage} {ARGS.rank}]", *words, flush=True)


def item(name, f, *more):
    """Measures and keeps one thing unless the time is over; what fails is reported and does not lose the rest."""
    if time.time() > ARGS.end:
        say("skipped", name)
        return None
    torch.manual_seed(hash_of(name) + 7919 * ARGS.rank)
    begin = time.time()
    try:
        RESULT[name] = f(*more)
    except Exception as e:
        say(name, "failed:", type(e).__name__, str(e)[:300])
        torch.cuda.empty_cache()
        if ARGS.smoke:
            raise
        return None
    say(f"{name}: {time.time() - begin:.1f} s")
    path = f"{ARGS.out}/res-{ARGS.stage}-{ARGS.rank}.pt"
    torch.save(RESULT, path + ".tmp")
    os.replace(path + ".tmp", path)
    return RESULT[name]


def hash_of(name):
    value = 0
    for c in name:
        value = (value * 131 + ord(c)) % 1_000_003
    return value


def load_prompts(name, levels):
    """(spec, level, number) of this rank's prompts of the given levels"""
    spec, level = torch.load(ARGS.prompts)[name]
    if ARGS.smoke:
        keep = torch.cat([(level == l).nonzero()[:2, 0] for l in levels])
    else:
        keep = torch.cat([(level == l).nonzero()[:, 0] for l in levels])
    keep = keep[ARGS.rank::ARGS.world]
    return {k: v[keep].to(DEV) for k, v in spec.items()}, level[keep].to(DEV), keep


# ---------------------------------------------------------------------------------------------- tune
def accuracy(S, judge, spec, level, n):
    sp = search.rows(spec, n)
    ok, asked = judge.truth(S.decode(S.latent(S.run(S.first(world.words(sp))))), sp)
    good, lv = (ok | ~asked).all(1).float(), level.repeat_interleave(n)
    kind = torch.tensor(world.KIND, device=DEV)
    by_kind = [round(float((ok & asked)[:, kind == j].sum() / asked[:, kind == j].sum()), 3) for j in range(6)]
    return [round(float(good[lv == l].mean()), 4) for l in level.unique()] + by_kind


def share_out(name, tasks):
    """Every rank does its share of {key: function}; all get the whole table."""
    mine = {}
    for j, (key, f) in enumerate(tasks.items()):
        if j % ARGS.world == ARGS.rank and time.time() < ARGS.end:
            torch.manual_seed(5)
            try:
                mine[key] = f()
            except Exception as e:
                say(name, key, "failed", type(e).__name__, str(e)[:200])
                if ARGS.smoke:
                    raise
    path = f"{ARGS.out}/tune-{name}-"
    json.dump(mine, open(f"{path}{ARGS.rank}.tmp", "w"))
    os.replace(f"{path}{ARGS.rank}.tmp", f"{path}{ARGS.rank}.json")
    limit = time.time() + 60
    while time.time() < limit and not all(os.path.exists(f"{path}{r}.json") for r in range(ARGS.world)):
        time.sleep(0.05)
    table = {k: v for r in range(ARGS.world) if os.path.exists(f"{path}{r}.json") for k, v in json.load(open(f"{path}{r}.json")).items()}
    if ARGS.rank == 0:
        for k, v in sorted(table.items()):
            say(name, k, v)
    return table


LEVELS = 7


def tune():
    spec, level, _ = load_prompts("validation", range(LEVELS))
    if ARGS.world > 1:  # settings are shared among the ranks here, not prompts
        whole = torch.load(ARGS.prompts)["validation"]
        keep = torch.arange(0, len(whole[1]), sized(1, 20))
        spec, level = {k: v[keep].to(DEV) for k, v in whole[0].items()}, whole[1][keep].to(DEV)
    judge = search.Judge()
    mean = lambda v: sum(v[2:LEVELS]) / (LEVELS - 2)  # levels 3 to 7
    chosen = {}

    def setting(S, a, b, n):
        def f():
            S.cfg, S.tau, S.eta = a, b, b
            return accuracy(S, judge, spec, level, n)
        return f

    for name in ("var", "var0"):
        if not os.path.exists(f"{ARGS.out}/{name}.pt"):
            continue
        S = search.Var(name)
        grid = [(c, t) for c in (1.5, 2.0, 3.0, 4.5) for t in (0.6, 0.75, 0.9)] if name == "var" else [(2.0, 0.8), (3.0, 0.75), (1.5, 0.8), (4.0, 0.8)]
        table = share_out(name, {f"{c} {t}": setting(S, c, t, sized(6, 1)) for c, t in sized(grid, grid[:2])})
        best = max(table, key=lambda k: mean(table[k]))
        chosen[name] = {"cfg": float(best.split()[0]), "tau": float(best.split()[1]), "levels": table[best]}
        del S
    target = chosen["var"]["levels"]
    for name in ("flow-s", "flow-l"):
        S = search.Flow(name)
        grid = [(c, e) for c in (1.5, 2.5, 4.0) for e in (0.0, 0.5, 1.0)]
        table = share_out(name, {f"{c} {e}": setting(S, c, e, sized(3, 1)) for c, e in sized(grid, grid[:2])})
        best = max(table, key=lambda k: mean(table[k]))
        cfg, eta = map(float, best.split())
        chosen[name] = {"cfg": cfg, "eta": eta, "levels": table[best]}
        sde = max((k for k in table if k.endswith(" 1.0")), key=lambda k: mean(table[k]), default=best)
        cfg, eta = map(float, sde.split())
        files = sorted((f for f in (re.search(rf"{name}-(\d+)\.pt", p) for p in glob.glob(f"{ARGS.out}/{name}-*.pt")) if f), key=lambda m: int(m.group(1)))

        def checkpoint(file):
            def f():
                open(f"{ARGS.out}/{file}.final", "w").close()
                S = search.Flow(name, file, cfg=cfg, eta=eta)
                return accuracy(S, judge, spec, level, sized(3, 1))
            return f

        table = share_out(name + "-checkpoints", {m.group(0)[:-3]: checkpoint(m.group(0)[:-3]) for m in files})
        if table:
            distance = lambda v: max(abs(a - b) for a, b in zip(v[2:LEVELS], target[2:LEVELS]))
            near = min(table, key=lambda k: distance(table[k]))
            chosen[name + " matched"] = {"file": near, "cfg": cfg, "eta": eta, "levels": table[near], "distance": round(distance(table[near]), 4)}
    if ARGS.rank == 0:
        json.dump(chosen, open(f"{ARGS.out}/chosen.json", "w"), indent=1)
        for k, v in chosen.items():
            say("chosen", k, v)


# ---------------------------------------------------------------------------------------------- searches
def beams(S, judge, spec, verifier, setting, seeds, rows=960):
    """{round: ...} of all prompts of this rank, prompts in chunks that fit: lists of traces by seed"""
    w, c, n0, schedule, elite = setting
    P, out = len(spec["n"]), []
    size = max(1, rows // max(n0, w * c))
    for _ in range(seeds):
        parts = [search.beam(S, judge, search.subset(spec, slice(a, a + size)), verifier, w, c, schedule, n0, elite) for a in range(0, P, size)]
        out.append([dict(k=r[0]["k"], rollouts=r[0]["rollouts"], best=torch.cat([x["best"] for x in r]).half(), last=torch.cat([x["last"] for x in r]).half()) for r in zip(*parts)])
    return out


def var(name):
    c = json.load(open(f"{ARGS.out}/chosen.json"))[name]
    return search.Var(name, cfg=c["cfg"], tau=c["tau"])


def flow(name, key, eta=None):
    c = json.load(open(f"{ARGS.out}/chosen.json"))[key]
    return search.Flow(name, c.get("file"), cfg=c["cfg"], eta=c["eta"] if eta is None else eta)


def claims():
    spec, level, number = load_prompts("test", range(2, LEVELS))
    RESULT.update(level=level.cpu(), prompt=number)
    judge = search.Judge()
    S = var("var")
    seeds = sized(3, 1)
    item("var costs", lambda: search.costs(S) if DEV == "cuda" else None)
    item("var record", search.record, S, judge, spec, sized(256, 2))
    for b in ("beam 3x5", "elite 3x5", "elite 3x5 at 3 6 8", "beam 2x2", "elite 2x2", "greedy 1x15"):
        item(f"var graded {b}", beams, S, judge, spec, "graded", BEAMS[b], seeds)
    item("var variance", search.prefix_variance, S, judge, search.subset(spec, slice(0, None, 2)), level[::2], range(1, K), *sized((6, 6), (2, 2)))
    item("var previews", search.record, S, judge, spec, sized(24, 2), range(3, K))
    for v in ("exact", "noisy0.55", "noisy1.05"):
        for b in ("beam 3x5", "elite 3x5", "elite 3x5 at 3 6 8"):
            item(f"var {v} {b}", beams, S, judge, spec, v, BEAMS[b], seeds)
    for b in ("elite 2x4 at 4 7 8 9", "beam 3x5 at 3 6 8", "elite 3x5 at 2 3 4", "elite 1x15 at 3 6 8"):
        item(f"var graded {b}", beams, S, judge, spec, "graded", BEAMS[b], seeds)


def verifiers():
    spec, level, number = load_prompts("test", range(2, LEVELS))
    RESULT.update(level=level.cpu(), prompt=number)
    judge = search.Judge(learned=("reward", "clip"))
    S = var("var")
    item("pairs", pairs, judge)
    item("var record", search.record, S, judge, spec, sized(128, 2), (), ("reward", "clip"))
    for v in ("reward", "clip"):
        for b in ("elite 3x5 at 3 6 8", "beam 3x5", "elite 3x5", "elite 2x2"):
            item(f"var {v} {b}", beams, S, judge, spec, v, BEAMS[b], sized(2, 1))


def families():
    spec, level, number = load_prompts("test", range(2, LEVELS))
    RESULT.update(level=level.cpu(), prompt=number)
    judge = search.Judge()
    chosen = json.load(open(f"{ARGS.out}/chosen.json"))
    for name, n in (("flow-s", 64), ("flow-l", 16)):
        for key in (name, name + " matched"):
            if key not in chosen:
                continue
            S = flow(name, key, 1.0)
            item(f"{key} costs", lambda: search.costs(S) if DEV == "cuda" else None)
            item(f"{key} sde record", search.record, S, judge, spec, sized(n, 2))
            if name == "flow-s":
                for b in ("elite 2x2 at 4 5 6 7", "beam 2x2", "elite 2x2"):
                    item(f"{key} graded {b}", beams, S, judge, spec, "graded", FLOW_BEAMS[b], 1)
                if key != name:
                    item(f"{key} variance", search.prefix_variance, S, judge, search.subset(spec, slice(0, None, 4)), level[::4], range(1, 11), *sized((4, 4), (2, 2)))
            del S


def confirm():
    """Fixed beforehand: elite 3x5 at 3, 6, 8 (the pilot's best of twelve), elite 3x5 and the paper's beam 3x5 against best-of-N, graded oracle."""
    spec, level, number = load_prompts("confirmation", range(2, LEVELS))
    RESULT.update(level=level.cpu(), prompt=number)
    judge = search.Judge()
    S = var("var")
    item("var record", search.record, S, judge, spec, sized(256, 2))
    for b in ("elite 3x5 at 3 6 8", "beam 3x5", "elite 3x5"):
        item(f"var graded {b}", beams, S, judge, spec, "graded", BEAMS[b], sized(3, 1))


@torch.no_grad()
def pairs(judge):
    """Near misses: how often the true caption scores higher, by kind, on clean pictures, reconstructions of the tokenizer, and of the autoencoder."""
    import nets
    from train import amp, channels_last, pixels
    tok = jobs.load("tokenizer", nets.Tokenizer()).to(memory_format=torch.channels_last)
    tok.decoder = jobs.load("decoder", tok.decoder).to(memory_format=torch.channels_last)
    ae = jobs.load("autoencoder", nets.FluxAutoencoder()).to(memory_format=torch.channels_last)
    out = {}
    for kind_of_image in ("clean", "tokenizer", "autoencoder"):
        right, kinds, exact = {n: [] for n in judge.learned}, [], []
        for _ in range(sized(8, 1)):
            scene = world.sample_scene(sized(1024, 8), DEV)
            spec = world.describe(scene)
            miss, kind = world.near_miss(spec)
            x = channels_last(pixels(world.render(scene)))
            with amp():
                if kind_of_image == "tokenizer":
                    x = tok.decoder(nets.quantize(tok.encode(x))[2])
                elif kind_of_image == "autoencoder":
                    x = ae.decoder(ae.encoder(x).chunk(2, 1)[0])
            x = x.float().clamp(-1, 1)
            ok, asked = judge.truth(x, spec)
            exact.append((ok | ~asked).all(1).float())
            kinds.append(kind)
            for n in judge.learned:
                right[n].append((judge.of_learned(n, x, spec) > judge.of_learned(n, x, miss)).float())
        kinds = torch.cat(kinds)
        out[kind_of_image] = {"exact": round(float(torch.cat(exact).mean()), 4)} | {
            n: {m: round(float(torch.cat(r)[kinds == i].mean()), 4) for i, m in enumerate(world.MISSES)} | {"all": round(float(torch.cat(r).mean()), 4)} for n, r in right.items()}
    if ARGS.rank == 0:
        for k, v in out.items():
            say("pairs", k, v)
    return out


@torch.no_grad()
def judges():
    """What the tokenizer and the autoencoder keep, by level; what partial decodes show; near misses."""
    import nets
    from train import amp, channels_last, pixels
    judge = search.Judge()
    tok = jobs.load("tokenizer", nets.Tokenizer()).to(memory_format=torch.channels_last)
    dec = jobs.load("decoder", jobs.load("tokenizer", nets.Tokenizer()).decoder).to(memory_format=torch.channels_last)
    ae = jobs.load("autoencoder", nets.FluxAutoencoder()).to(memory_format=torch.channels_last)

    def report(name, f, levels=range(LEVELS)):
        good, err = [], []
        for l in levels:
            n, stated = world.LEVELS[l]
            torch.manual_seed(5 + l)
            scene = world.sample_scene(sized(1024, 8), DEV, objects=n, copies=0.06)
            sp = world.describe(scene, stated)
            x = channels_last(pixels(world.render(scene)))
            with amp():
                y = f(x).float().clamp(-1, 1)
            ok, asked = judge.truth(y, sp)
            good.append(round(float((ok | ~asked).all(1).float().mean()), 4))
            err.append(float((y - x).pow(2).mean()))
        psnr = 10 * math.log10(4 / (sum(err) / len(err) + 1e-9))
        say(f"{name}: exact by level {good} mean {sum(good) / len(good):.4f} psnr {psnr:.1f}")
        RESULT[name] = good

    import math
    report("clean", lambda x: x)
    report("tokenizer", lambda x: dec(channels_last(nets.quantize(tok.encode(x))[2])))
    report("autoencoder", lambda x: ae.decoder(ae.encoder(x).chunk(2, 1)[0]))
    for k in range(3, K + 1):
        report(f"true codes of {k} scales", lambda x: dec(channels_last(nets.quantize(tok.encode(x), cut=torch.full((len(x),), k, device=DEV))[2])), (2, 6))


STAGES = {f.__name__: f for f in (tune, claims, verifiers, families, confirm, judges)}

if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("stage", choices=STAGES)
    p.add_argument("--rank", type=int, default=0)
    p.add_argument("--world", type=int, default=1)
    p.add_argument("--out", required=True)
    p.add_argument("--prompts", required=True)
    p.add_argument("--end", type=float, required=True)
    p.add_argument("--smoke", action="store_true")
    p.parse_args(namespace=ARGS)
    torch.set_grad_enabled(False)
    STAGES[ARGS.stage]()
    say("done")
