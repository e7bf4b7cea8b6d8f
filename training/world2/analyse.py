"""Tables from what study.py measured: ``python analyse.py DIR``. Best-of-N from the recorded samples without bias (expected success of the best of N
of them drawn without replacement, ties shared), differences paired by prompt, intervals 95 % of a bootstrap over prompts."""
import glob
import math
import sys

import numpy as np
import torch

DIR = sys.argv[1]
RNG = np.random.default_rng(1)


def load(stage):
    ranks = [torch.load(p, weights_only=False) for p in sorted(glob.glob(f"{DIR}/res-{stage}-*.pt"))]
    names = [k for k in ranks[0] if all(k in r for r in ranks)]
    level = torch.cat([r["level"] for r in ranks]).numpy()
    return ranks, names, level


def joined(ranks, name, field):
    return torch.cat([r[name][field] for r in ranks]).float().numpy()


def rounds(ranks, name):
    """[round][which] -> ([P] mean over seeds of exact, of graded), with the prefix lengths and roll-outs"""
    out = []
    for i in range(len(ranks[0][name][0])):
        row = {"k": ranks[0][name][0][i]["k"], "rollouts": ranks[0][name][0][i]["rollouts"]}
        for which in ("best", "last"):
            row[which] = np.concatenate([np.mean([s[i][which].float().numpy() for s in r[name]], 0) for r in ranks])
        out.append(row)
    return out


def choose_ratio(n, m, total):
    """Probability that a draw of n of total without replacement misses m given ones"""
    if total - m < n:
        return 0.0
    return math.exp(math.lgamma(total - m + 1) - math.lgamma(total - m - n + 1) - math.lgamma(total + 1) + math.lgamma(total - n + 1))


def best_of(score, exact, n):
    """[P, S] -> [P]: expected exact of the best-scored of n samples, n real (interpolated)"""
    low = int(math.floor(n))
    if n != low:
        return (1 - (n - low)) * best_of(score, exact, low) + (n - low) * best_of(score, exact, low + 1)
    P, S = score.shape
    out = np.zeros(P)
    for p in range(P):
        values = np.unique(score[p])
        above = 0
        for v in values[::-1]:
            at = score[p] == v
            m = int(at.sum())
            out[p] += (choose_ratio(low, above, S) - choose_ratio(low, above + m, S)) * exact[p][at].mean()
            above += m
    return out


def interval(values):
    n = len(values)
    means = values[RNG.integers(0, n, (4000, n))].mean(1)
    return np.mean(values), *np.quantile(means, (0.025, 0.975))


def show(x):
    return f"{x[0]:+.3f} [{x[1]:+.3f}, {x[2]:+.3f}]"


def costs(ranks, name):
    return next(r[f"{name} costs"] for r in ranks if r.get(f"{name} costs"))


def search_cost(trace, by, decode, verify):
    K, nfe, flops, images = len(by), 0, 0.0, 0
    for r in trace:
        nfe += r["rollouts"] * (K - r["k"])
        flops += r["rollouts"] * (sum(by[r["k"]:]) + decode + verify)
        images += r["rollouts"]
    return nfe, flops, images


def saving(score, exact, target, image, most):
    """How many images best-of-N needs for the mean success of ``target``; most: the recorded number"""
    if best_of(score, exact, most).mean() < target:
        return None
    low, high = 1.0, float(most)
    while high - low > 0.25:
        middle = (low + high) / 2
        if best_of(score, exact, middle).mean() < target:
            low = middle
        else:
            high = middle
    return high


def table(stage, model, record, levels, verify=0.7e9, verifier="graded", sde=""):
    ranks, names, level = load(stage)
    keep = np.isin(level, levels)
    good, asked = joined(ranks, record, "good")[keep], joined(ranks, record, "asked")[keep]
    exact = (good == asked[:, None]).astype(float)
    score = good if verifier == "graded" else joined(ranks, record, verifier)[keep]
    by, decode = COSTS[model]
    image, nfe_image, S = sum(by) + decode + verify, len(by), good.shape[1]
    print(f"\n{stage} {record}, levels {[l + 1 for l in levels]}: {keep.sum()} prompts, single {show(interval(exact.mean(1)))} graded {np.mean(good.mean(1) / asked):.3f}; image {image / 1e9:.2f} GFLOP")
    print("  best of " + "  ".join(f"{n}: {best_of(score, exact, n).mean():.3f}" for n in (4, 15, 30, 60, 120, 240) if n <= S))
    for name in names:
        if name.startswith(f"{model} {verifier} ") or (sde and name.startswith(f"{sde} {verifier} ")):
            trace = rounds(ranks, name)
            nfe, flops, images = search_cost(trace, by, decode, verify)
            best, last = trace[-1]["best"][keep, 0], trace[-1]["last"][keep, 0]
            n, m = min(flops / image, S), min(nfe / nfe_image, S)
            bon, bon_nfe, bon_images = best_of(score, exact, n), best_of(score, exact, m), best_of(score, exact, min(images, S))
            need = saving(score, exact, best.mean(), image, S)
            print(f"  {name}: images {images} T {flops / 1e12:.3f} nfe {nfe} seeds {len(ranks[0][name])} | best {best.mean():.3f} last {last.mean():.3f} | BoN-{n:.0f} {bon.mean():.3f} diff {show(interval(best - bon))}"
                  f" last {show(interval(last - bon))} | nfe BoN-{m:.0f} {bon_nfe.mean():.3f} {show(interval(best - bon_nfe))} | images {show(interval(best - bon_images))} | saves "
                  + (f"x{need / n:.1f}" if need else f"more than x{S / n:.1f}"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    COSTS = {}
    for stage, names in (("claims", ("var",)), ("families", ("flow-s", "flow-l"))):
        ranks, _, _ = load(stage)
        for n in names:
            try:
                COSTS[n] = costs(ranks, n)
                print(n, [round(x / 1e9, 3) for x in COSTS[n][0]], round(sum(COSTS[n][0]) / 1e9, 2), "decode", round(COSTS[n][1] / 1e9, 2))
            except StopIteration:
                print("no costs of", n)
    for name in ("flow-s matched", "flow-l matched"):
        if name.split()[0] in COSTS:
            COSTS[name] = COSTS[name.split()[0]]
    for levels in ([2, 3, 4, 5, 6], [2], [3], [4, 5, 6]):
        table("claims", "var", "var record", levels)
        table("confirm", "var", "var record", levels)
        table("verifiers", "var", "var record", levels, 0.95e9, "reward")
        for m in ("flow-s", "flow-s matched"):
            table("families", m, f"{m} sde record", levels)
        table("families", "flow-l", "flow-l sde record", levels)
