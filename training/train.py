"""One training job: ``python train.py JOB --end UNIX_TIME --out DIR``.

Every job trains until the given wall-clock time, with the learning rate falling to zero at that moment, and writes its
averaged weights atomically to DIR/JOB.pt, every minute and at the end. Jobs that need another job's weights wait for them
(DIR/NAME.final). run_all.py runs them all.
"""
import argparse
import copy
import functools
import json
import math
import os
import time

import torch
import torch.distributed as dist
import torch.nn.functional as F

import nets
import world

torch.set_float32_matmul_precision("high")
torch.backends.cudnn.benchmark = True
torch.backends.cudnn.allow_tf32 = True
DEV = "cuda" if torch.cuda.is_available() else "cpu"  # the processor is for trials of a few steps
amp = functools.partial(torch.autocast, DEV, dtype=torch.bfloat16)
ARGS = argparse.Namespace(smoke=False, out=".", end=0.0)
START = time.time()


def log(job, *words):
    print(f"[{time.time() - START:6.1f} {job}]", *words, flush=True)


def sized(full, small):
    return small if ARGS.smoke else full


# ---------------------------------------------------------------------------------------------- optimiser
def orthogonalise(g):
    """Newton-Schulz iteration of a stack of matrices towards their orthogonal factors (Muon; kellerjordan.github.io/posts/muon)."""
    x = g.bfloat16()
    flip = x.shape[-2] > x.shape[-1]
    if flip:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.mT if flip else x).float()


NOT_MUON = ("embed", "shared.", "relative", "cfg_uncond", "head", "final_layer", "img_in", "txt_in", "time_in.in", "mlp.layers", "patch", "projection", "mat_q_pool")


class Optimiser:
    """AdamW; with ``muon`` the hidden weight matrices take orthogonalised momentum steps, scaled to AdamW's size (arXiv:2502.16982)."""

    def __init__(self, model, lr, decay, muon):
        self.lr, self.decay = lr, decay
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        self.params = [p for _, p in named]
        use = [(n, p) for n, p in named if muon and p.ndim == 2 and min(p.shape) >= 32 and not any(w in n for w in NOT_MUON)]
        chosen = {n for n, _ in use}
        rest = [(n, p) for n, p in named if n not in chosen]
        heavy = [p for _, p in rest if p.ndim >= 2 and p.shape[0] > 2]
        light = [p for _, p in rest if not (p.ndim >= 2 and p.shape[0] > 2)]
        self.adam = torch.optim.AdamW([dict(params=heavy, weight_decay=decay), dict(params=light, weight_decay=0.0)], lr=lr, betas=(0.9, 0.98), eps=1e-8, fused=True)
        self.adam_params = heavy + light
        self.groups = {}
        for _, p in use:
            self.groups.setdefault(tuple(p.shape), []).append(p)
        self.momentum = {s: torch.zeros(len(ps), *s, device=DEV) for s, ps in self.groups.items()}

    @torch.no_grad()
    def step(self, factor):
        for g in self.adam.param_groups:
            g["lr"] = self.lr * factor
        torch.nn.utils.clip_grad_norm_([p for p in self.adam_params if p.grad is not None], 1.0, foreach=True)
        self.adam.step()
        for shape, ps in self.groups.items():
            g, m = torch.stack([p.grad for p in ps]), self.momentum[shape]
            m.lerp_(g, 0.05)
            update = orthogonalise(g.lerp(m, 0.95)) * (0.2 * math.sqrt(max(shape)) * self.lr * factor)
            torch._foreach_mul_(ps, 1 - self.lr * factor * self.decay)
            torch._foreach_sub_(ps, list(update.unbind(0)))

    def zero(self):
        self.adam.zero_grad(set_to_none=True)
        for ps in self.groups.values():
            for p in ps:
                p.grad = None


