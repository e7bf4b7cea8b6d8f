"""Samplers with histories, and search over them, batched over prompts. A prefix of length k is what the first k random decisions fixed.

VAR: decision k is scale k. Flow: decision 0 is the starting noise, decision k > 0 the noise of the k-th chunk of SDE steps (eta > 0).
"""
import math

import torch
import torch.nn.functional as F

import jobs
import nets
import world
from train import ARGS, DEV, amp, channels_last

UNIT = 1 / math.sqrt(nets.BITS)


# ---------------------------------------------------------------------------------------------- samplers
class Var:
    points = len(nets.SCALES)

    def __init__(self, name="var", cfg=3.0, tau=0.85, rollout_tau=None):
        self.m = jobs.load(name, nets.InfinityWithText())
        tok = jobs.load("tokenizer", nets.Tokenizer())
        self.decoder = jobs.load("decoder", tok.decoder).to(memory_format=torch.channels_last)
        self.cfg, self.tau, self.rollout_tau = cfg, tau, rollout_tau

    def first(self, words):
        ids, mask = nets.t5_ids(words)
        n = len(words)
        with amp():
            c = self.m.transformer.condition(self.m.text_encoder(ids, mask).repeat(2, 1, 1), mask.repeat(2, 1), torch.arange(2 * n, device=DEV) >= n)
        return dict(k=0, c={k: v.unflatten(0, (2, n)) for k, v in c.items()}, cache=[[] for _ in self.m.transformer.block_chunks],
                    hist=[torch.zeros(n, nets.BITS, 16, 16, device=DEV)])

    def run(self, p, greedy_after=None):
        """Samples decisions p.k .. to the end. ``greedy_after``: from this decision on the most likely bits."""
        t = self.m.transformer
        n = len(p["hist"][0])
        c = {k: v.flatten(0, 1) for k, v in p["c"].items()}
        cache = [[x.flatten(0, 1) for x in pair] for pair in p["cache"]]
        hist = list(p["hist"])
        for k in range(p["k"], self.points):
            s = nets.SCALES[k]
            with amp():
                logits = t.step(k, hist[-1].repeat(2, 1, 1, 1), c, cache) / self.tau
            logits = self.cfg * logits[:n] + (1 - self.cfg) * logits[n:]
            d = logits.unflatten(-1, (nets.BITS, 2))
            d = d[..., 1] - d[..., 0]
            b = d > 0 if greedy_after is not None and k >= greedy_after else torch.rand_like(d) < torch.sigmoid(d)
            code = torch.where(b, UNIT, -UNIT).transpose(1, 2).unflatten(2, (s, s))
            hist.append(hist[-1] + nets.upsample(code, 16))
        return dict(k=self.points, c=p["c"], cache=[[x.unflatten(0, (2, n)) for x in pair] for pair in cache], hist=hist)

    def cut(self, t, idx, k):
        return dict(k=k, c={n: v[:, idx] for n, v in t["c"].items()}, hist=[h[idx] for h in t["hist"][:k + 1]],
                    cache=[[x[:, idx, :, :nets.STARTS[k]] for x in pair] if k else [] for pair in t["cache"]])

    def latent(self, t, k=None):
        return t["hist"][self.points if k is None else k]

    def decode(self, z):
        with amp():
            return torch.cat([self.decoder(channels_last(x)).float().clamp(-1, 1) for x in z.split(2048)])


