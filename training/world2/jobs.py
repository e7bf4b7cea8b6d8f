"""One training job of world 2: ``python jobs.py JOB --end UNIX_TIME --out DIR``; run.py starts them all.

Networks, optimiser and losses are those of ../nets.py and ../train.py. A job ends at a wall-clock time. With ``--keep`` it leaves its full
state (DIR/state-JOB.pt: live and averaged weights, optimiser, steps), from which the next call of the same job goes on.
"""
import argparse
import copy
import math
import os
import sys
import time

import torch
import torch.distributed as dist
import torch.nn.functional as F

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))  # behind this folder, so that ``world`` is this one

import nets
import train
import world
from train import ARGS, DEV, Optimiser, amp, average_over_gpus, channels_last, log, pixels, sized

KEEP = ("n", "group", "present", "shape", "color", "texture", "size", "blended")
FLOWS = {"flow-s": nets.flux_params(160, 5, 1, 5), "flow-l": nets.flux_params(288, 9, 1, 10)}
nets.FLUX_PARAMS = FLOWS


# ---------------------------------------------------------------------------------------------- saving, loading
def save(name, model, extra=None, final=False):
    state = {"state": {k: v.detach().to("cpu", torch.bfloat16 if v.is_floating_point() else v.dtype) for k, v in model.state_dict().items()}, "extra": extra or {}}
    path = f"{ARGS.out}/{name}.pt"
    torch.save(state, path + ".tmp")
    os.replace(path + ".tmp", path)
    if final:
        open(f"{ARGS.out}/{name}.final", "w").close()


def load(name, model, wait=600):
    limit = time.time() + wait
    while time.time() < limit and not os.path.exists(f"{ARGS.out}/{name}.final"):
        time.sleep(0.3)
    saved = torch.load(f"{ARGS.out}/{name}.pt", map_location="cpu")
    model.load_state_dict({k: dense(v) for k, v in saved["state"].items()})
    model.extra = saved["extra"]
    return model.to(DEV).eval().requires_grad_(False)


def dense(v):
    """A tensor in float32; int8 by row comes with its rows' scales."""
    if isinstance(v, tuple):
        return v[0].float() * v[1].view(-1, *[1] * (v[0].ndim - 1))
    return v.float() if v.is_floating_point() else v


def initial(name, model):
    """The weights of DIR/init-NAME.pt, where there are some -> steps and seconds behind them"""
    path = f"{ARGS.out}/init-{name}.pt"
    if not os.path.exists(path):
        return 0, 0.0
    saved = torch.load(path, map_location="cpu")
    model.load_state_dict({k: dense(v) for k, v in saved["state"].items()})
    log(name, "starts from", saved["extra"])
    return saved["extra"]["steps"], saved["extra"]["seconds"]


