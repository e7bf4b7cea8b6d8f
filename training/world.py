"""The shapes world: captions, GenEval metadata and near misses (plain Python); scenes and rendering (PyTorch, batched).

A picture is 64 x 64 RGB and holds one to five flat objects on a plain background. Each object has a shape, a colour, a
texture and a size. Captions come in eight tags: GenEval's six, plus ``binding`` and ``complex`` (after T2I-CompBench).
"""
import argparse
import functools
import json
import math
import multiprocessing
import random
import zlib
from dataclasses import dataclass, field, replace

import numpy as np

SHAPES = ["circle", "square", "triangle", "star", "cross", "ring", "heart"]
PLURALS = ["circles", "squares", "triangles", "stars", "crosses", "rings", "hearts"]
COLORS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"]
TEXTURES = ["solid", "striped", "dotted"]
SIZES = ["small", "large"]
RELATIONS = ["left of", "right of", "above", "below"]  # index ^ 1 is the opposite relation
NUMBERS = ["zero", "one", "two", "three", "four", "five"]
TAGS = ["single_object", "two_object", "counting", "colors", "position", "color_attr", "binding", "complex"]
COUNTING = TAGS.index("counting")
WORDS = (["a", "an", "photo", "of", "and", ",", "two", "three", "four", "five"] + SHAPES + PLURALS + COLORS + TEXTURES
         + SIZES + ["left", "right", "above", "below", "to", "on", "the"])
WORD_ID = {w: i for i, w in enumerate(WORDS)}
MAX_WORDS = 22
NONE = -1
IMAGE = 64
TEXT_LENGTH = 24  # token ids of every text encoder: up to 22 words and the special tokens
BERT_POSITIONS = 40
SCALES = (1, 2, 4, 6, 8, 12, 16)  # the published 0.06M schedule, square
BITS = 16
VAR_SIZE = {"depth": 5, "mlp_hidden": 512}
COARSE = 0.1  # share of the tokenizer's training images that are decoded from their coarse scales only
NEGATIVES = 4
NEGATIVE_TYPES = ["color", "shape", "count", "relation", "swap", "texture", "size", "add"]


# ---------------------------------------------------------------------------------------------- captions
@dataclass
class Req:
    """One requirement: ``count`` objects of a shape, with attributes where they are stated (NONE: any)."""
    shape: int
    color: int = NONE
    texture: int = NONE
    size: int = NONE
    count: int = 1

    def attributes(self):
        return sum(v != NONE for v in (self.color, self.texture, self.size))


@dataclass
class Spec:
    """A caption's meaning. ``relations`` holds (i, r, j): requirement i stands in relation r to requirement j."""
    tag: str
    reqs: list
    relations: list = field(default_factory=list)

    def copy(self):
        return Spec(self.tag, [replace(q) for q in self.reqs], list(self.relations))


def noun_phrase(q):
    words = []
    if q.size != NONE:
        words.append(SIZES[q.size])
    if q.texture != NONE:
        words.append(TEXTURES[q.texture])
    if q.color != NONE:
        words.append(COLORS[q.color])
    if q.count > 1:
        return [NUMBERS[q.count]] + words + [PLURALS[q.shape]]
    words.append(SHAPES[q.shape])
    return ["an" if words[0] == "orange" else "a"] + words


def relation_words(r, style):
    if r >= 2:
        return [RELATIONS[r]]
    side = RELATIONS[r].split()[0]
    return [[side, "of"], ["to", "the", side, "of"], ["on", "the", side, "of"]][style]


def caption_words(spec, prefix=True, style=0):
    words = ["a", "photo", "of"] if prefix else []
    if spec.relations:
        first, second = spec.relations[0], spec.relations[1:]
        words += noun_phrase(spec.reqs[first[0]]) + relation_words(first[1], style) + noun_phrase(spec.reqs[first[2]])
        for _, r, j in second:  # the subject is the same: "... and above a green star"
            words += ["and"] + relation_words(r, style) + noun_phrase(spec.reqs[j])
        return words
    for n, q in enumerate(spec.reqs):
        if n:
            words += ["and"] if n == len(spec.reqs) - 1 else [","]
        words += noun_phrase(q)
    return words


def caption(spec, prefix=True, style=0):
    return " ".join(caption_words(spec, prefix, style)).replace(" ,", ",")