def save(job, model, final=False, extra=None):
    state = {"state": {k: v.detach().cpu() for k, v in model.state_dict().items()}, "extra": extra or {}}
    path = f"{ARGS.out}/{job}.pt"
    torch.save(state, path + ".tmp")
    os.replace(path + ".tmp", path)
    if final:
        open(f"{ARGS.out}/{job}.final", "w").close()


def load(job, model, wait=900):
    """The job's weights, rounded to bfloat16 as they are shipped, in float32; waits up to ``wait`` seconds for the job's end."""
    limit = time.time() + wait
    while time.time() < limit and not os.path.exists(f"{ARGS.out}/{job}.final"):
        time.sleep(0.5)
    saved = torch.load(f"{ARGS.out}/{job}.pt", map_location=DEV)
    model.load_state_dict({k: v.bfloat16().float() if v.is_floating_point() else v for k, v in saved["state"].items()})
    model.extra = saved["extra"]
    return model.to(DEV).eval().requires_grad_(False)


def warm_start(job, model):
    """Starts from DIR/init-JOB.pt where there is one. Single-stream blocks that it lacks keep their fresh weights: their gates are zero,
    so that the deeper network begins as the same function. Returns the steps and the FLOPs behind it."""
    path = f"{ARGS.out}/init-{job}.pt"
    if not os.path.exists(path):
        return {}
    saved = torch.load(path, map_location="cpu")
    missing, unexpected = model.load_state_dict(saved["state"], strict=False)
    if unexpected or any("single_blocks." not in k for k in missing):
        raise SystemExit(f"{path} does not fit: missing {missing}, unexpected {unexpected}")
    extra = saved["extra"]
    log(job, "starts from", path, extra, "without", len(missing), "tensors")
    return {"warm_start_steps": extra["steps"] + extra.get("warm_start_steps", 0), "warm_start_flops": extra.get("flops", 0)}


def average_over_gpus(params, share):
    """Averages the gradients and the elapsed share of the time (so that all processes use one learning rate and stop together)."""
    params = [p for p in params if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in params] + [torch.full((1,), share, device=DEV)])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    parts = flat[:-1].split([p.numel() for p in params])
    torch._foreach_copy_([p.grad for p in params], [v.view_as(p) for v, p in zip(parts, params)])
    return float(flat[-1])


def fit(job, model, loss_of, lr, batch, decay=0.02, muon=False, warmup=200, cooldown=0.45, ema=0.999, finish=None):
    """Trains until ARGS.end. ``loss_of(step)`` -> (loss, dict of tensors to print); ``finish(model)`` -> more
    numbers to keep with the averaged weights."""
    parallel = dist.is_initialized()
    first = not parallel or dist.get_rank() == 0
    if parallel:
        flat = torch.cat([p.data.flatten() for p in model.parameters()])
        dist.broadcast(flat, 0)
        for p, v in zip(model.parameters(), flat.split([p.numel() for p in model.parameters()])):
            p.data.copy_(v.view_as(p))
    optimiser, average = Optimiser(model, lr, decay, muon), copy.deepcopy(model).requires_grad_(False)
    live, kept = [p.data for p in model.parameters()], [p.data for p in average.parameters()]
    step, begin, last_log, last_step, last_save = 0, None, time.time(), 0, time.time()
    every = sized(500, 20)
    while True:
        share = 0.0 if begin is None else (time.time() - begin) / max(ARGS.end - begin, 1e-3)
        loss, info = loss_of(step)
        loss.backward()
        if parallel:
            share = average_over_gpus(optimiser.params, share)
        if share >= 1 or (ARGS.smoke and step >= 25):
            break
        optimiser.step(min(1.0, (step + 1) / warmup) * min(1.0, max(0.0, (1 - share) / cooldown)))
        optimiser.zero()
        torch._foreach_lerp_(kept, live, 1 - min(ema, (1 + step) / (10 + step)))
        if step == 0:
            loss.item()
            begin = last_log = time.time()
            log(job, f"first step after {begin - START:.0f} s; {ARGS.end - begin:.0f} s left")
        step += 1
        if step % 20 == 0:
            torch.cuda.synchronize()
        if step % every == 0 and first:
            rate = (step - last_step) / (time.time() - last_log)
            log(job, f"step {step} {rate:.1f}/s loss {float(loss):.4f}", {k: round(float(v), 4) for k, v in info.items()})
            last_log, last_step = time.time(), step
            if not math.isfinite(float(loss)):
                raise SystemExit(f"{job} diverged")
            if time.time() - last_save > 60:
                save(job, average, extra={"steps": step})
                last_save = time.time()
    seconds = time.time() - begin
    if not first:
        return
    batch *= dist.get_world_size() if parallel else 1
    extra = getattr(model, "warm_start", {}) | {"steps": step, "batch": batch, "seconds": round(seconds, 1), "parameters": nets.count_parameters(model),
                                                "gpu": torch.cuda.get_device_name()}
    if finish is not None:
        extra |= finish(average.eval())
    save(job, average, True, extra)
    log(job, "done", extra)