# ---------------------------------------------------------------------------------------------- the loop
def fit(name, model, loss_of, lr, batch, decay=0.02, muon=False, warmup=200, cooldown=0.45, ema=0.999, finish=None, snapshots=()):
    """Trains until ARGS.end; ``loss_of(step)`` -> (loss, numbers to print). Saves the averaged weights every ARGS.every seconds as NAME-STEPS
    where that is asked for, and at the end as NAME."""
    parallel = dist.is_initialized()
    first = not parallel or dist.get_rank() == 0
    state = f"{ARGS.out}/state-{name}.pt"
    saved = torch.load(state, map_location=DEV) if os.path.exists(state) else None
    done, seconds = (0, 0.0) if saved else initial(name, model)
    if saved:
        model.load_state_dict(saved["live"])
    elif parallel:
        flat = torch.cat([p.data.flatten() for p in model.parameters()])
        dist.broadcast(flat, 0)
        for p, v in zip(model.parameters(), flat.split([p.numel() for p in model.parameters()])):
            p.data.copy_(v.view_as(p))
    optimiser, average = Optimiser(model, lr, decay, muon), copy.deepcopy(model).requires_grad_(False)
    if saved:
        average.load_state_dict(saved["average"])
        optimiser.adam.load_state_dict(saved["adam"])
        for shape, m in optimiser.momentum.items():
            m.copy_(saved["momentum"][shape])
        done, seconds = saved["steps"], saved["seconds"]
        warmup = 20
        log(name, f"goes on after {done} steps, {seconds:.0f} s")
    live, kept = [p.data for p in model.parameters()], [p.data for p in average.parameters()]
    step, begin, last_log, last_step, last_save = done, None, time.time(), done, time.time()
    every = sized(500, 2)
    while True:
        share = 0.0 if begin is None else (time.time() - begin) / max(ARGS.end - begin, 1e-3)
        loss, info = loss_of(step)
        loss.backward()
        if parallel:
            share = average_over_gpus(optimiser.params, share)
        if share >= 1 or (ARGS.smoke and step >= done + 4):
            break
        optimiser.step(min(1.0, (step - done + 1) / warmup) * max(ARGS.floor, min(1.0, (1 - share) / cooldown)))
        optimiser.zero()
        torch._foreach_lerp_(kept, live, 1 - min(ema, (1 + step) / (10 + step)))
        if begin is None:
            loss.item()
            begin = last_log = time.time()
            log(name, f"first step after {begin - train.START:.0f} s; {ARGS.end - begin:.0f} s left; {nets.count_parameters(model)} parameters")
        step += 1
        if step % 20 == 0 and DEV == "cuda":
            torch.cuda.synchronize()
        if step in snapshots:
            save(f"{name}-{step}", average)
        if ARGS.every and first and time.time() - last_save > ARGS.every:
            last_save = time.time()
            save(f"{name}-{step}", average, {"steps": step})
        if step % every == 0 and first:
            rate = (step - last_step) / (time.time() - last_log)
            log(name, f"step {step} {rate:.1f}/s loss {float(loss.detach()):.4f}", {k: round(float(v), 4) for k, v in info.items()})
            last_log, last_step = time.time(), step
            if not math.isfinite(float(loss.detach())):
                raise SystemExit(f"{name} diverged")
    if not first:
        return
    world_size = dist.get_world_size() if parallel else 1
    extra = {"steps": step, "batch": batch * world_size, "seconds": round(time.time() - begin + seconds, 1), "gpus": world_size, "parameters": nets.count_parameters(model)}
    if finish is not None:
        extra |= finish(average.eval())
    save(name, average, extra, True)
    if ARGS.keep:
        torch.save({"live": model.state_dict(), "average": average.state_dict(), "adam": optimiser.adam.state_dict(), "momentum": optimiser.momentum, "steps": step,
                    "seconds": extra["seconds"]}, state + ".tmp")
        os.replace(state + ".tmp", state)
    log(name, "done", extra)