class Flow:
    steps, chunk = 30, 3

    def __init__(self, name, file=None, cfg=3.0, shift=3.5, eta=0.0):
        self.m = jobs.load(file or name, nets.FluxWithText(name))
        self.ae = jobs.load("autoencoder", nets.FluxAutoencoder()).to(memory_format=torch.channels_last)
        self.cfg, self.eta, self.times = cfg, eta, nets.flux_times(self.steps, shift)
        self.points = 1 + self.steps // self.chunk

    def first(self, words):
        n = len(words)
        with amp():
            txt, vec = self.m.text(torch.cat([words, torch.full_like(words, world.NONE)]))
        return dict(k=0, c=dict(txt=txt.unflatten(0, (2, n)), vec=vec.unflatten(0, (2, n))), hist=[torch.zeros(n, 64, 32, device=DEV)], x0=[torch.zeros(n, 64, 32, device=DEV)])

    def run(self, p, greedy_after=None):
        n = len(p["hist"][0])
        txt, vec = p["c"]["txt"].flatten(0, 1), p["c"]["vec"].flatten(0, 1)
        hist, guess = list(p["hist"]), list(p["x0"])
        for k in range(p["k"], self.points):
            if k == 0:
                hist.append(torch.randn_like(hist[0]))
                guess.append(torch.zeros_like(hist[0]))
                continue
            x = hist[-1]
            for j in range((k - 1) * self.chunk, k * self.chunk):
                a, b = self.times[j], self.times[j + 1]
                with amp():
                    v = self.m.flux(x.repeat(2, 1, 1), txt, vec, torch.full((2 * n,), a, device=DEV))
                v = v[n:] + self.cfg * (v[:n] - v[n:])
                x0, e = x - a * v, x + (1 - a) * v
                if self.eta and 0 < a < 1 and not (greedy_after is not None and k >= greedy_after):  # keep (lambda' / lambda) of the noise at eta 1
                    keep = 1 - self.eta * (1 - (b / (1 - b) * (1 - a) / a) ** 2)
                    e = math.sqrt(keep) * e + math.sqrt(1 - keep) * torch.randn_like(e)
                x = (1 - b) * x0 + b * e
            hist.append(x)
            guess.append(x0)
        return dict(k=self.points, c=p["c"], hist=hist, x0=guess)

    def cut(self, t, idx, k):
        return dict(k=k, c={n: v[:, idx] for n, v in t["c"].items()}, hist=[h[idx] for h in t["hist"][:k + 1]], x0=[h[idx] for h in t["x0"][:k + 1]])

    def latent(self, t, k=None):
        return t["hist"][-1] if k is None else t["x0"][k]

    def decode(self, z):
        out = []
        for x in z.split(2048):
            x = nets.unpack_latent(x.float(), 16) / self.ae.extra["scale_factor"] + self.ae.extra["shift_factor"]
            with amp():
                out.append(self.ae.decoder(channels_last(x)).float().clamp(-1, 1))
        return torch.cat(out)


def join(a, b):
    """Rows of two full trajectories in one."""
    both = dict(k=a["k"], c={k: torch.cat([v, b["c"][k]], 1) for k, v in a["c"].items()}, hist=[torch.cat(p) for p in zip(a["hist"], b["hist"])])
    if "cache" in a:
        both["cache"] = [[torch.cat(p, 1) for p in zip(x, y)] for x, y in zip(a["cache"], b["cache"])]
    if "x0" in a:
        both["x0"] = [torch.cat(p) for p in zip(a["x0"], b["x0"])]
    return both


# ---------------------------------------------------------------------------------------------- judges and verifiers
OTHER_MARGIN, HEAT, MOST = 4.0, 0.4, 12


