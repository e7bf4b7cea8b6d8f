"""World 2: scenes of two to eight objects, drawn first and described afterwards, wholly on the GPU.

A scene is up to seven groups of equal objects (shape, colour, texture, size, count), all of different shape. A caption names the groups in
order; between two neighbouring single objects it may state their relation: "small red striped circle left of large blue heart and two ...".
A prompt's constraints (35 places): for each of seven groups its count, colour, texture, size; six relations; the number of all objects.
The networks are those of ../nets.py with the sizes below.
"""
import functools
import math

import torch

SHAPES = ["circle", "square", "triangle", "star", "cross", "ring", "heart"]
PLURALS = ["circles", "squares", "triangles", "stars", "crosses", "rings", "hearts"]
COLORS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"]
TEXTURES = ["solid", "striped", "dotted"]
SIZES = ["small", "large"]
RELATIONS = ["left of", "right of", "above", "below"]  # index ^ 1 is the opposite
NUMBERS = ["two", "three", "four", "five", "six", "seven", "eight"]
WORDS = NUMBERS + SIZES + TEXTURES + COLORS + SHAPES + PLURALS + ["left", "right", "of", "above", "below", "and"]
WORD_ID = {w: i for i, w in enumerate(WORDS)}
NONE, IMAGE = -1, 64
SLOTS, GROUPS = 8, 7  # objects of a scene, groups of a caption
MAX_WORDS = 44  # seven single objects with all attributes and relations take 40
CONSTRAINTS = 5 * GROUPS
KINDS = ["count", "color", "texture", "size", "relation", "total"]
KIND = [k for _ in range(GROUPS) for k in range(4)] + [4] * (GROUPS - 1) + [5]  # of each constraint
MISSES = ["color", "texture", "size", "shape", "swap", "relation", "count"]
# levels: objects, attributes stated (colour, texture, size); all relations between neighbours are stated
LEVELS = [(2, (1, 0, 0)), (3, (1, 0, 1)), (4, (1, 1, 1)), (5, (1, 1, 1)), (6, (1, 1, 1)), (7, (1, 1, 1)), (8, (1, 1, 1))]

# sizes of the networks (../nets.py)
TEXT_LENGTH = 48
BERT_POSITIONS = 48
SCALES = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)  # VAR's published schedule
BITS = 24
VAR_SIZE = {"depth": 6, "mlp_hidden": 576}
COARSE = 0.15

RGB = [[.88, .12, .12], [.98, .55, .08], [.97, .88, .15], [.13, .65, .22], [.14, .33, .90], [.52, .16, .72], [.98, .55, .75], [.48, .27, .10]]
LIGHT_COLORS = (1, 2, 6)
PERIOD = 5.6
RADII = ((6.8, 7.6), (10.2, 11.6))
P_OBJECTS = (0, .03, .10, .14, .16, .17, .16, .13, .11)
P_LARGE = (0, .6, .5, .42, .34, .26, .2, .14, .1)


@functools.lru_cache(maxsize=None)
def constant(values, device):
    return torch.tensor(values, device=device)


def pick(mask):
    """A random true column of each row."""
    return (mask.float() * (torch.rand(mask.shape, device=mask.device) + 0.01)).argmax(1)


def take(t, index):
    return t.gather(1, index[:, None])[:, 0]