# ---------------------------------------------------------------------------------------------- data
def specs():
    """The pool of training captions (made once by run_all.py, perhaps at this moment), on the GPU."""
    while not os.path.exists(f"{ARGS.out}/pool.pt"):
        time.sleep(0.2)
    return {k: v.to(DEV) for k, v in torch.load(f"{ARGS.out}/pool.pt").items()}


KEEP = ("shape", "color", "texture", "size", "present", "blended")


@torch.no_grad()
def render_pool(captions, count, blends=0.0):
    """``count`` pictures: dict of uint8 images [N, 3, 64, 64], caption index, and what was drawn."""
    n, parts = len(captions["tag"]), []
    size = min(4096, count)
    for _ in range(-(-count // size)):
        index = torch.randint(n, (size,), device=DEV)
        rows = {k: captions[k][index].long() for k in ("slots", "objects", "tag", "relations")}
        rows["index"] = index
        rows, scene = world.sample_scene(rows, blends=blends)
        part = {k: scene[k].to(torch.uint8) for k in KEEP[:4]} | {k: scene[k] for k in KEEP[4:]}
        part |= {"xy": scene["xy"].half(), "radius": scene["radius"].half(), "image": world.render(scene), "caption": rows["index"].int()}
        parts.append(part)
    return {k: torch.cat([p[k] for p in parts]) for k in parts[0]}


def pixels(u8):
    return u8.float() / 127.5 - 1


def channels_last(x):
    return x.contiguous(memory_format=torch.channels_last)


def pick(pool, batch):
    index = torch.randint(len(pool["image"]), (batch,), device=DEV)
    return index, {k: v[index] for k, v in pool.items()}


# ---------------------------------------------------------------------------------------------- autoencoders
def reconstruction_loss(rec, img, rows):
    w = 1 + 5 * world.object_mask(rows["xy"].float(), rows["radius"], rows["present"])[:, None]
    w = w / w.mean()
    d = rec.float() - img
    edge = ((d[..., 1:] - d[..., :-1]).abs() * w[..., 1:]).mean() + ((d[..., 1:, :] - d[..., :-1, :]).abs() * w[..., 1:, :]).mean()
    return (d.abs() * w).mean() + 2 * (d.pow(2) * w).mean() + 0.5 * edge, 10 * torch.log10(4 / d.pow(2).mean())


def compile_early(net, *inputs):
    """One backward pass on made-up inputs, while what the job waits for is still being made."""
    with amp():
        out = net(*inputs)
    sum(o.sum() for o in (out if isinstance(out, tuple) else (out,))).backward()
    net.zero_grad(set_to_none=True)


def tokenizer(job):
    model = nets.Tokenizer().to(DEV).to(memory_format=torch.channels_last)
    model.warm_start = warm_start(job, model)
    net, batch = torch.compile(model, dynamic=False), sized(160 if dist.is_initialized() else 256, 32)
    compile_early(net, channels_last(torch.zeros(batch, 3, 64, 64, device=DEV)))
    log(job, "compiled")
    pool = render_pool(specs(), sized(400_000, 4096))

    def loss_of(step):
        _, rows = pick(pool, batch)
        img = channels_last(pixels(rows["image"]))
        with amp():
            rec, commitment, balance = net(img)
        main, psnr = reconstruction_loss(rec, img, rows)
        return main + 0.5 * commitment + 0.02 * balance, dict(psnr=psnr, commitment=commitment, balance=balance)

    fit(job, model, loss_of, 1.5e-3, batch, decay=0.0, cooldown=0.6, ema=0.998)


def autoencoder(job):
    pool = render_pool(specs(), sized(400_000, 4096))
    model = nets.FluxAutoencoder().to(DEV).to(memory_format=torch.channels_last)
    net, batch = torch.compile(model, dynamic=False), sized(192, 32)

    def loss_of(step):
        _, rows = pick(pool, batch)
        img = channels_last(pixels(rows["image"]))
        with amp():
            rec, kl = net(img)
        main, psnr = reconstruction_loss(rec, img, rows)
        return main + 1e-3 * kl, dict(psnr=psnr, kl=kl)

    @torch.no_grad()
    def finish(average):
        with amp():
            z = torch.cat([average.encoder(channels_last(pixels(pool["image"][a:a + 512]))).float().chunk(2, 1)[0] for a in range(0, sized(8192, 512), 512)])
        log(job, "latent by channel: mean", [round(v, 2) for v in z.mean((0, 2, 3)).tolist()], "std", [round(v, 2) for v in z.std((0, 2, 3)).tolist()])
        return {"shift_factor": round(float(z.mean()), 6), "scale_factor": round(1 / float(z.std()), 6)}

    fit(job, model, loss_of, 1.5e-3, batch, decay=0.0, cooldown=0.6, ema=0.998, finish=finish)


@torch.no_grad()
def encode_pool(pool, encode):
    out = []
    for a in range(0, len(pool["image"]), 1024):
        with amp():
            out.append(encode(channels_last(pixels(pool["image"][a:a + 1024]))).bfloat16())
    return torch.cat(out)


# ---------------------------------------------------------------------------------------------- generators
def var(job):
    captions = specs()
    pool = render_pool(captions, sized(400_000 if dist.is_initialized() else 800_000, 4096))  # each process has its own
    model = nets.InfinityWithText().to(DEV)
    model.warm_start = warm_start(job, model)
    net, batch = torch.compile(model, dynamic=False), sized(512, 32)
    compile_early(net, torch.ones(batch, nets.TEXT_LENGTH, dtype=torch.long, device=DEV), torch.ones(batch, nets.TEXT_LENGTH, dtype=torch.bool, device=DEV),
                  torch.zeros(batch, dtype=torch.bool, device=DEV), torch.zeros(batch, nets.STARTS[-1] - 1, nets.BITS, device=DEV))
    quantize = torch.compile(nets.quantize, dynamic=False)
    with torch.no_grad():
        quantize(torch.zeros(batch, nets.BITS, nets.SCALES[-1], nets.SCALES[-1], device=DEV), 0.2)
    log(job, "compiled")
    tok = load("tokenizer", nets.Tokenizer()).to(memory_format=torch.channels_last)
    latents, caption = encode_pool(pool, tok.encode), pool["caption"].long()
    del pool
    words = captions["words"].long()
    weight = torch.cat([torch.full((s * s,), 1.0 / s) for s in nets.SCALES]).to(DEV)
    weight = weight / weight.sum()
    log(job, len(latents), "latents; parameters of the transformer", nets.count_parameters(model.transformer))

    def loss_of(step):
        index = torch.randint(len(latents), (batch,), device=DEV)
        with torch.no_grad():
            bits, inputs, _ = quantize(latents[index].float(), 0.2)
            bits, inputs = torch.cat(bits, 1).float(), torch.cat(inputs, 1)
            ids, mask = nets.t5_ids(words[caption[index]])
            drop = torch.rand(batch, device=DEV) < 0.1
        with amp():
            logits = net(ids, mask, drop, inputs)
        pair = logits.unflatten(-1, (nets.BITS, 2))
        ce = F.binary_cross_entropy_with_logits(pair[..., 1] - pair[..., 0], bits, reduction="none").mean((0, 2))
        loss = (ce * weight).sum()
        s = nets.STARTS
        return loss, {f"s{nets.SCALES[k]}": ce[s[k]:s[k + 1]].mean() for k in (0, 2, 4, 6)}

    fit(job, model, loss_of, 2e-3, batch, decay=0.03, muon=True, warmup=300)


def flux(job, batch, lr):
    captions = specs()
    pool = render_pool(captions, sized(800_000, 4096))
    model = nets.FluxWithText(job).to(DEV)
    model.warm_start = warm_start(job, model)
    net, batch = torch.compile(model, dynamic=False), sized(batch, 32)
    compile_early(net, torch.zeros(batch, 64, 4 * nets.FLUX_AE_CONFIG["z_channels"], device=DEV), torch.zeros(batch, world.MAX_WORDS, dtype=torch.long, device=DEV),
                  torch.zeros(batch, device=DEV))
    log(job, "compiled")
    ae = load("autoencoder", nets.FluxAutoencoder()).to(memory_format=torch.channels_last)
    latents = encode_pool(pool, lambda x: (ae.encoder(x).chunk(2, 1)[0].float() - ae.extra["shift_factor"]) * ae.extra["scale_factor"])
    caption = pool["caption"].long()
    del pool
    words = captions["words"].long()
    log(job, len(latents), "latents; parameters of the transformer", nets.count_parameters(model.flux))

    def loss_of(step):
        index = torch.randint(len(latents), (batch,), device=DEV)
        with torch.no_grad():
            data = nets.pack_latent(latents[index].float())
            noise = torch.randn_like(data)
            t = torch.sigmoid(torch.randn(batch, device=DEV) + 0.4)
            w = torch.where(torch.rand(batch, 1, device=DEV) < 0.1, world.NONE, words[caption[index]])
            x = data + t[:, None, None] * (noise - data)
        with amp():
            v = net(x, w, t)
        by_sample = (v - (noise - data)).pow(2).mean((1, 2))
        return by_sample.mean(), dict(late=(by_sample * (t < 0.5)).sum() / (t < 0.5).sum(), early=(by_sample * (t > 0.8)).sum() / (t > 0.8).sum())

    fit(job, model, loss_of, lr, batch, decay=0.02, muon=True, warmup=400, ema=0.9995)


# ---------------------------------------------------------------------------------------------- evaluator
CELLS = tuple(n + 0.5 for n in range(16))


def detection_loss(out, rows):
    """Soft heat map at the centres; attributes and offsets are learnt where the heat is high."""
    heat_logit, shape, color, texture, size, offset = out.split(nets.Detector.SPLIT, 1)
    cells = world.constant(CELLS, DEV)
    centre = rows["xy"].float() / 4
    dx = centre[:, :, 0, None, None] - cells[None, None, None, :]
    dy = centre[:, :, 1, None, None] - cells[None, None, :, None]
    heat, owner = (torch.exp(-(dx * dx + dy * dy) / (2 * 0.8 ** 2)) * rows["present"][:, :, None, None]).max(1)
    objectness = F.binary_cross_entropy_with_logits(heat_logit[:, 0], heat) * 20
    w = heat * (heat > 0.4)

    def own(v):
        return v.long().gather(1, owner.flatten(1)).view_as(owner)

    def classify(logits, label, weight):
        return (F.cross_entropy(logits, own(label), reduction="none") * weight).sum() / (weight.sum() + 1e-6)

    plain = w * ~own(rows["blended"]).bool()
    label = torch.where(rows["blended"], 7, rows["shape"].long())
    kinds = classify(shape, label, w) + classify(color, rows["color"], w) + classify(texture, rows["texture"], plain) + classify(size, rows["size"], w)
    full = lambda v: v.expand(-1, -1, 16, 16).gather(1, owner[:, None])[:, 0]
    target = torch.stack([full(dx), full(dy)], 1)
    shift = ((offset - target).abs() * w[:, None]).sum() / (w.sum() + 1e-6)
    return objectness, kinds, shift


def detector(job):
    pool = render_pool(specs(), sized(300_000, 4096), blends=0.08)
    model = nets.Detector().to(DEV).to(memory_format=torch.channels_last)
    net, batch = torch.compile(model, dynamic=False), sized(384, 32)

    def loss_of(step):
        _, rows = pick(pool, batch)
        img = channels_last(world.augment(pixels(rows["image"]), blur=0.7, noise=0.06))
        with amp():
            out = net(img)
        a, b, c = detection_loss(out, rows)
        return a + b + c, dict(objectness=a, kinds=b, offset=c)

    fit(job, model, loss_of, 1.5e-3, batch, cooldown=0.5, ema=0.998)


# ---------------------------------------------------------------------------------------------- verifiers
def clip(job):
    captions = specs()
    pool = render_pool(captions, sized(400_000, 4096))
    model = nets.Clip(nets.CLIP_CONFIG).to(DEV)
    net, batch = torch.compile(model, dynamic=False), sized(1024, 32)
    words, negatives = captions["words"].long(), captions["negatives"].long()

    def loss_of(step):
        _, rows = pick(pool, batch)
        index = rows["caption"].long()
        w = words[index]
        wrong = negatives[index, torch.randint(world.NEGATIVES, (batch,), device=DEV)]
        img = nets.verifier_pixels(world.augment(pixels(rows["image"])))
        with amp():
            i, t = net(img, nets.clip_ids(torch.cat([w, wrong])))
        scale = model.logit_scale.exp().clamp(max=100)
        logits = scale * (i @ t.T)
        same = (w[:, None] == w[None]).all(-1) & ~torch.eye(batch, dtype=torch.bool, device=DEV)
        logits = torch.cat([logits[:, :batch].masked_fill(same, -1e4), logits[:, batch:]], 1)
        y = torch.arange(batch, device=DEV)
        own, hard = logits.diagonal(), logits[:, batch:].diagonal()
        loss = 0.5 * F.cross_entropy(logits, y) + 0.5 * F.cross_entropy(logits[:, :batch].T, y) + 0.5 * F.softplus(hard - own).mean()
        return loss, dict(pair=(own > hard).float().mean(), scale=scale)

    fit(job, model, loss_of, 1e-3, batch, decay=0.05, warmup=300)


def reward(job):
    """Images: clean, and reconstructions of both autoencoders once these are trained. Captions: the scene's own with its near
    misses, and captions of pairs of objects made from what was drawn, with theirs."""
    captions = specs()
    pool = render_pool(captions, sized(300_000, 4096))
    words, negatives, kinds = captions["words"].long(), captions["negatives"].long(), captions["negative_type"].long()
    model = nets.ImageReward().to(DEV)
    net, batch = torch.compile(model, dynamic=False), sized(320, 32)
    state = dict(tokenizer=False, autoencoder=False)

    @torch.no_grad()
    def reconstruct(name, begin, end):
        if state[name] or not os.path.exists(f"{ARGS.out}/{name}.final"):
            return
        state[name] = True
        m = load(name, nets.Tokenizer() if name == "tokenizer" else nets.FluxAutoencoder()).to(memory_format=torch.channels_last)
        n = len(pool["image"])
        for a in range(int(begin * n), int(end * n), 512):
            x = channels_last(pixels(pool["image"][a:min(a + 512, int(end * n))]))
            with amp():
                rec = m.decoder(nets.quantize(m.encode(x))[2] if name == "tokenizer" else m.encoder(x).chunk(2, 1)[0])
            pool["image"][a:a + len(x)] = ((rec.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        log(job, "reconstructions by", name)

    def loss_of(step):
        if step % 200 == 0:
            reconstruct("tokenizer", 0.25, 0.65)
            reconstruct("autoencoder", 0.65, 1.0)
        _, rows = pick(pool, batch)
        index = rows["caption"].long()
        img = pixels(rows["image"])
        img = torch.where(torch.rand(batch, 1, 1, 1, device=DEV) < 0.5, world.augment(img), img)
        own = torch.cat([words[index][:, None], negatives[index]], 1)  # [B, 5, 22]
        pair, usable, related = world.pair_captions(rows)
        both = torch.cat([own, pair], 1)
        ids, mask = nets.bert_ids(both.flatten(0, 1))
        with amp():
            s = net(nets.verifier_pixels(img), ids, mask, both.shape[1])
        s = s.view(batch, -1)
        hard = (kinds[index] == 3) | (kinds[index] == 4)
        w = torch.cat([torch.full((batch, 1), 4.0, device=DEV), torch.where(hard, 1.5, 0.6)], 1)
        w2 = usable.float()[:, None] * world.constant((3.0, 1.0, 1.0, 1.0), DEV)
        y = torch.zeros_like(s)
        y[:, 0] = y[:, own.shape[1]] = 1
        bce = F.binary_cross_entropy_with_logits(s, y, reduction="none")
        a, b = s[:, :own.shape[1]], s[:, own.shape[1]:]
        lists = -F.log_softmax(a, 1)[:, 0].mean() + -(F.log_softmax(b, 1)[:, 0] * usable).sum() / usable.sum()
        loss = lists + (bce * torch.cat([w, w2], 1)).sum() / (w.sum() + w2.sum()) * 2
        right = (a[:, :1] > a[:, 1:]).float()
        known = usable & related
        return loss, dict(relation=(right * (kinds[index] == 3)).sum() / (kinds[index] == 3).sum(), swap=(right * (kinds[index] == 4)).sum() / (kinds[index] == 4).sum(),
                          all=right.mean(), flipped=((b[:, 0] > b[:, 1]) & known).sum() / known.sum(), turned=((b[:, 0] > b[:, 2]) & known).sum() / known.sum())

    @torch.no_grad()
    def finish(average):
        """Mean and deviation over true and false captions alike."""
        scores = []
        for _ in range(4):
            _, rows = pick(pool, batch)
            index = rows["caption"].long()
            ids, mask = nets.bert_ids(torch.stack([words[index], negatives[index, 0]], 1).flatten(0, 1))
            scores.append(average(nets.verifier_pixels(pixels(rows["image"])), ids, mask, 2))
        scores = torch.cat(scores)
        return {"mean": round(float(scores.mean()), 6), "std": round(float(scores.std()), 6)}

    fit(job, model, loss_of, 1.2e-3, batch, decay=0.03, muon=True, warmup=400, finish=finish)


JOBS = {"tokenizer": tokenizer, "autoencoder": autoencoder, "var": var, "detector": detector, "clip": clip, "reward": reward,
        "flux-nano": functools.partial(flux, batch=1024, lr=2e-3), "flux-nano-large": functools.partial(flux, batch=1024, lr=1.5e-3)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--end", type=float, required=True, help="Unix time at which training stops")
    parser.add_argument("--out", default="checkpoints")
    parser.add_argument("--smoke", action="store_true", help="25 steps on little data")
    parser.parse_args(namespace=ARGS)
    rank = int(os.environ.get("RANK", 0))
    torch.manual_seed(1000 + list(JOBS).index(ARGS.job) + 100 * rank)
    if "RANK" in os.environ:  # started by torch.distributed.run: one process a GPU, gradients averaged
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl")
    JOBS[ARGS.job](ARGS.job)
    if dist.is_initialized():
        dist.destroy_process_group()