@torch.no_grad()
def detect(detector, img, margin=OTHER_MARGIN):
    out = torch.cat([detector(channels_last(x)) for x in img.float().split(2048)])
    objectness, shape, color, texture, size, offset = out.split(nets.Detector.SPLIT, 1)
    shape = torch.cat([shape[:, :-1], shape[:, -1:] - margin], 1)
    heat = torch.sigmoid(objectness[:, 0])
    peak = (heat == F.max_pool2d(heat[:, None], 5, 1, 2)[:, 0]) & (heat > HEAT)
    value, index = (heat * peak).flatten(1).topk(MOST, 1)
    at = lambda t: t.flatten(2).gather(2, index[:, None].expand(-1, t.shape[1], -1))
    cell = torch.stack([index % 16, index // 16], 1).float()
    kinds = {k: at(t).argmax(1) for k, t in (("shape", shape), ("color", color), ("texture", texture), ("size", size))}
    return dict(valid=value > HEAT, xy=((cell + 0.5 + at(offset)) * 4).transpose(1, 2), **kinds)


def to_bytes(img):
    return (img.add(1).mul(127.5).round()).div(127.5).sub(1)


class Judge:
    """The exact evaluator, and verifiers: made from it (graded, exact, graded with noise), or learned (reward, clip)."""

    def __init__(self, learned=()):
        self.detector = jobs.load("detector", nets.Detector()).to(memory_format=torch.channels_last)
        make = {"reward": nets.ImageReward, "clip": lambda: nets.Clip(nets.CLIP_CONFIG)}
        self.learned = {n: jobs.load(n, make[n]()) for n in learned}

    def truth(self, img, spec):
        return world.check(detect(self.detector, to_bytes(img)), spec)

    def of_learned(self, name, img, spec):
        words, out = world.words(spec), []
        for a in range(0, len(img), 2048):
            x, w = nets.verifier_pixels(img[a:a + 2048]), words[a:a + 2048]
            with amp():
                if name == "reward":
                    out.append(self.learned[name](x, *nets.bert_ids(w)))
                else:
                    i, t = self.learned[name](x, nets.clip_ids(w))
                    out.append((i * t).sum(1))
        return torch.cat(out).float()

    def score(self, verifier, img, spec, ok, asked):
        good = (ok & asked).sum(1).float()
        if verifier == "graded":
            return good / asked.sum(1)
        if verifier == "exact":
            return (good == asked.sum(1)).float()
        if verifier.startswith("noisy"):  # noisy0.8: graded count plus normal noise of that many constraints
            return good + float(verifier[5:]) * torch.randn_like(good)
        return self.of_learned(verifier, img, spec)


def rows(spec, n):
    return {k: v.repeat_interleave(n, 0) for k, v in spec.items()}


def subset(spec, idx):
    return {k: v[idx] for k, v in spec.items()}


# ---------------------------------------------------------------------------------------------- costs
def costs(S):
    """FLOPs of an image by decision (guidance pair) and of a decode; multiply and add are two."""
    from torch.utils.flop_counter import FlopCounterMode
    w = torch.full((2, world.MAX_WORDS), 3, device=DEV)
    p = S.first(w)
    by = []
    for k in range(S.points):
        points = S.points
        q = dict(p)
        with FlopCounterMode(display=False) as f:
            S.points = k + 1
            q = S.run(dict(p, k=k))
            S.points = points
        by.append(f.get_total_flops() / 2)
        p = dict(q, k=k + 1)
    with FlopCounterMode(display=False) as f:
        S.decode(S.latent(p))
    return by, f.get_total_flops() / 2


# ---------------------------------------------------------------------------------------------- search
@torch.no_grad()
def run_chunked(S, prefix, limit=3072):
    """run() on at most ``limit`` rows at a time"""
    n = len(prefix["hist"][0])
    if n <= limit:
        return S.run(prefix)
    out = None
    for a in range(0, n, limit):
        idx = torch.arange(a, min(n, a + limit), device=DEV)
        part = dict(k=prefix["k"], c={k: v[:, idx] for k, v in prefix["c"].items()}, hist=[h[idx] for h in prefix["hist"]])
        if "cache" in prefix:
            part["cache"] = [[x[:, idx] for x in pair] for pair in prefix["cache"]]
        if "x0" in prefix:
            part["x0"] = [h[idx] for h in prefix["x0"]]
        part = S.run(part)
        out = part if out is None else join(out, part)
    return out


@torch.no_grad()
def beam(S, judge, spec, verifier, w, c, schedule, n0=None, elite=False, partial=False):
    """Beam search with roll-outs. ``schedule``: the prefix length that each round keeps (0 first); the paper's is 0, 1, .. K-1.
    elite: a parent's own roll-out stays among the candidates. partial: prefixes are scored by their partial decode instead (the last round by the image).
    -> per round: dict(k, rollouts per prompt, exact and graded [P] of the best image seen so far and of the best in the beam)."""
    P, trace, best = len(spec["n"]), [], None
    traj, scores, true = None, None, None
    for r, k in enumerate(schedule):
        m = (n0 or w * c) if r == 0 else w * c
        if r == 0:
            prefix = S.first(world.words(rows(spec, m)))
        else:
            m_old = scores.shape[1]
            top = (scores + 1e-4 * torch.rand_like(scores)).topk(w, 1)[1]  # [P, w]
            flat = (torch.arange(P, device=DEV)[:, None] * m_old + top).flatten()
            prefix = S.cut(traj, flat.repeat_interleave(c), k)
        new = run_chunked(S, prefix)
        img = S.decode(S.latent(new))
        sp = rows(spec, m)
        ok, asked = judge.truth(img, sp)
        sc = judge.score(verifier, img, sp, ok, asked).view(P, m)
        tr = torch.stack([((ok | ~asked).all(1)).float(), (ok & asked).sum(1) / asked.sum(1)], 1).view(P, m, 2)
        keep_sc = sc
        if partial and r + 1 < len(schedule):
            part = S.decode(S.latent(new, schedule[r + 1]))
            o, a = judge.truth(part, sp) if verifier in ("graded", "exact") or verifier.startswith("noisy") else (ok, asked)
            keep_sc = judge.score(verifier, part, sp, o, a).view(P, m)
        if elite and r:
            both = join({**S.cut(traj, flat, S.points), "k": S.points}, new)
            order = torch.cat([torch.arange(P * w, device=DEV).view(P, w), P * w + torch.arange(P * m, device=DEV).view(P, m)], 1).flatten()
            traj = {**S.cut(both, order, S.points), "k": S.points}
            scores, true = torch.cat([scores.gather(1, top), keep_sc], 1), torch.cat([true.gather(1, top[..., None].expand(-1, -1, 2)), tr], 1)
        else:
            traj, scores, true = new, keep_sc, tr
        here = (sc + 1e-4 * torch.rand_like(sc)).argmax(1)
        now = (take(sc, here), tr[torch.arange(P, device=DEV), here])
        if best is None:
            best = now
        else:
            better = now[0] > best[0]
            best = (torch.where(better, now[0], best[0]), torch.where(better[:, None], now[1], best[1]))
        last = true[torch.arange(P, device=DEV), (scores + 1e-4 * torch.rand_like(scores)).argmax(1)]
        trace.append(dict(k=k, rollouts=m, best=best[1].cpu(), last=last.cpu()))
    return trace


def take(t, index):
    return t.gather(1, index[:, None])[:, 0]


def cost_of(trace, by, decode, verify=0.0, partial=False):
    """Cumulative after each round: (NFE counted as the paper does, naive FLOPs, FLOPs with shared forwards, images).
    partial: a round runs only to the prefix that the next one keeps."""
    K, out, nfe, naive, reuse, images = len(by), [], 0, 0.0, 0.0, 0
    for n, r in enumerate(trace):
        k, m = r["k"], r["rollouts"]
        end = trace[n + 1]["k"] if partial and n + 1 < len(trace) else K
        nfe += m * (end - k)
        naive += m * (sum(by[k:end]) + decode + verify)
        reuse += m * (sum(by[k + 1:end]) + decode + verify) + (by[0] if k == 0 else 0)
        images += m
        out.append((nfe, naive, reuse, images))
    return out


@torch.no_grad()
def record(S, judge, spec, n, points=(), learned=(), limit=3072):
    """n independent images a prompt: constraints fulfilled [P, n] of asked [P], successes by kind [P, kinds] of asked_kind, learned scores [P, n];
    for every point the constraints that the partial decode fulfils [P, n, points], and its learned scores."""
    P = len(spec["n"])
    kind = torch.tensor(world.KIND, device=DEV)
    per = max(1, limit // P)
    out, kinds = [], 0
    for a in range(0, n, per):
        m = min(per, n - a)
        sp = rows(spec, m)
        t = S.run(S.first(world.words(sp)))
        img = S.decode(S.latent(t))
        ok, asked = judge.truth(img, sp)
        good = ok & asked
        kinds = kinds + torch.stack([good[:, kind == j].sum(1).view(P, m).sum(1) for j in range(6)], 1)
        part = {v: judge.of_learned(v, img, sp).view(P, m).cpu() for v in learned} | {"good": good.sum(1).to(torch.uint8).view(P, m).cpu()}
        for v in ("graded",) + tuple(learned) if points else ():
            values = []
            for k in points:
                img = S.decode(S.latent(t, k))
                o, q = judge.truth(img, sp)
                values.append(judge.score(v, img, sp, o, q).view(P, m).half().cpu())
            part["partial_" + v] = torch.stack(values, 2)
        out.append(part)
    asked = asked.view(P, m, -1)[:, 0]
    return {k: torch.cat([o[k] for o in out], 1) for k in out[0]} | {"asked": asked.sum(1).cpu(), "kinds": kinds.cpu(), "n": n,
                                                                    "asked_kinds": torch.stack([asked[:, kind == j].sum(1) for j in range(6)], 1).cpu()}


@torch.no_grad()
def prefix_variance(S, judge, spec, level, points, M=6, R=6, limit=3072):
    """Share of the variance that a prefix of length k explains, by constraint kind and for the graded score and exact success; sums over prompts."""
    P, C = len(spec["n"]), world.CONSTRAINTS
    kind = torch.tensor(world.KIND, device=DEV)
    out = {}
    step = max(1, limit // (M * R))
    for a in range(0, P, step):
        sp = subset(spec, slice(a, a + step))
        lv, p = level[a:a + step], len(sp["n"])
        base = S.run(S.first(world.words(rows(sp, M))))
        for k in points:
            t = S.run(S.cut(base, torch.arange(p * M, device=DEV).repeat_interleave(R), k))
            big = rows(sp, M * R)
            ok, asked = judge.truth(S.decode(S.latent(t)), big)
            y = torch.cat([ok.float(), ((ok & asked).sum(1) / asked.sum(1))[:, None], (ok | ~asked).all(1).float()[:, None]], 1).view(p, M, R, C + 2)
            use = torch.cat([asked, torch.ones_like(asked[:, :2])], 1).view(p, M * R, C + 2)[:, 0]
            within = y.var(2, unbiased=True).mean(1)  # [p, C + 2]
            between = y.mean(2).var(1, unbiased=True) - within / R
            for l in range(len(world.LEVELS)):
                for j, name in enumerate(world.KINDS + ["graded", "exact"]):
                    cols = (kind == j).nonzero()[:, 0] if j < 6 else torch.tensor([C + j - 6], device=DEV)
                    sel = use[lv == l][:, cols]
                    b, wv = (between[lv == l][:, cols] * sel).sum().item(), (within[lv == l][:, cols] * sel).sum().item()
                    o = out.setdefault((l, name, k), [0.0, 0.0, 0])
                    o[0] += b
                    o[1] += wv
                    o[2] += int(sel.sum())
    return out