# ---------------------------------------------------------------------------------------------- scenes
def sample_scene(b, dev, objects=None, copies=0.12, blends=0.0):
    rnd = lambda *s: torch.rand(*s, device=dev)
    n = torch.full((b,), objects, device=dev) if objects else torch.multinomial(torch.tensor(P_OBJECTS, device=dev), b, replacement=True)
    slot = torch.arange(SLOTS, device=dev)[None]
    present = slot < n[:, None]
    group = ((~((rnd(b, SLOTS) < copies) & (slot > 0))).long().cumsum(1) - 1).clamp(max=GROUPS - 1)
    of = lambda v: v.gather(1, group)
    shape = of(rnd(b, 7).argsort(1))
    color = of(torch.randint(8, (b, SLOTS), device=dev))
    texture = of(torch.multinomial(torch.tensor([.4, .3, .3], device=dev), b * SLOTS, replacement=True).view(b, SLOTS))
    size = of((rnd(b, SLOTS) < torch.tensor(P_LARGE, device=dev)[n][:, None]).long())
    span = lambda r: r[0] + (r[1] - r[0]) * rnd(b, SLOTS)
    radius = torch.where(size == 1, span(RADII[1]), span(RADII[0]))
    low = (radius + 1.0)[..., None]
    xy = low + rnd(b, SLOTS, 2) * (IMAGE - 2 * low)
    both = (present[:, :, None] & present[:, None]) & ~torch.eye(SLOTS, dtype=torch.bool, device=dev)
    need = radius[:, :, None] + radius[:, None] + 1.8
    for _ in range(80):  # push overlapping objects apart
        d = xy[:, :, None] - xy[:, None] + 1e-3 * torch.randn(b, SLOTS, SLOTS, 2, device=dev)
        dist = d.norm(dim=-1).clamp(min=1e-3)
        over = (need - dist).clamp(min=0) * both
        xy = xy + (d / dist[..., None] * over[..., None]).sum(2) * 0.45
        xy = torch.minimum(torch.maximum(xy, low), IMAGE - low)
    ok = ((need - (xy[:, :, None] - xy[:, None]).norm(dim=-1)) * both).flatten(1).max(1)[0] < 1.0
    blended = present & (rnd(b, SLOTS) < blends)
    c1 = (torch.tensor(RGB, device=dev)[color] + (rnd(b, SLOTS, 3) - 0.5) * 0.09).clamp(0, 1)
    dark = torch.zeros(8, device=dev)
    dark[list(LIGHT_COLORS)] = 1
    dark = dark[color][..., None]
    grey = torch.where(rnd(b, 1) < 0.65, 0.78 + 0.19 * rnd(b, 1), 0.04 + 0.16 * rnd(b, 1))
    scene = dict(n=n, group=group, present=present, shape=shape, color=color, texture=texture, size=size, radius=radius, xy=xy, blended=blended,
                 shape2=(shape + torch.randint(1, 7, (b, SLOTS), device=dev)) % 7, blend=torch.where(blended, 0.4 + 0.2 * rnd(b, SLOTS), torch.zeros(b, SLOTS, device=dev)),
                 c1=c1, c2=(dark * (c1 * 0.42) + (1 - dark) * (c1 * 0.45 + 0.42)).clamp(0, 1), rotation=(rnd(b, SLOTS) - 0.5) * 0.5,
                 background=(grey + (rnd(b, 3) - 0.5) * 0.06).clamp(0, 1), gradient=(rnd(b, 2) - 0.5) * 0.12)
    source = torch.where(ok, torch.arange(b, device=dev), torch.multinomial(ok.float() + 1e-9, b, replacement=True))
    return {k: v[source] for k, v in scene.items()}


def shape_distances(x, y):
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
    for o in range(SLOTS):
        flat = [scene[k][:, o, None, None] for k in ("radius", "rotation", "present", "shape", "shape2", "blend", "texture")]
        img = _draw(img, scene["xy"][:, o, 0, None, None], scene["xy"][:, o, 1, None, None], *flat,
                    scene["c1"][:, o, :, None, None], scene["c2"][:, o, :, None, None])
    return (img.clamp(0, 1) * 255).round().to(torch.uint8)


def object_mask(xy, radius, present, pad=2.0):
    g = torch.arange(IMAGE, device=xy.device).float() + 0.5
    d = (g[None, None, None, :] - xy[:, :, 0, None, None]) ** 2 + (g[None, None, :, None] - xy[:, :, 1, None, None]) ** 2
    return ((d < (radius.float() + pad)[..., None, None] ** 2) & present[..., None, None]).any(1).float()


def augment(img, blur=0.9, noise=0.05):
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