# ---------------------------------------------------------------------------------------------- data
@torch.no_grad()
def render_pool(count, blends=0.0):
    parts, size = [], min(4096, count)
    for _ in range(-(-count // size)):
        scene = world.sample_scene(size, DEV, blends=blends)
        part = {k: scene[k].to(torch.uint8) if scene[k].dtype != torch.bool else scene[k] for k in KEEP}
        parts.append(part | {"xy": scene["xy"].half(), "radius": scene["radius"].half(), "image": world.render(scene)})
    return {k: torch.cat([p[k] for p in parts]) for k in parts[0]}


def choose(pool, batch):
    index = torch.randint(len(pool["n"]), (batch,), device=DEV)
    return index, {k: v[index] for k, v in pool.items()}


def captions(rows):
    return world.words(world.describe(rows))


class Critic:
    """Distance of detector outputs, once that detector (not the evaluator) is trained."""

    def __init__(self):
        self.net = None

    def __call__(self, rec, img, step):
        if self.net is None:
            if step % 50 or not os.path.exists(f"{ARGS.out}/critic.final"):
                return 0.0
            self.net = load("critic", nets.Detector()).to(memory_format=torch.channels_last)
        with amp():
            with torch.no_grad():
                b = self.net(img)
            a = self.net(channels_last(rec.float()))
        heat = torch.sigmoid(b[:, :1])
        return 0.02 * (((a - b).abs()[:, 1:22] * heat).mean() * 16 + (torch.sigmoid(a[:, :1]) - heat).abs().mean() * 20)


# ---------------------------------------------------------------------------------------------- jobs
def tokenizer(job):
    model = nets.Tokenizer().to(DEV).to(memory_format=torch.channels_last)
    net, batch = torch.compile(model, dynamic=False), sized(192 if dist.is_initialized() else 256, 8)
    train.compile_early(net, channels_last(torch.zeros(batch, 3, 64, 64, device=DEV)))
    pool, critic = render_pool(sized(200_000, 64)), Critic()

    def loss_of(step):
        _, rows = choose(pool, batch)
        img = channels_last(pixels(rows["image"]))
        with amp():
            rec, commitment, balance = net(img)
        main, psnr = train.reconstruction_loss(rec, img, rows)
        extra = critic(rec, img, step)
        return main + 0.5 * commitment + 0.02 * balance + extra, dict(psnr=psnr, commitment=commitment, balance=balance, critic=torch.as_tensor(extra))

    fit(job, model, loss_of, 1.5e-3, batch, decay=0.0, cooldown=0.6, ema=0.998)


def decoder(job):
    """Trains the tokenizer's decoder further; its codes stay what they are. A tenth of the images is decoded from coarse scales only."""
    pool, critic = render_pool(sized(200_000, 64)), Critic()
    tok = load("tokenizer", nets.Tokenizer()).to(memory_format=torch.channels_last)
    model = copy.deepcopy(tok.decoder).requires_grad_(True)
    net, batch = torch.compile(model, dynamic=False), sized(256, 8)
    encode, quantize = torch.compile(tok.encode, dynamic=False), torch.compile(nets.quantize, dynamic=False)

    def loss_of(step):
        _, rows = choose(pool, batch)
        img = channels_last(pixels(rows["image"]))
        with torch.no_grad():
            with amp():
                z = encode(img)
            some = torch.rand(batch, device=DEV) < 0.1
            cut = torch.where(some, torch.randint(1, len(nets.SCALES), (batch,), device=DEV), len(nets.SCALES))
            q = quantize(z, cut=cut)[2]
        with amp():
            rec = net(channels_last(q))
        main, psnr = train.reconstruction_loss(rec, img, rows)
        extra = critic(rec, img, step)
        return main + extra, dict(psnr=psnr, critic=torch.as_tensor(extra))

    fit(job, model, loss_of, 8e-4, batch, decay=0.0, cooldown=0.85, ema=0.998)


def autoencoder(job):
    model = nets.FluxAutoencoder().to(DEV).to(memory_format=torch.channels_last)
    net, batch = torch.compile(model, dynamic=False), sized(192, 8)
    pool = render_pool(sized(200_000, 64))

    def loss_of(step):
        _, rows = choose(pool, batch)
        img = channels_last(pixels(rows["image"]))
        with amp():
            rec, kl = net(img)
        main, psnr = train.reconstruction_loss(rec, img, rows)
        return main + 1e-3 * kl, dict(psnr=psnr, kl=kl)

    @torch.no_grad()
    def finish(average):
        with amp():
            z = torch.cat([average.encoder(channels_last(pixels(pool["image"][a:a + 512]))).float().chunk(2, 1)[0] for a in range(0, sized(4096, 64), 512)])
        return {"shift_factor": round(float(z.mean()), 6), "scale_factor": round(1 / float(z.std()), 6)}

    fit(job, model, loss_of, 1.5e-3, batch, decay=0.0, cooldown=0.6, ema=0.998, finish=finish)


def detector(job):
    pool = render_pool(sized(200_000, 64), blends=0.06)
    model = nets.Detector().to(DEV).to(memory_format=torch.channels_last)
    net, batch = torch.compile(model, dynamic=False), sized(320, 8)

    def loss_of(step):
        _, rows = choose(pool, batch)
        img = channels_last(world.augment(pixels(rows["image"]), blur=0.7, noise=0.06))
        with amp():
            out = net(img)
        a, b, c = train.detection_loss(out, rows)
        return a + b + c, dict(objectness=a, kinds=b, offset=c)

    fit(job, model, loss_of, 1.5e-3, batch, cooldown=0.5, ema=0.998, snapshots=() if job == "detector" else (300, 500, 800, 1300))


@torch.no_grad()
def encode_pool(pool, encode):
    out = []
    for a in range(0, len(pool["image"]), 1024):
        with amp():
            out.append(encode(channels_last(pixels(pool["image"][a:a + 1024]))).bfloat16())
    return torch.cat(out)


def var(job):
    model = nets.InfinityWithText().to(DEV)
    net, batch = torch.compile(model, dynamic=False), sized(384, 4)
    long, short = nets.STARTS[-1], nets.STARTS[-3]
    for n in (long, short) if ARGS.full < 3 else (long,):
        train.compile_early(net, torch.ones(batch, nets.TEXT_LENGTH, dtype=torch.long, device=DEV), torch.ones(batch, nets.TEXT_LENGTH, dtype=torch.bool, device=DEV),
                            torch.zeros(batch, dtype=torch.bool, device=DEV), torch.zeros(batch, n - 1, nets.BITS, device=DEV))
    quantize = torch.compile(nets.quantize, dynamic=False)
    with torch.no_grad():
        quantize(torch.zeros(batch, nets.BITS, 16, 16, device=DEV), 0.2)
    log(job, "compiled")
    pool = render_pool(sized(250_000, 64))
    tok = load("tokenizer", nets.Tokenizer()).to(memory_format=torch.channels_last)
    latents = encode_pool(pool, tok.encode)
    del pool["image"]
    weight = torch.cat([torch.full((s * s,), 1.0 / s / s) for s in nets.SCALES]).to(DEV) / len(nets.SCALES)

    def loss_of(step):
        index, rows = choose(pool, batch)
        n = long if step % 3 < ARGS.full else short
        with torch.no_grad():
            bits, inputs, _ = quantize(latents[index].float(), 0.2)
            bits, inputs = torch.cat(bits, 1).float()[:, :n], torch.cat(inputs, 1)[:, :n - 1]
            ids, mask = nets.t5_ids(captions(rows))
            drop = torch.rand(batch, device=DEV) < 0.1
        with amp():
            logits = net(ids, mask, drop, inputs)
        pair = logits.unflatten(-1, (nets.BITS, 2))
        ce = F.binary_cross_entropy_with_logits(pair[..., 1] - pair[..., 0], bits, reduction="none").mean((0, 2))
        loss = (ce * weight[:n]).sum()
        s = nets.STARTS
        return loss, {f"s{nets.SCALES[k]}": ce[s[k]:s[k + 1]].mean() for k in (0, 2, 4, 6, 9) if s[k + 1] <= n}

    fit(job, model, loss_of, 2e-3, batch, decay=0.03, muon=True, warmup=150, cooldown=0.85)


def flux(job):
    model = nets.FluxWithText(job).to(DEV)
    net, batch = torch.compile(model, dynamic=False), sized(1024, 4)
    train.compile_early(net, torch.zeros(batch, 64, 4 * nets.FLUX_AE_CONFIG["z_channels"], device=DEV), torch.zeros(batch, world.MAX_WORDS, dtype=torch.long, device=DEV),
                        torch.zeros(batch, device=DEV))
    log(job, "compiled")
    pool = render_pool(sized(400_000, 64))
    ae = load("autoencoder", nets.FluxAutoencoder()).to(memory_format=torch.channels_last)
    latents = encode_pool(pool, lambda x: (ae.encoder(x).chunk(2, 1)[0].float() - ae.extra["shift_factor"]) * ae.extra["scale_factor"])
    del pool["image"]

    def loss_of(step):
        index, rows = choose(pool, batch)
        with torch.no_grad():
            data = nets.pack_latent(latents[index].float())
            noise = torch.randn_like(data)
            t = torch.sigmoid(torch.randn(batch, device=DEV) + 0.4)
            w = torch.where(torch.rand(batch, 1, device=DEV) < 0.1, world.NONE, captions(rows))
            x = data + t[:, None, None] * (noise - data)
        with amp():
            v = net(x, w, t)
        by_sample = (v - (noise - data)).pow(2).mean((1, 2))
        return by_sample.mean(), dict(late=(by_sample * (t < 0.5)).sum() / (t < 0.5).sum(), early=(by_sample * (t > 0.8)).sum() / (t > 0.8).sum())

    fit(job, model, loss_of, 2e-3 if job == "flow-s" else 1.5e-3, batch, decay=0.02, muon=True, warmup=200, ema=0.9995, cooldown=0.85)


def reconstruct_some(pool, name, begin, end):
    """Replaces a part of the pictures by reconstructions of the tokenizer or the autoencoder."""
    net = load(name, nets.Tokenizer() if name == "tokenizer" else nets.FluxAutoencoder()).to(memory_format=torch.channels_last)
    n = len(pool["image"])
    with torch.no_grad():
        for a in range(int(begin * n), int(end * n), 512):
            x = channels_last(pixels(pool["image"][a:min(a + 512, int(end * n))]))
            with amp():
                rec = net.decoder(nets.quantize(net.encode(x))[2] if name == "tokenizer" else net.encoder(x).chunk(2, 1)[0])
            pool["image"][a:a + len(x)] = ((rec.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def pair_captions(rows):
    """Captions of two single objects of a picture: [B, 3, words], the true one, its relation turned round, another near miss; and [B], which are usable."""
    group, present = rows["group"].long(), rows["present"]
    count = ((group[:, :, None] == group[:, None]) & present[:, None]).sum(2)
    order = (torch.rand(group.shape, device=DEV) + 10.0 * (present & (count == 1))).argsort(1, descending=True)
    usable = (present & (count == 1)).sum(1) >= 2
    slot = torch.arange(world.SLOTS, device=DEV)[None].expand_as(group)
    scene = {k: rows[k].gather(1, order) for k in ("shape", "color", "texture", "size")}
    scene |= dict(xy=rows["xy"].gather(1, order[..., None].expand(-1, -1, 2)), group=slot.clamp(max=world.GROUPS - 1), present=slot < 2, n=torch.full_like(rows["n"], 2))
    spec = world.describe(scene)
    turned = dict(spec, rel=torch.where(spec["rel"] == world.NONE, world.NONE, spec["rel"].clamp(min=0) ^ 1))
    other = world.near_miss(spec)[0]
    return torch.stack([world.words(s) for s in (spec, turned, other)], 1), usable, usable & (spec["rel"][:, 0] != world.NONE)


def wrong_captions(spec):
    """Captions with 1, 1, 1, 2 and 3 changes -> (word ids [B, 6, words], the true one first; kind of the single changes [B, 3])"""
    misses = [world.near_miss(spec) for _ in range(3)]
    two = world.near_miss(misses[0][0])[0]
    three = world.near_miss(world.near_miss(misses[1][0])[0])[0]
    specs = [spec] + [m for m, _ in misses] + [two, three]
    return torch.stack([world.words(s) for s in specs], 1), torch.stack([k for _, k in misses], 1)


CHANGES = (0, 1, 1, 1, 2, 3)


def reward(job):
    """ImageReward-like: captions of a picture are ranked by how much is wrong in them, captions of two of its objects beside those of the whole;
    more than half of the pictures are reconstructions, the tokenizer's as soon as it is trained."""
    model = nets.ImageReward().to(DEV)
    net, batch = torch.compile(model, dynamic=False), sized(256, 4)
    pool = render_pool(sized(200_000, 64))
    reconstruct_some(pool, "autoencoder", 0.0, 0.3)
    waiting = [True]
    changes = torch.tensor(CHANGES, device=DEV)
    better = (changes[:, None] < changes[None]).float()

    def loss_of(step):
        if waiting[0] and step % 100 == 0 and os.path.exists(f"{ARGS.out}/tokenizer.final"):
            waiting[0] = False
            reconstruct_some(pool, "tokenizer", 0.3, 0.6)
        _, rows = choose(pool, batch)
        img = pixels(rows["image"])
        img = torch.where(torch.rand(batch, 1, 1, 1, device=DEV) < 0.4, world.augment(img), img)
        both, kind = wrong_captions(world.describe(rows))
        pair, usable, related = pair_captions(rows)
        ids, mask = nets.bert_ids(torch.cat([both, pair], 1).flatten(0, 1))
        with amp():
            s = net(nets.verifier_pixels(img), ids, mask, both.shape[1] + 3).view(batch, -1)
        s, two = s[:, :both.shape[1]], s[:, both.shape[1]:]
        ranks = (F.softplus(s[:, None] - s[:, :, None]) * better).sum((1, 2)).mean() / better.sum()
        y = torch.zeros_like(s)
        y[:, 0] = 1
        bce = (F.binary_cross_entropy_with_logits(s, y, reduction="none") * torch.where(changes == 0, 5.0, 1.0)).mean()
        of_pairs = (F.softplus(two[:, 1] - two[:, 0]) * related).mean() * 2 + (F.softplus(two[:, 2] - two[:, 0]) * usable).mean()
        right = (s[:, :1] > s[:, 1:4]).float()
        turned = ((two[:, 0] > two[:, 1]) & related).sum() / related.sum()
        return 2 * ranks + 0.5 * bce - F.log_softmax(s, 1)[:, 0].mean() + of_pairs, {"all": right.mean(), "turned": turned} | {
            k: right[kind == i].mean() for i, k in enumerate(world.MISSES)}

    @torch.no_grad()
    def finish(average):
        """Mean and deviation over true and false captions alike."""
        scores = []
        for _ in range(4):
            _, rows = choose(pool, batch)
            ids, mask = nets.bert_ids(wrong_captions(world.describe(rows))[0][:, :2].flatten(0, 1))
            scores.append(average(nets.verifier_pixels(pixels(rows["image"])), ids, mask, 2))
        scores = torch.cat(scores)
        return {"mean": round(float(scores.mean()), 6), "std": round(float(scores.std()), 6)}

    fit(job, model, loss_of, 1.2e-3, batch, decay=0.03, muon=True, warmup=200, finish=finish, cooldown=0.85)


def clip(job):
    """CLIP-like: every picture against all captions of the batch and against near misses of its own."""
    model = nets.Clip(nets.CLIP_CONFIG).to(DEV)
    net, batch = torch.compile(model, dynamic=False), sized(1024, 4)
    pool = render_pool(sized(200_000, 64))
    reconstruct_some(pool, "autoencoder", 0.0, 0.3)
    reconstruct_some(pool, "tokenizer", 0.3, 0.6)

    def loss_of(step):
        _, rows = choose(pool, batch)
        img = nets.verifier_pixels(world.augment(pixels(rows["image"])))
        spec = world.describe(rows)
        miss, kind = world.near_miss(spec)
        with amp():
            i, t = net(img, nets.clip_ids(torch.cat([world.words(spec), world.words(miss)])))
        scale = model.logit_scale.exp().clamp(max=100)
        logits = scale * (i @ t.T)
        y = torch.arange(batch, device=DEV)
        own, hard = logits[:, :batch].diagonal(), logits[:, batch:].diagonal()
        loss = 0.5 * F.cross_entropy(logits, y) + 0.5 * F.cross_entropy(logits[:, :batch].T, y) + 0.5 * F.softplus(hard - own).mean()
        right = (own > hard).float()
        return loss, {"all": right.mean(), "scale": scale} | {k: right[kind == i].mean() for i, k in enumerate(world.MISSES)}

    fit(job, model, loss_of, 1e-3, batch, decay=0.05, warmup=300, cooldown=0.6)


JOBS = {"tokenizer": tokenizer, "decoder": decoder, "autoencoder": autoencoder, "detector": detector, "critic": detector, "var": var, "flow-s": flux, "flow-l": flux, "reward": reward, "clip": clip}

if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("job", choices=JOBS)
    p.add_argument("--end", type=float, required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--floor", type=float, default=0.0, help="the learning rate's lowest share")
    p.add_argument("--keep", action="store_true", help="leave the full state, from which the job can go on")
    p.add_argument("--every", type=float, default=0.0, help="seconds between checkpoints; 0: none")
    p.add_argument("--full", type=int, default=1, help="of three steps of the VAR, how many see all scales")
    p.add_argument("--smoke", action="store_true")
    p.parse_args(namespace=ARGS)
    rank = int(os.environ.get("RANK", 0))
    torch.manual_seed(1000 + list(JOBS).index(ARGS.job) + 100 * rank + int(ARGS.end) % 1000)
    if "RANK" in os.environ:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl")
    JOBS[ARGS.job](ARGS.job)
    if dist.is_initialized():
        dist.destroy_process_group()