def held_out(spec):
    """True for one eighth of the captions of every tag whose caption space is large; those never train a generator."""
    if spec.tag in ("counting", "colors", "two_object"):
        return False
    if spec.tag == "single_object" and spec.reqs[0].attributes() < 2:
        return False
    return zlib.crc32(caption(spec, False).encode()) % 8 == 0


def sample_spec(tag, rng, test=False):
    below = rng.randrange
    shapes, colors = rng.sample(range(7), 3), rng.sample(range(8), 3)
    a, b = Req(shapes[0]), Req(shapes[1])
    if tag == "single_object":
        if rng.random() < 0.7:
            if rng.random() < 0.6:
                a.texture = below(3)
            if rng.random() < 0.6:
                a.size = below(2)
            if not test and rng.random() < 0.3:
                a.color = colors[0]
        return Spec(tag, [a])
    if tag == "two_object":
        return Spec(tag, [a, b])
    if tag == "counting":
        a.count = 2 + below(4)
        if rng.random() < 0.33:
            a.color = colors[0]
        return Spec(tag, [a])
    if tag == "colors":
        a.color = colors[0]
        return Spec(tag, [a])
    if tag == "position":
        if rng.random() < 0.45:
            a.color, b.color = colors[0], colors[1] if rng.random() < 0.85 else colors[0]
        return Spec(tag, [a, b], [(0, below(4), 1)])
    if tag == "color_attr":
        a.color, b.color = colors[:2]
        return Spec(tag, [a, b])
    if tag == "binding":
        mode = below(3)
        if mode != 1:
            a.texture, b.texture = rng.sample(range(3), 2)
        if mode == 1 or (mode == 2 and rng.random() < 0.5):
            a.size = below(2)
            b.size = 1 - a.size
        if rng.random() < 0.4:
            a.color, b.color = colors[:2]
        return Spec(tag, [a, b])
    if tag == "complex":
        reqs = [Req(shapes[n], colors[n]) for n in range(3)]
        relations = [(0, below(4), 1), (0, below(4), 2)]
        if not test:
            if rng.random() < 0.25:
                relations = []
            if rng.random() < 0.3:
                for q in reqs:
                    q.color = NONE
        return Spec(tag, reqs, relations)
    raise KeyError(tag)


def swappable(spec):
    if len(spec.reqs) < 2:
        return []
    a, b = spec.reqs[:2]
    return [f for f in ("color", "texture", "size") if NONE not in (getattr(a, f), getattr(b, f)) and getattr(a, f) != getattr(b, f)]


def near_miss(spec, rng):
    """A caption with one thing changed that is false of every scene of ``spec``; returns (spec, type)."""
    kinds = ["shape"] * 2
    if any(q.color != NONE for q in spec.reqs):
        kinds += ["color"] * 2
    if spec.reqs[0].count > 1:
        kinds += ["count"] * 5
    elif len(spec.reqs) == 1:
        kinds += ["count", "add"]
    if spec.relations:
        kinds += ["relation"] * 6
    if swappable(spec):
        kinds += ["swap"] * 6
    if any(q.texture != NONE for q in spec.reqs):
        kinds += ["texture"] * 2
    if len(spec.reqs) == 1 and spec.reqs[0].size != NONE:
        kinds += ["size"] * 2
    kind = rng.choice(kinds)
    s = spec.copy()

    def other(n, *taken):
        return rng.choice([v for v in range(n) if v not in taken])

    if kind == "color":
        q = rng.choice([q for q in s.reqs if q.color != NONE])
        q.color = other(8, *[x.color for x in s.reqs])
    elif kind == "shape":
        q = rng.choice(s.reqs)
        q.shape = other(7, *[x.shape for x in s.reqs])
    elif kind == "count":
        s.reqs[0].count = rng.choice([v for v in (s.reqs[0].count - 1, s.reqs[0].count + 1) if 1 <= v <= 5])
    elif kind == "relation":
        k = rng.randrange(len(s.relations))
        i, r, j = s.relations[k]
        if len(s.relations) == 1 and rng.random() < 0.25:
            s.reqs[i], s.reqs[j] = s.reqs[j], s.reqs[i]
        else:
            s.relations[k] = (i, r ^ 1 if rng.random() < 0.7 else other(4, r), j)
    elif kind == "swap":
        f = rng.choice(swappable(s))
        x, y = getattr(s.reqs[0], f), getattr(s.reqs[1], f)
        setattr(s.reqs[0], f, y)
        setattr(s.reqs[1], f, x)
    elif kind == "texture":
        q = rng.choice([q for q in s.reqs if q.texture != NONE])
        q.texture = other(3, q.texture)
    elif kind == "size":
        s.reqs[0].size = 1 - s.reqs[0].size
    elif kind == "add":
        s.reqs.append(Req(other(7, s.reqs[0].shape)))
    return s, NEGATIVE_TYPES.index(kind)