# ---------------------------------------------------------------------------------------------- what a caption says
def describe(scene, stated=None):
    """A spec: [B, 7] shape, count, color, texture, size (NONE: not said), rel [B, 6], n [B]. ``stated``: (colour, texture, size) to state for all
    groups, with all relations that are clear; None: a random selection, as for training."""
    group, present = scene["group"].long(), scene["present"]
    b, dev = group.shape[0], group.device
    member = (group[:, None, :] == torch.arange(GROUPS, device=dev)[None, :, None]) & present[:, None]  # [B, group, slot]
    count = member.sum(2)
    first = member.float().argmax(2)
    active = count > 0
    spec = dict(shape=torch.where(active, scene["shape"].long().gather(1, first), NONE), count=count, n=scene["n"].long())
    if stated is None:
        keep = torch.where(torch.rand(b, 1, device=dev) < 0.5, 1.0, 0.8)
        say = lambda p, m: (torch.rand(b, 1, device=dev) < p) & (torch.rand(b, m, device=dev) < keep)
        flags = [say(p, GROUPS) for p in (0.9, 0.65, 0.65)]
        say_rel = say(0.75, GROUPS - 1)
    else:
        flags = [torch.full((b, GROUPS), bool(s), device=dev) for s in stated]
        say_rel = torch.ones(b, GROUPS - 1, dtype=torch.bool, device=dev)
    for k, f in zip(("color", "texture", "size"), flags):
        spec[k] = torch.where(active & f, scene[k].long().gather(1, first), NONE)
    at = scene["xy"].float().gather(1, first[..., None].expand(-1, -1, 2))
    d = at[:, 1:] - at[:, :-1]
    ax, ay = d[..., 0].abs(), d[..., 1].abs()
    rel = torch.where(ax > 1.3 * ay, torch.where(d[..., 0] > 0, 0, 1), torch.where(ay > 1.3 * ax, torch.where(d[..., 1] > 0, 2, 3), NONE))
    single = (count[:, 1:] == 1) & (count[:, :-1] == 1)
    spec["rel"] = torch.where(single & say_rel, rel, NONE)
    return spec


def words(spec):
    """-> word ids [B, 44], padded with NONE"""
    dev = spec["shape"].device
    none = torch.full_like(spec["shape"], NONE)

    def lookup(names, index):
        return torch.where(index == NONE, NONE, constant(tuple(WORD_ID.get(w, NONE) for w in names), dev)[index.clamp(min=0)])

    active = spec["count"] > 0
    rel = torch.nn.functional.pad(spec["rel"], (0, 1), value=NONE)
    following = torch.nn.functional.pad(active[:, 1:], (0, 1))
    link = torch.where(following, torch.where(rel == NONE, WORD_ID["and"], lookup(("left", "right", "above", "below"), rel)), none)
    of = torch.where(following & ((rel == 0) | (rel == 1)), WORD_ID["of"], none)
    number = torch.where(spec["count"] > 1, lookup(NUMBERS, (spec["count"] - 2).clamp(min=0)), none)
    noun = torch.where(spec["count"] > 1, lookup(PLURALS, spec["shape"]), lookup(SHAPES, spec["shape"]))
    noun = torch.where(active, noun, none)
    ids = torch.stack([number, lookup(SIZES, spec["size"]), lookup(TEXTURES, spec["texture"]), lookup(COLORS, spec["color"]), noun, link, of], 2).flatten(1)
    key = (ids == NONE).long() * 100 + torch.arange(ids.shape[1], device=dev)
    return ids.gather(1, key.argsort(1))[:, :MAX_WORDS]


def text(row):
    return " ".join(WORDS[i] for i in row.tolist() if i >= 0)


def check(found, spec):
    """found: detections [B, 12] (valid, shape, color, texture, size) and xy [B, 12, 2] -> (fulfilled [B, 35], asked [B, 35])"""
    valid = found["valid"]
    is_g = valid[:, None] & (found["shape"][:, None] == spec["shape"][:, :, None])
    cnt, active = is_g.sum(2), spec["count"] > 0
    ok, asked = [cnt == spec["count"]], [active]
    for k in ("color", "texture", "size"):
        ok.append(((found[k][:, None] == spec[k][:, :, None]) | ~is_g).all(2) & (cnt > 0))
        asked.append(active & (spec[k] != NONE))
    d = found["xy"][:, None] - found["xy"][:, :, None]  # [B, a, b]: b minus a
    rels = []
    for g in range(GROUPS - 1):
        r = spec["rel"][:, g]
        vertical = (r >= 2)[:, None, None]
        sign = torch.where((r == 0) | (r == 2), 1.0, -1.0)[:, None, None]
        main = torch.where(vertical, d[..., 1], d[..., 0]) * sign
        off = torch.where(vertical, d[..., 0], d[..., 1]).abs()
        rels.append(((main > 3) & (main > off) & is_g[:, g, :, None] & is_g[:, g + 1, None, :]).flatten(1).any(1))
    return (torch.cat([torch.stack(ok, 2).flatten(1), torch.stack(rels, 1), (valid.sum(1) == spec["n"])[:, None]], 1),
            torch.cat([torch.stack(asked, 2).flatten(1), spec["rel"] != NONE, torch.ones_like(valid[:, :1])], 1))


def near_miss(spec):
    """One thing changed -> (spec, kind [B])"""
    active = spec["count"] > 0
    b, dev = active.shape[0], active.device
    out, can = [], []

    def put(key, g, value):
        s = dict(spec)
        s[key] = spec[key].scatter(1, g[:, None], value[:, None])
        return s

    for key, n in (("color", 8), ("texture", 3), ("size", 2)):
        m = spec[key] != NONE
        g = pick(m)
        old = take(spec[key], g)
        out.append(put(key, g, (old + 1 + torch.randint(n - 1, (b,), device=dev)) % n))
        can.append(m.any(1))
    absent = torch.ones(b, 8, device=dev).scatter(1, torch.where(active, spec["shape"], 7), 0.0)[:, :7] > 0
    g = pick(active)
    out.append(put("shape", g, pick(absent)))
    can.append(absent.any(1))
    best, ok = dict(spec), torch.zeros(b, dtype=torch.bool, device=dev)
    for key in ("color", "texture", "size"):
        m = spec[key] != NONE
        g = pick(m)
        v = take(spec[key], g)
        m2 = m & (spec[key] != v[:, None])
        h = pick(m2)
        can_here = m2.any(1) & ~(ok & (torch.rand(b, device=dev) < 0.5))
        s = spec[key].scatter(1, g[:, None], take(spec[key], h)[:, None]).scatter(1, h[:, None], v[:, None])
        for k2 in ("color", "texture", "size"):
            best[k2] = torch.where(can_here[:, None], s if k2 == key else spec[k2], best[k2])
        ok = ok | can_here
    out.append(best)
    can.append(ok)
    m = spec["rel"] != NONE
    g = pick(m)
    out.append(put("rel", g, take(spec["rel"], g).clamp(min=0) ^ 1))
    can.append(m.any(1))
    g = pick(active)
    old = take(spec["count"], g)
    new = torch.where((old == 1) | (torch.rand(b, device=dev) < 0.5), old + 1, old - 1).clamp(max=SLOTS)
    s = put("count", g, new)
    s["n"] = spec["n"] + new - old
    out.append(s)
    can.append(new != old)
    weight = torch.tensor([1., 1., 1., 1., 2., 2., 1.], device=dev) * torch.stack(can, 1)
    kind = weight.multinomial(1)[:, 0]
    stacked = {k: torch.stack([s[k] for s in out], 1) for k in spec}
    row = torch.arange(b, device=dev)
    return {k: v[row, kind] for k, v in stacked.items()}, kind


def prompts(per_level, seed, dev):
    """Test prompts: (spec, level [P]). Made on the CPU so that they are the same everywhere; every relation between single neighbours is clear."""
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    parts = []
    for n, stated in LEVELS:
        scene = sample_scene(max(64, per_level * 40), "cpu", objects=n, copies=0.06)
        spec = describe(scene, stated)
        single = (spec["count"][:, 1:] == 1) & (spec["count"][:, :-1] == 1)
        clear = (~single | (spec["rel"] != NONE)).all(1)
        parts.append({k: v[clear][:per_level] for k, v in spec.items()})
        assert len(parts[-1]["n"]) == per_level, (n, int(clear.sum()))
    torch.random.set_rng_state(state)
    spec = {k: torch.cat([p[k] for p in parts]).to(dev) for k in parts[0]}
    return spec, torch.arange(len(LEVELS)).repeat_interleave(per_level).to(dev)