def metadata(spec, prompt):
    """One GenEval record. ``position`` refers to an earlier entry of ``include``; ``positions`` lists all relations."""
    order = list(range(len(spec.reqs)))
    if spec.relations:
        order = [j for _, _, j in spec.relations] + [spec.relations[0][0]]
    place = {o: n for n, o in enumerate(order)}
    include = []
    for o in order:
        q = spec.reqs[o]
        entry = {"class": SHAPES[q.shape], "count": q.count}
        if q.color != NONE:
            entry["color"] = COLORS[q.color]
        if q.texture != NONE:
            entry["texture"] = TEXTURES[q.texture]
        if q.size != NONE:
            entry["size"] = SIZES[q.size]
        relations = [[RELATIONS[r], place[j]] for i, r, j in spec.relations if i == o]
        if relations:
            entry["position"] = relations[0]
        if len(relations) > 1:
            entry["positions"] = relations
        include.append(entry)
    record = {"tag": spec.tag, "include": include}
    if spec.tag == "counting":
        record["exclude"] = [{"class": SHAPES[spec.reqs[0].shape], "count": spec.reqs[0].count + 1}]
    record["prompt"] = prompt
    return record


def pad_words(words):
    assert len(words) <= MAX_WORDS, words
    return [WORD_ID[w] for w in words] + [NONE] * (MAX_WORDS - len(words))


def pack(specs, rng, prefix=None, style=None):
    """Arrays (int8) of a list of specs: what the batched code below and the evaluator's check work on."""
    n = len(specs)
    out = {"words": np.full((n, MAX_WORDS), NONE, np.int8), "negatives": np.full((n, NEGATIVES, MAX_WORDS), NONE, np.int8),
           "negative_type": np.full((n, NEGATIVES), NONE, np.int8), "tag": np.zeros(n, np.int8), "reqs": np.full((n, 3, 5), NONE, np.int8),
           "relations": np.full((n, 2, 3), NONE, np.int8), "objects": np.zeros(n, np.int8), "slots": np.full((n, 5, 4), NONE, np.int8)}
    for a, s in enumerate(specs):
        p = rng.random() < 0.6 if prefix is None else prefix
        st = rng.choice([0, 0, 1, 2]) if style is None else style
        out["words"][a] = pad_words(caption_words(s, p, st))
        for b in range(NEGATIVES):
            wrong, kind = near_miss(s, rng)
            out["negatives"][a, b] = pad_words(caption_words(wrong, p, st))
            out["negative_type"][a, b] = kind
        out["tag"][a] = TAGS.index(s.tag)
        k = 0
        for b, q in enumerate(s.reqs):
            out["reqs"][a, b] = [q.shape, q.color, q.texture, q.size, q.count]
            for _ in range(q.count):
                out["slots"][a, k] = [q.shape, q.color, q.texture, q.size]
                k += 1
        out["objects"][a] = k
        for b, r in enumerate(s.relations):
            out["relations"][a, b] = r
    return out


MIX = {"single_object": 2, "two_object": 2.5, "counting": 3, "colors": 1.5, "position": 3, "color_attr": 3, "binding": 3, "complex": 3.5}


def _pool_part(job):
    count, seed = job
    rng = random.Random(seed)
    specs = []
    for tag in rng.choices(list(MIX), list(MIX.values()), k=count):
        s = sample_spec(tag, rng)
        while held_out(s):
            s = sample_spec(tag, rng)
        specs.append(s)
    return pack(specs, rng)


def make_pool(count, seed, workers=8):
    """``count`` random training specs (none held out), packed."""
    jobs = [(count // workers, seed * 1000 + k) for k in range(workers)]
    with multiprocessing.get_context("fork").Pool(workers) as p:
        parts = p.map(_pool_part, jobs)
    return {k: np.concatenate([x[k] for x in parts]) for k in parts[0]}


def make_prompts(per_tag, seed, exclude=()):
    """Distinct evaluation prompts, held out wherever the caption space allows; returns (specs, GenEval records)."""
    rng = random.Random(seed)
    specs, records = [], []
    for tag in TAGS:
        seen, counts, tries = {}, {}, 0
        while len(seen) < per_tag:
            tries += 1
            assert tries < 500000, tag
            s = sample_spec(tag, rng, test=True)
            prompt = caption(s)
            if prompt in seen or prompt in exclude:
                continue
            if tag in ("position", "color_attr", "binding", "complex") and not held_out(s):
                continue
            if tag == "counting":
                c = s.reqs[0].count
                if counts.get(c, 0) >= -(-per_tag // 4):
                    continue
                counts[c] = counts.get(c, 0) + 1
            seen[prompt] = s
        specs += seen.values()
        records += [metadata(s, p) for p, s in seen.items()]
    return specs, records


def evaluation_prompts():
    """(test specs, test records, validation specs, validation records): 32 and 10 prompts a tag, disjoint."""
    test, test_records = make_prompts(32, 77)
    val, val_records = make_prompts(10, 78, {r["prompt"] for r in test_records})
    return test, test_records, val, val_records


# ---------------------------------------------------------------------------------------------- scenes and rendering
try:
    import torch
except ImportError:  # the prompts can be made without PyTorch
    torch = None

@functools.lru_cache(maxsize=None)
def constant(values, device):
    """A small table on the device, copied there once."""
    return torch.tensor(values, device=device)


RGB = [[.88, .12, .12], [.98, .55, .08], [.97, .88, .15], [.13, .65, .22], [.14, .33, .90], [.52, .16, .72], [.98, .55, .75], [.48, .27, .10]]
LIGHT_COLORS = (1, 2, 6)  # their second tone is dark; the others' is nearly white
PERIOD = 5.6  # pixels; of stripes and of dots
SMALL_RADIUS, LARGE_RADIUS = (6.6, 7.8), (10.5, 12.5)
PAIRS = [(i, j) for i in range(5) for j in range(i)]


def sample_scene(rows, tries=128, blends=0.0):
    """Fills the attributes that a caption leaves open and places the objects. Rows for which no layout was found are
    replaced by copies of rows that have one, so the rows are returned too. ``blends``: share of objects drawn as a mix
    of two shapes (the detector learns to call them 'other')."""
    slots, n = rows["slots"], rows["objects"]
    dev, b = slots.device, n.shape[0]

    def rnd(*s):
        return torch.rand(*s, device=dev)

    present = torch.arange(5, device=dev)[None] < n[:, None]
    alike = (rnd(b, 1) < 0.6) & (rows["tag"][:, None] == COUNTING)  # most counted groups are uniform

    def fill(stated, free):
        free = torch.where(alike, free[:, :1].expand_as(free), free)
        return torch.where(stated == NONE, free, stated)

    shape = torch.where(present, slots[..., 0], 0)
    color = fill(slots[..., 1], torch.randint(8, (b, 5), device=dev))
    u = rnd(b, 5)
    texture = fill(slots[..., 2], (u > 0.6).long() + (u > 0.8).long())
    p_large = torch.tensor([0, .6, .45, .2, .06, 0.], device=dev)[n][:, None]
    size = fill(slots[..., 3], (rnd(b, 5) < p_large).long())
    span = lambda r: r[0] + (r[1] - r[0]) * rnd(b, 5)
    radius = torch.where(size == 1, span(LARGE_RADIUS), span(SMALL_RADIUS))
    low = radius[:, None] + 1.0
    xy = low[..., None] + rnd(b, tries, 5, 2) * (IMAGE - 2 * low)[..., None]
    margin = torch.full((b, tries), 99.0, device=dev)
    for i, j in PAIRS:
        gap = (xy[:, :, i] - xy[:, :, j]).norm(dim=-1) - (radius[:, i] + radius[:, j] + 1.5)[:, None]
        margin = torch.where((present[:, i] & present[:, j])[:, None], torch.minimum(margin, gap), margin)
    row = torch.arange(b, device=dev)
    for k in range(2):
        i, r, j = rows["relations"][:, k].unbind(1)
        active = (r != NONE)[:, None]
        d = xy[row, :, j.clamp(min=0)] - xy[row, :, i.clamp(min=0)]
        vertical = (r >= 2)[:, None]
        sign = torch.where((r == 0) | (r == 2), 1.0, -1.0)[:, None]
        main = torch.where(vertical, d[..., 1], d[..., 0]) * sign
        off = torch.where(vertical, d[..., 0], d[..., 1]).abs()
        margin = torch.where(active, torch.minimum(margin, main - 1.3 * off), margin)
    best = (margin.clamp(max=1.0) + 0.01 * rnd(b, tries)).argmax(1)
    ok = margin[row, best] >= 0
    source = torch.where(ok, row, torch.multinomial(ok.float() + 1e-9, b, replacement=True))
    blended = present & (rnd(b, 5) < blends)
    scene = dict(shape=shape, color=color, texture=texture, size=size, radius=radius, xy=xy[row, best], present=present,
                 blended=blended, shape2=(shape + torch.randint(1, 7, (b, 5), device=dev)) % 7,
                 blend=torch.where(blended, 0.4 + 0.2 * rnd(b, 5), torch.zeros(b, 5, device=dev)))
    scene = {k: v[source] for k, v in scene.items()}
    c1 = (torch.tensor(RGB, device=dev)[scene["color"]] + (rnd(b, 5, 3) - 0.5) * 0.09).clamp(0, 1)
    dark = torch.zeros(8, device=dev)
    dark[list(LIGHT_COLORS)] = 1
    dark = dark[scene["color"]][..., None]
    scene["c1"], scene["c2"] = c1, (dark * (c1 * 0.25) + (1 - dark) * (c1 * 0.25 + 0.72)).clamp(0, 1)
    scene["rotation"] = (rnd(b, 5) - 0.5) * 0.5
    grey = torch.where(rnd(b, 1) < 0.65, 0.78 + 0.19 * rnd(b, 1), 0.04 + 0.16 * rnd(b, 1))
    scene["background"] = (grey + (rnd(b, 3) - 0.5) * 0.06).clamp(0, 1)
    scene["gradient"] = (rnd(b, 2) - 0.5) * 0.12
    return {k: v[source] for k, v in rows.items()}, scene


def shape_distances(x, y):
    """Signed distances (unit circumradius, y down, negative inside) of the seven shapes, as a list."""
    r = torch.sqrt(x * x + y * y + 1e-9)
    ax, ay = x.abs(), y.abs()
    low = y - 0.12
    triangle = torch.maximum(low - 0.55, 0.8660254 * ax - 0.5 * low - 0.55)
    fifth = 2 * math.pi / 5
    angle = torch.atan2(ax, -y)
    angle = (angle - fifth * torch.round(angle / fifth)).abs()
    px, py = r * torch.cos(angle), r * torch.sin(angle)
    ix, iy = 0.45 * math.cos(math.pi / 5), 0.45 * math.sin(math.pi / 5)
    star = ((px - 1.0) * iy + py * (1.0 - ix)) / math.hypot(iy, 1.0 - ix)
    cross = torch.minimum(torch.maximum(ax - 0.92, ay - 0.30), torch.maximum(ax - 0.30, ay - 0.92))
    qx, qy = ax - 0.42, y + 0.28
    lobe = torch.sqrt(qx * qx + qy * qy + 1e-9) - 0.50
    point = torch.maximum(0.74 * ax + 0.67 * y - 0.623, 0.67 * qx - 0.74 * qy)
    return [r - 0.90, torch.maximum(ax, ay) - 0.77, triangle, star, cross, (r - 0.70).abs() - 0.22, torch.minimum(lobe, point)]


def _draw(img, x, y, radius, rotation, present, shape, shape2, blend, texture, c1, c2):
    g = torch.arange(IMAGE, device=img.device).float() + 0.5
    dx, dy = g[None, None, :] - x, g[None, :, None] - y
    c, s = torch.cos(rotation), torch.sin(rotation)
    lx, ly = c * dx + s * dy, -s * dx + c * dy
    first = second = 0.0
    for k, d in enumerate(shape_distances(lx / radius, ly / radius)):
        first = first + d * (shape == k)
        second = second + d * (shape2 == k)
    alpha = (0.5 - (first * (1 - blend) + second * blend) * radius).clamp(0, 1) * present
    stripe = (0.5 + 1.6 * torch.sin((lx + ly) * (0.70710678 * 2 * math.pi / PERIOD))).clamp(0, 1)
    ux, uy = lx / PERIOD, ly / PERIOD
    ux, uy = (ux - torch.round(ux)) * PERIOD, (uy - torch.round(uy)) * PERIOD
    dot = (0.5 + 1.65 - torch.sqrt(ux * ux + uy * uy + 1e-6)).clamp(0, 1)
    tone = stripe * (texture == 1) + dot * (texture == 2)
    return img + (c1 + (c2 - c1) * tone[:, None] - img) * alpha[:, None]


def render(scene):
    """-> uint8 [B, 3, 64, 64]"""
    dev = scene["radius"].device
    g = (torch.arange(IMAGE, device=dev).float() + 0.5) / IMAGE - 0.5
    shade = scene["gradient"][:, 0, None, None] * g[None, None, :] + scene["gradient"][:, 1, None, None] * g[None, :, None]
    img = scene["background"][:, :, None, None] + shade[:, None]
    for o in range(5):
        flat = [scene[k][:, o, None, None] for k in ("radius", "rotation", "present", "shape", "shape2", "blend", "texture")]
        img = _draw(img, scene["xy"][:, o, 0, None, None], scene["xy"][:, o, 1, None, None], *flat,
                    scene["c1"][:, o, :, None, None], scene["c2"][:, o, :, None, None])
    return (img.clamp(0, 1) * 255).round().to(torch.uint8)


def object_mask(xy, radius, present, pad=2.0):
    """[B, 64, 64]: 1 inside the circumscribed circle (plus ``pad`` pixels) of any object."""
    g = torch.arange(IMAGE, device=xy.device).float() + 0.5
    d = (g[None, None, None, :] - xy[:, :, 0, None, None]) ** 2 + (g[None, None, :, None] - xy[:, :, 1, None, None]) ** 2
    return ((d < (radius.float() + pad)[..., None, None] ** 2) & present[..., None, None]).any(1).float()


def augment(img, blur=0.9, noise=0.05):
    """Random blur, noise, brightness and contrast of images in [-1, 1]; used to train the detector and the verifiers."""
    b, dev = img.shape[0], img.device
    sigma = torch.rand(b, 1, device=dev) * blur + 0.05
    t = torch.arange(-2, 3, device=dev).float()[None]
    k = torch.exp(-t * t / (2 * sigma * sigma))
    k = k / k.sum(1, keepdim=True)
    x = torch.nn.functional.pad(img, (2, 2, 2, 2), mode="replicate")
    x = sum(x[..., i:i + IMAGE] * k[:, i, None, None, None] for i in range(5))
    x = sum(x[:, :, i:i + IMAGE] * k[:, i, None, None, None] for i in range(5))
    x = x * (1 + (torch.rand(b, 1, 1, 1, device=dev) - 0.5) * 0.2) + (torch.rand(b, 3, 1, 1, device=dev) - 0.5) * 0.1
    x = x + torch.randn_like(x) * (torch.rand(b, 1, 1, 1, device=dev) * noise)
    return x.clamp(-1, 1)


# ---------------------------------------------------------------------------------------------- captions made on the GPU
def _table(words):
    return tuple(WORD_ID[w] for w in words)


def _pair_phrase(a, b, relation, style, prefix):
    """Word ids [B, 22] of "[a photo of] A <relation> B"; a, b: dicts of index tensors with NONE for what is not said;
    relation NONE means "and"."""
    dev = relation.device
    w = lambda name: torch.full_like(relation, WORD_ID[name])
    none = torch.full_like(relation, NONE)

    def lookup(words, index):
        return torch.where(index == NONE, none, constant(_table(words), dev)[index.clamp(min=0)])

    def noun(q):
        size, texture, color = lookup(SIZES, q["size"]), lookup(TEXTURES, q["texture"]), lookup(COLORS, q["color"])
        orange = (q["size"] == NONE) & (q["texture"] == NONE) & (q["color"] == COLORS.index("orange"))
        return [torch.where(orange, w("an"), w("a")), size, texture, color, lookup(SHAPES, q["shape"])]

    side = constant(_table(["left", "right", "above", "below"]), dev)[relation.clamp(min=0)]
    sideways = (relation == 0) | (relation == 1)
    long = sideways & (style > 0)
    link = [torch.where(long, torch.where(style == 1, w("to"), w("on")), none), torch.where(long, w("the"), none),
            torch.where(relation == NONE, w("and"), side), torch.where(sideways, w("of"), none)]
    head = [torch.where(prefix, w(x), none) for x in ("a", "photo", "of")]
    ids = torch.stack(head + noun(a) + link + noun(b), 1)
    order = torch.argsort((ids == NONE).to(torch.int8), dim=1, stable=True)
    ids = ids.gather(1, order)
    return torch.nn.functional.pad(ids, (0, MAX_WORDS - ids.shape[1]), value=NONE)


def pair_captions(scene):
    """A true caption about two objects of each scene and three near misses, made from what is drawn.

    Returns (words [B, 4, 22], usable [B], relational [B]): the true caption first. Two objects of different, unique shapes are described with a
    random subset of their attributes and, where one direction clearly dominates, their relation. Not usable: scenes without such a pair."""
    shape, present, xy = scene["shape"].long(), scene["present"], scene["xy"].float()
    b, dev = shape.shape[0], shape.device
    same = (shape[:, :, None] == shape[:, None, :]) & present[:, :, None] & present[:, None, :]
    unique = present & (same.sum(2) == 1)
    usable = unique.sum(1) >= 2
    pick = (unique.float() + 1e-6).multinomial(2)
    row = torch.arange(b, device=dev)

    def take(key, index):
        return scene[key].long()[row, index]

    i, j = pick.unbind(1)
    flags = torch.rand(b, 3, device=dev)
    hide = dict(color=flags[:, 0] < 0.35, texture=flags[:, 1] < 0.6, size=flags[:, 2] < 0.7)
    describe = lambda k: {f: torch.where(hide[f], NONE, take(f, k)) for f in hide} | {"shape": take("shape", k)}
    a, c = describe(i), describe(j)
    d = xy[row, j] - xy[row, i]
    ax, ay = d[:, 0].abs(), d[:, 1].abs()
    horizontal, vertical = ax > 1.25 * ay, ay > 1.25 * ax
    relation = torch.where(horizontal, torch.where(d[:, 0] > 0, 0, 1), torch.where(vertical, torch.where(d[:, 1] > 0, 2, 3), NONE))
    relation = torch.where(torch.rand(b, device=dev) < 0.15, NONE, relation)
    related = relation != NONE
    style, prefix = torch.randint(3, (b,), device=dev), torch.rand(b, device=dev) < 0.6
    phrase = lambda x, y, r: _pair_phrase(x, y, r, style, prefix)
    # changes of one attribute: of those said and different, one is swapped; otherwise a shape is replaced by one not in the scene
    differ = torch.stack([(a[f] != c[f]) & (a[f] != NONE) for f in ("color", "texture", "size")], 1)
    can_swap = differ.any(1)
    which = (differ.float() + 1e-6).multinomial(1)[:, 0]
    sa, sc = dict(a), dict(c)
    for n, f in enumerate(("color", "texture", "size")):
        hit = can_swap & (which == n)
        sa[f], sc[f] = torch.where(hit, c[f], a[f]), torch.where(hit, a[f], c[f])
    absent = torch.ones(b, 7, device=dev)
    absent.scatter_(1, torch.where(present, shape, shape[:, :1]), 0.0)
    new_shape = absent.multinomial(1)[:, 0]
    replaced = dict(a)
    replaced["shape"] = new_shape
    swap = phrase({f: torch.where(can_swap, sa[f], replaced[f]) for f in a}, {f: torch.where(can_swap, sc[f], c[f]) for f in c}, relation)
    opposite = torch.where(related, relation ^ 1, relation)
    shape_miss = phrase(replaced, c, relation)
    flip = torch.where(related[:, None], phrase(a, c, opposite), swap)
    turned = torch.where(related[:, None], phrase(c, a, relation), shape_miss)
    third = torch.where((torch.rand(b, device=dev) < 0.2)[:, None], shape_miss, swap)
    return torch.stack([phrase(a, c, relation), flip, turned, third], 1), usable, related


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Writes the evaluation prompts.")
    parser.add_argument("directory")
    out = parser.parse_args().directory
    _, test_records, _, val_records = evaluation_prompts()
    for name, records in (("geneval", test_records), ("validation", val_records)):
        with open(f"{out}/{name}.jsonl", "w") as f:
            f.writelines(json.dumps(r) + "\n" for r in records)
        print(name, len(records))
