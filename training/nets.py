"""The networks, written so that their state dicts have the key layouts of the published checkpoints.

Infinity (transformer and tokenizer), FLUX.1 (transformer and autoencoder), Hugging Face T5EncoderModel, CLIPModel and
CLIPTextModel, ImageReward (BLIP). The detector's layout is our own.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from world import BERT_POSITIONS, BITS, COARSE, MAX_WORDS, NONE, SCALES, TEXT_LENGTH, VAR_SIZE, WORDS, constant

ROPE_BASE_SIZE = 64  # the last scale of the published 1M schedule, by which all positions are normalised


# ---------------------------------------------------------------------------------------------- words -> token ids
def t5_ids(words):
    """[B, 22] word ids (NONE = absent) -> ([B, 24] ids, [B, 24] mask): <pad> 0, </s> 1, <unk> 2, words from 3."""
    n = (words != NONE).sum(1, keepdim=True)
    ids = F.pad(torch.where(words != NONE, words + 3, 0), (0, TEXT_LENGTH - MAX_WORDS))
    ids.scatter_(1, n, 1)
    return ids, torch.arange(TEXT_LENGTH, device=words.device)[None] <= n


CLIP_BOS, CLIP_EOS = len(WORDS) + 1, len(WORDS) + 2


def clip_ids(words):
    """-> [B, 24] ids: <unk> 0, words from 1, begin and end of text last; padded with the end token."""
    body = torch.where(words != NONE, words + 1, CLIP_EOS)
    return F.pad(F.pad(body, (1, 0), value=CLIP_BOS), (0, TEXT_LENGTH - MAX_WORDS - 1), value=CLIP_EOS)


def bert_ids(words):
    """-> ([B, 24] ids, [B, 24] mask): [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, words from 4."""
    n = (words != NONE).sum(1, keepdim=True)
    ids = F.pad(torch.where(words != NONE, words + 4, 0), (1, TEXT_LENGTH - MAX_WORDS - 1))
    ids[:, 0] = 2
    ids.scatter_(1, n + 1, 3)
    return ids, torch.arange(TEXT_LENGTH, device=words.device)[None] <= n + 1


# ---------------------------------------------------------------------------------------------- T5 encoder (HF layout)
T5_CONFIG = {"architectures": ["T5EncoderModel"], "model_type": "t5", "d_model": 128, "d_kv": 32, "d_ff": 256, "num_heads": 4, "num_layers": 3,
             "vocab_size": len(WORDS) + 3, "feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu_new", "is_gated_act": True,
             "is_encoder_decoder": False, "layer_norm_epsilon": 1e-6, "relative_attention_num_buckets": 32,
             "relative_attention_max_distance": 128, "pad_token_id": 0, "eos_token_id": 1, "dropout_rate": 0.0, "tie_word_embeddings": True,
             "torch_dtype": "bfloat16"}


class T5Norm(nn.Module):
    def __init__(self, d, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

    def forward(self, x):
        return F.rms_norm(x.float(), x.shape[-1:], self.weight, self.eps)


class T5Attention(nn.Module):
    def __init__(self, c, first):
        super().__init__()
        d, inner = c["d_model"], c["num_heads"] * c["d_kv"]
        self.heads = c["num_heads"]
        self.q, self.k, self.v = (nn.Linear(d, inner, bias=False) for _ in range(3))
        self.o = nn.Linear(inner, d, bias=False)
        nn.init.normal_(self.q.weight, std=(d * c["d_kv"]) ** -0.5)
        for m in (self.k, self.v):
            nn.init.normal_(m.weight, std=d ** -0.5)
        nn.init.normal_(self.o.weight, std=inner ** -0.5)
        if first:
            self.relative_attention_bias = nn.Embedding(c["relative_attention_num_buckets"], c["num_heads"])
            nn.init.normal_(self.relative_attention_bias.weight, std=d ** -0.5)

    def forward(self, x, bias):
        q, k, v = (m(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for m in (self.q, self.k, self.v))
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype), scale=1.0)
        return self.o(out.transpose(1, 2).flatten(2))


class T5Gated(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, f = c["d_model"], c["d_ff"]
        self.wi_0, self.wi_1, self.wo = nn.Linear(d, f, bias=False), nn.Linear(d, f, bias=False), nn.Linear(f, d, bias=False)
        for m, n in ((self.wi_0, d), (self.wi_1, d), (self.wo, f)):
            nn.init.normal_(m.weight, std=n ** -0.5)

    def forward(self, x):
        return self.wo(F.gelu(self.wi_0(x), approximate="tanh") * self.wi_1(x))


class T5Layer(nn.Module):
    def __init__(self, c, name, inner):
        super().__init__()
        setattr(self, name, inner)
        self.layer_norm = T5Norm(c["d_model"], c["layer_norm_epsilon"])


class T5Block(nn.Module):
    def __init__(self, c, first):
        super().__init__()
        self.layer = nn.ModuleList([T5Layer(c, "SelfAttention", T5Attention(c, first)), T5Layer(c, "DenseReluDense", T5Gated(c))])

    def forward(self, x, bias):
        a, f = self.layer
        x = x + a.SelfAttention(a.layer_norm(x), bias)
        return x + f.DenseReluDense(f.layer_norm(x))


class T5Stack(nn.Module):
    def __init__(self, c, embedding):
        super().__init__()
        self.embed_tokens = embedding
        self.block = nn.ModuleList([T5Block(c, n == 0) for n in range(c["num_layers"])])
        self.final_layer_norm = T5Norm(c["d_model"], c["layer_norm_epsilon"])


def t5_buckets(n, buckets, max_distance):
    rel = torch.arange(n)[None, :] - torch.arange(n)[:, None]  # key minus query
    half = buckets // 2
    exact = half // 2
    side = (rel > 0).long() * half
    rel = rel.abs()
    far = exact + (torch.log(rel.clamp(min=1).float() / exact) / math.log(max_distance / exact) * (half - exact)).long()
    return side + torch.where(rel < exact, rel, far.clamp(max=half - 1))


class T5Encoder(nn.Module):
    def __init__(self, c=T5_CONFIG):
        super().__init__()
        self.c = c
        self.shared = nn.Embedding(c["vocab_size"], c["d_model"])
        self.encoder = T5Stack(c, self.shared)
        self.register_buffer("buckets", t5_buckets(64, c["relative_attention_num_buckets"], c["relative_attention_max_distance"]), persistent=False)

    def forward(self, ids, mask=None):
        """-> [B, L, d_model] (float32). Without a mask padding is attended to, as FLUX.1 does."""
        n = ids.shape[1]
        table = self.encoder.block[0].layer[0].SelfAttention.relative_attention_bias
        bias = table(self.buckets[:n, :n]).permute(2, 0, 1)[None]
        if mask is not None:
            bias = bias.masked_fill(~mask[:, None, None], -1e9)
        x = self.shared(ids)
        for block in self.encoder.block:
            x = block(x, bias)
        return self.encoder.final_layer_norm(x)


# ---------------------------------------------------------------------------------------------- CLIP (HF layout)
def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


class ClipAttention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(d, d) for _ in range(4))

    def forward(self, x, causal):
        q, k, v = (m(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for m in (self.q_proj, self.k_proj, self.v_proj))
        return self.out_proj(F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2))


class ClipMlp(nn.Module):
    def __init__(self, d, f):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(d, f), nn.Linear(f, d)

    def forward(self, x):
        return self.fc2(quick_gelu(self.fc1(x)))


class ClipLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["hidden_size"]
        self.self_attn = ClipAttention(d, c["num_attention_heads"])
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.mlp = ClipMlp(d, c["intermediate_size"])

    def forward(self, x, causal):
        x = x + self.self_attn(self.layer_norm1(x), causal)
        return x + self.mlp(self.layer_norm2(x))


class ClipLayers(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.layers = nn.ModuleList([ClipLayer(c) for _ in range(c["num_hidden_layers"])])

    def forward(self, x, causal):
        for layer in self.layers:
            x = layer(x, causal)
        return x


class ClipTextEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.token_embedding = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.position_embedding = nn.Embedding(c["max_position_embeddings"], c["hidden_size"])
        nn.init.normal_(self.token_embedding.weight, std=0.5)
        nn.init.normal_(self.position_embedding.weight, std=0.1)


class ClipTextTransformer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.eos = c["eos_token_id"]
        self.embeddings, self.encoder = ClipTextEmbeddings(c), ClipLayers(c)
        self.final_layer_norm = nn.LayerNorm(c["hidden_size"])

    def forward(self, ids):
        """-> (last hidden state [B, L, d], pooled [B, d]: the state at the first end-of-text token)"""
        e = self.embeddings
        x = e.token_embedding(ids) + e.position_embedding.weight[:ids.shape[1]]
        x = self.final_layer_norm(self.encoder(x, True))
        end = (ids == self.eos).int().argmax(1)
        return x, x[torch.arange(len(ids), device=ids.device), end]


class ClipText(nn.Module):
    """CLIPTextModel: FLUX.1's pooled vector."""

    def __init__(self, c):
        super().__init__()
        self.text_model = ClipTextTransformer(c)

    def forward(self, ids):
        return self.text_model(ids)


class ClipVisionEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, p = c["hidden_size"], c["patch_size"]
        self.class_embedding = nn.Parameter(torch.randn(d) * d ** -0.5)
        self.patch_embedding = nn.Conv2d(3, d, p, p, bias=False)
        self.position_embedding = nn.Embedding((c["image_size"] // p) ** 2 + 1, d)
        nn.init.normal_(self.position_embedding.weight, std=0.1)


class ClipVision(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embeddings = ClipVisionEmbeddings(c)
        self.pre_layrnorm = nn.LayerNorm(c["hidden_size"])
        self.encoder = ClipLayers(c)
        self.post_layernorm = nn.LayerNorm(c["hidden_size"])

    def forward(self, pixels):
        e = self.embeddings
        x = e.patch_embedding(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([e.class_embedding.to(x.dtype).expand(len(x), 1, -1), x], 1) + e.position_embedding.weight
        return self.post_layernorm(self.encoder(self.pre_layrnorm(x), False)[:, 0])


class Clip(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.text_model, self.vision_model = ClipTextTransformer(c["text_config"]), ClipVision(c["vision_config"])
        self.visual_projection = nn.Linear(c["vision_config"]["hidden_size"], c["projection_dim"], bias=False)
        self.text_projection = nn.Linear(c["text_config"]["hidden_size"], c["projection_dim"], bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(c["logit_scale_init_value"]))

    def image(self, pixels):
        return F.normalize(self.visual_projection(self.vision_model(pixels)).float(), dim=-1)

    def text(self, ids):
        return F.normalize(self.text_projection(self.text_model(ids)[1]).float(), dim=-1)

    def forward(self, pixels, ids):
        return self.image(pixels), self.text(ids)


def clip_text_config(d, layers, heads, projection=None):
    c = {"architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "vocab_size": len(WORDS) + 3, "hidden_size": d,
         "intermediate_size": 4 * d, "num_hidden_layers": layers, "num_attention_heads": heads, "max_position_embeddings": TEXT_LENGTH,
         "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "bos_token_id": CLIP_BOS, "eos_token_id": CLIP_EOS, "pad_token_id": CLIP_EOS,
         "attention_dropout": 0.0, "projection_dim": projection or d}
    return c


CLIP_CONFIG = {"architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": 96, "logit_scale_init_value": 2.6592,
               "text_config": clip_text_config(96, 2, 3, 96),
               "vision_config": {"model_type": "clip_vision_model", "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4,
                                 "num_attention_heads": 4, "image_size": 64, "patch_size": 8, "num_channels": 3, "hidden_act": "quick_gelu",
                                 "layer_norm_eps": 1e-5, "attention_dropout": 0.0, "projection_dim": 96}}

# the published preprocessing of CLIP and ImageReward: pixels / 255, minus mean, over deviation
PIXEL_MEAN, PIXEL_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def verifier_pixels(img):
    """images in [-1, 1] -> the verifiers' input"""
    mean, std = (constant(v, img.device).view(1, 3, 1, 1) for v in (PIXEL_MEAN, PIXEL_STD))
    return ((img + 1) / 2 - mean) / std


# ---------------------------------------------------------------------------------------------- ImageReward (BLIP layout)
REWARD_VIT = {"embed_dim": 160, "depth": 4, "num_heads": 5, "img_size": 64, "patch_size": 4}
REWARD_BERT = {"model_type": "bert", "vocab_size": len(WORDS) + 4, "hidden_size": 160, "intermediate_size": 640, "num_hidden_layers": 3,
               "num_attention_heads": 5, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": BERT_POSITIONS, "pad_token_id": 0,
               "type_vocab_size": 2, "add_type_embeddings": False, "add_cross_attention": True, "encoder_width": 160, "fusion_layer": 0,
               "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


class VitAttention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class VitMlp(nn.Module):
    def __init__(self, d, f):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(d, f), nn.Linear(f, d)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class VitBlock(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d, eps=1e-6), nn.LayerNorm(d, eps=1e-6)
        self.attn, self.mlp = VitAttention(d, heads), VitMlp(d, 4 * d)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VitPatch(nn.Module):
    def __init__(self, d, p):
        super().__init__()
        self.proj = nn.Conv2d(3, d, p, p)


class Vit(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["embed_dim"]
        self.cls_token = nn.Parameter(torch.randn(1, 1, d) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, (c["img_size"] // c["patch_size"]) ** 2 + 1, d) * 0.1)
        self.patch_embed = VitPatch(d, c["patch_size"])
        self.blocks = nn.ModuleList([VitBlock(d, c["num_heads"]) for _ in range(c["depth"])])
        self.norm = nn.LayerNorm(d, eps=1e-6)

    def forward(self, pixels):
        x = self.patch_embed.proj(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.to(x.dtype).expand(len(x), -1, -1), x], 1) + self.pos_embed
        for b in self.blocks:
            x = b(x)
        return self.norm(x)


class BertSelf(nn.Module):
    def __init__(self, d, width):
        super().__init__()
        self.query, self.key, self.value = nn.Linear(d, d), nn.Linear(width, d), nn.Linear(width, d)


class BertOutput(nn.Module):
    def __init__(self, n, d, eps):
        super().__init__()
        self.dense, self.LayerNorm = nn.Linear(n, d), nn.LayerNorm(d, eps=eps)

    def forward(self, h, x):
        return self.LayerNorm(self.dense(h) + x)


class BertAttention(nn.Module):
    def __init__(self, c, width):
        super().__init__()
        self.heads = c["num_attention_heads"]
        self.self = BertSelf(c["hidden_size"], width)
        self.output = BertOutput(c["hidden_size"], c["hidden_size"], c["layer_norm_eps"])

    def forward(self, x, context, mask, group=1):
        """group > 1: x holds ``group`` captions per row of ``context``, which share its keys and values"""
        s = self.self
        q = s.query(x)
        q = q.unflatten(0, (-1, group)).flatten(1, 2) if group > 1 else q
        q, k, v = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in (q, s.key(context), s.value(context)))
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
        return self.output(out.reshape(x.shape), x)


class BertDense(nn.Module):
    def __init__(self, d, n):
        super().__init__()
        self.dense = nn.Linear(d, n)


class BertLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, f = c["hidden_size"], c["intermediate_size"]
        self.attention, self.crossattention = BertAttention(c, d), BertAttention(c, c["encoder_width"])
        self.intermediate, self.output = BertDense(d, f), BertOutput(f, d, c["layer_norm_eps"])

    def forward(self, x, image, mask, group):
        x = self.attention(x, x, mask)
        x = self.crossattention(x, image, None, group)
        return self.output(F.gelu(self.intermediate.dense(x)), x)


class BertEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["hidden_size"]
        self.word_embeddings, self.position_embeddings = nn.Embedding(c["vocab_size"], d), nn.Embedding(c["max_position_embeddings"], d)
        nn.init.normal_(self.word_embeddings.weight, std=0.5)
        nn.init.normal_(self.position_embeddings.weight, std=0.2)
        self.LayerNorm = nn.LayerNorm(d, eps=c["layer_norm_eps"])
        self.register_buffer("position_ids", torch.arange(c["max_position_embeddings"])[None])


class BertLayers(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.layer = nn.ModuleList([BertLayer(c) for _ in range(c["num_hidden_layers"])])


class Bert(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embeddings, self.encoder = BertEmbeddings(c), BertLayers(c)

    def forward(self, ids, mask, image, group=1):
        e = self.embeddings
        x = e.LayerNorm(e.word_embeddings(ids) + e.position_embeddings.weight[:ids.shape[1]])
        for layer in self.encoder.layer:
            x = layer(x, image, mask[:, None, None], group)
        return x


class Blip(nn.Module):
    def __init__(self, vit, bert):
        super().__init__()
        self.visual_encoder, self.text_encoder = Vit(vit), Bert(bert)


class RewardMlp(nn.Module):
    """ImageReward's head: five linear layers without activations (the even indices are dropouts there)."""

    def __init__(self, d):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(d, 1024), nn.Identity(), nn.Linear(1024, 128), nn.Identity(), nn.Linear(128, 64), nn.Identity(),
                                    nn.Linear(64, 16), nn.Linear(16, 1))
        for m in self.layers:
            if isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, std=m.in_features ** -0.5)
                nn.init.zeros_(m.bias)


class ImageReward(nn.Module):
    def __init__(self, vit=REWARD_VIT, bert=REWARD_BERT):
        super().__init__()
        self.blip, self.mlp = Blip(vit, bert), RewardMlp(bert["hidden_size"])

    def forward(self, pixels, ids, mask, group=1):
        """pixels [B], ids and mask [B * group] (an image's captions adjacent) -> raw reward [B * group] (before mean and deviation)"""
        image = self.blip.visual_encoder(pixels)
        return self.mlp.layers(self.blip.text_encoder(ids, mask, image, group)[:, 0]).squeeze(-1).float()


# ---------------------------------------------------------------------------------------------- convolutional autoencoders
class Wrapped(nn.Module):
    """Infinity's tokenizer wraps each convolution and norm once more: ``conv1.conv.weight``, ``norm1.norm.weight``."""

    def __init__(self, name, inner):
        super().__init__()
        setattr(self, name, inner)
        self._name = name

    def forward(self, x):
        return getattr(self, self._name)(x)


class Kit:
    """Builds convolutions and group norms in the wanted naming."""

    def __init__(self, wrapped):
        self.wrapped = wrapped

    def conv(self, i, o, k=3, stride=1, padding=None):
        m = nn.Conv2d(i, o, k, stride, k // 2 if padding is None else padding)
        return Wrapped("conv", m) if self.wrapped else m

    def norm(self, c):
        groups = 32 if c % 32 == 0 else 24
        assert c % groups == 0, c
        m = nn.GroupNorm(groups, c, eps=1e-6)
        return Wrapped("norm", m) if self.wrapped else m


class ResBlock(nn.Module):
    def __init__(self, kit, i, o):
        super().__init__()
        self.norm1, self.conv1, self.norm2, self.conv2 = kit.norm(i), kit.conv(i, o), kit.norm(o), kit.conv(o, o)
        if i != o:
            self.nin_shortcut = kit.conv(i, o, 1)

    def forward(self, x):
        h = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x) + h


class AttnBlock(nn.Module):
    def __init__(self, kit, c):
        super().__init__()
        self.norm = kit.norm(c)
        self.q, self.k, self.v, self.proj_out = (kit.conv(c, c, 1) for _ in range(4))

    def forward(self, x):
        h = self.norm(x)
        q, k, v = (m(h).flatten(2).transpose(1, 2)[:, None] for m in (self.q, self.k, self.v))
        return x + self.proj_out(F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2).unflatten(2, x.shape[2:]))


class Resample(nn.Module):
    def __init__(self, kit, c, up):
        super().__init__()
        self.up = up
        self.conv = kit.conv(c, c) if up else kit.conv(c, c, 3, 2, 0)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest") if self.up else F.pad(x, (0, 1, 0, 1)))


class Node(nn.Module):
    """A namespace in the key layout (``mid``, ``down.N``, ``up.N``)."""


def _mid(kit, c, attention):
    mid = Node()
    mid.block_1 = ResBlock(kit, c, c)
    if attention:
        mid.attn_1 = AttnBlock(kit, c)
    mid.block_2 = ResBlock(kit, c, c)
    return mid


def _run_mid(mid, h):
    h = mid.block_1(h)
    if hasattr(mid, "attn_1"):
        h = mid.attn_1(h)
    return mid.block_2(h)


class ConvEncoder(nn.Module):
    def __init__(self, kit, ch, mult, blocks, out, attention):
        super().__init__()
        self.conv_in = kit.conv(3, ch)
        self.down = nn.ModuleList()
        c = ch
        for level, m in enumerate(mult):
            node = Node()
            node.block = nn.ModuleList()
            for _ in range(blocks):
                node.block.append(ResBlock(kit, c, ch * m))
                c = ch * m
            if level < len(mult) - 1:
                node.downsample = Resample(kit, c, False)
            self.down.append(node)
        self.mid = _mid(kit, c, attention)
        self.norm_out, self.conv_out = kit.norm(c), kit.conv(c, out)

    def forward(self, x):
        h = self.conv_in(x)
        for node in self.down:
            for b in node.block:
                h = b(h)
            if hasattr(node, "downsample"):
                h = node.downsample(h)
        return self.conv_out(F.silu(self.norm_out(_run_mid(self.mid, h))))


class ConvDecoder(nn.Module):
    def __init__(self, kit, ch, mult, blocks, z, attention):
        super().__init__()
        c = ch * mult[-1]
        self.conv_in = kit.conv(z, c)
        self.mid = _mid(kit, c, attention)
        up = []
        for level in reversed(range(len(mult))):
            node = Node()
            node.block = nn.ModuleList()
            for _ in range(blocks + 1):
                node.block.append(ResBlock(kit, c, ch * mult[level]))
                c = ch * mult[level]
            if level:
                node.upsample = Resample(kit, c, True)
            up.insert(0, node)
        self.up = nn.ModuleList(up)
        self.norm_out, self.conv_out = kit.norm(c), kit.conv(c, 3)

    def forward(self, z):
        h = _run_mid(self.mid, self.conv_in(z))
        for node in reversed(self.up):
            for b in node.block:
                h = b(h)
            if hasattr(node, "upsample"):
                h = node.upsample(h)
        return self.conv_out(F.silu(self.norm_out(h)))


# ---------------------------------------------------------------------------------------------- Infinity: tokenizer
VAE_CONFIG = {"ch": 48, "ch_mult": [1, 1, 2], "num_res_blocks": 1, "z_channels": BITS, "stride": 4, "encoder_output": "tanh"}


def upsample(x, n):
    return F.interpolate(x, size=(n, n), mode="bilinear") if x.shape[-1] != n else x


def downsample(x, n):
    return F.interpolate(x, size=(n, n), mode="area") if x.shape[-1] != n else x


def quantize(z, flip=None, cut=None):
    """Multi-scale residual binary quantisation. z [B, 16, 16, 16] float32; flip: largest bit-flip probability.

    -> (bits: list of [B, h*w, 16] in {0, 1}, inputs: list of [B, h*w, 16] of scales 2.., sum [B, 16, 16, 16]); the bits are
    those of the residual, the sums contain the flipped ones, so that later scales learn to correct earlier ones.
    cut [B]: number of scales to sum (None: all)."""
    unit = 1 / math.sqrt(BITS)
    n = SCALES[-1]
    total, kept, bits, inputs = torch.zeros_like(z), None, [], []
    for k, s in enumerate(SCALES):
        b = downsample(z - total, s) >= 0
        bits.append(b.flatten(2).transpose(1, 2))
        if flip:
            p = torch.rand(len(z), 1, 1, 1, device=z.device) * flip
            b = b ^ (torch.rand_like(b, dtype=torch.float32) < p)
        total = total + upsample(torch.where(b, unit, -unit), n)
        if k + 1 < len(SCALES):
            x = F.interpolate(total, size=(SCALES[k + 1],) * 2, mode="bilinear") if SCALES[k + 1] != n else total
            inputs.append(x.flatten(2).transpose(1, 2))
        if cut is not None:
            kept = total if kept is None else torch.where((cut > k)[:, None, None, None], total, kept)
    return bits, inputs, total if cut is None else kept


class Tokenizer(nn.Module):
    def __init__(self, c=VAE_CONFIG):
        super().__init__()
        kit = Kit(True)
        self.encoder = ConvEncoder(kit, c["ch"], c["ch_mult"], c["num_res_blocks"], c["z_channels"], False)
        self.decoder = ConvDecoder(kit, c["ch"], c["ch_mult"], c["num_res_blocks"], c["z_channels"], False)

    def encode(self, img):
        """-> what is quantised. Bounded, because an unbounded latent runs away from the codes under the straight-through gradient."""
        return torch.tanh(self.encoder(img).float())

    def forward(self, img):
        """Training pass -> (reconstruction, commitment loss, balance loss). A share of the images is decoded from its coarse scales only."""
        z = self.encode(img)
        with torch.no_grad():
            some = torch.rand(len(z), device=z.device) < COARSE
            cut = torch.where(some, torch.randint(2, len(SCALES), (len(z),), device=z.device), len(SCALES))
            _, _, q = quantize(z, cut=cut)
            full = torch.where(some[:, None, None, None], z, q)
        commitment = (z - full).pow(2).mean()
        balance = torch.tanh(4 * z).mean((0, 2, 3)).pow(2).mean()
        return self.decoder(z + (q - z).detach()), commitment, balance


# ---------------------------------------------------------------------------------------------- Infinity: transformer
VAR_CONFIG = {"embed_dim": 192, "num_heads": 6, **VAR_SIZE, "bits": BITS, "text_channels": T5_CONFIG["d_model"], "text_maxlen": TEXT_LENGTH}
STARTS = [sum(s * s for s in SCALES[:k]) for k in range(len(SCALES) + 1)]


def rope_tables(head_dim, base_size=ROPE_BASE_SIZE):
    """cos and sin [521, head_dim / 2]: the first half of the angles turns with the row, the second with the column."""
    quarter = head_dim // 4
    freq = 1.0 / 10000 ** (torch.arange(quarter).float() * 2 / (head_dim // 2))
    angles = []
    for s in SCALES:
        p = (torch.arange(s) * (base_size / s)).round()
        rows, cols = p[:, None].expand(s, s).flatten(), p[None].expand(s, s).flatten()
        angles.append(torch.cat([rows[:, None] * freq, cols[:, None] * freq], 1))
    a = torch.cat(angles)
    return a.cos(), a.sin()


def block_causal_attention(q, k, v, mask):
    """Attention of every scale to itself and to those before it. The small scales share one masked call; the two largest, which a
    sequence may lack, need no mask, which the fastest kernels do not take."""
    n = STARTS[-3]
    small = (F.pad(t[:, :, :n], (0, 0, 0, len(mask) - n)) for t in (q, k, v))
    parts = [F.scaled_dot_product_attention(*small, attn_mask=mask, scale=1.0)[:, :, :n]]
    for begin, end in zip(STARTS[-3:-1], STARTS[-2:]) if q.shape[2] > n else ():
        parts.append(F.scaled_dot_product_attention(q[:, :, begin:end], k[:, :, :end], v[:, :, :end], scale=1.0))
    return torch.cat(parts, 2)


def rotate(x, cos, sin):
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([cos * a - sin * b, sin * a + cos * b], -1).flatten(-2)


class VarSelfAttention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.scale_mul_1H11 = nn.Parameter(torch.full((1, heads, 1, 1), 4.0).log())
        self.mat_qkv = nn.Linear(d, 3 * d, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(d)), nn.Parameter(torch.zeros(d))
        self.register_buffer("zero_k_bias", torch.zeros(d))
        self.proj = nn.Linear(d, d)

    def forward(self, x, cos, sin, mask, past):
        bias = torch.cat([self.q_bias, self.zero_k_bias, self.v_bias])
        q, k, v = F.linear(x, self.mat_qkv.weight, bias).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        q = F.normalize(q.float(), dim=-1, eps=1e-12) * self.scale_mul_1H11.clamp(max=math.log(100.0)).exp()
        k = F.normalize(k.float(), dim=-1, eps=1e-12)
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        if past is None:
            out = block_causal_attention(q, k, v, mask)
        else:
            if past:
                k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
            past[:] = [k, v]
            out = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        return self.proj(out.transpose(1, 2).flatten(2))


class VarCrossAttention(nn.Module):
    def __init__(self, d, width, heads, pool):
        super().__init__()
        self.heads, self.pool = heads, pool
        if pool:
            self.mat_q = nn.Parameter(torch.randn(1, heads, d // heads) * math.sqrt(1 / d / 3))
        else:
            self.mat_q = nn.Linear(d, d)
        self.mat_kv = nn.Linear(width, 2 * d, bias=False)
        self.v_bias = nn.Parameter(torch.zeros(d))
        self.register_buffer("zero_k_bias", torch.zeros(d))
        self.proj = nn.Linear(d, d)

    def forward(self, x, text, mask):
        kv = F.linear(text, self.mat_kv.weight, torch.cat([self.zero_k_bias, self.v_bias]))
        k, v = kv.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        if self.pool:
            q = self.mat_q.to(k.dtype)[None].expand(len(text), -1, -1, -1).transpose(1, 2).reshape(len(text), self.heads, 1, -1)
        else:
            q = self.mat_q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return self.proj(F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2))


class VarFfn(nn.Module):
    def __init__(self, d, f):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(d, f), nn.Linear(f, d)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


def plain_norm(x):
    return F.layer_norm(x.float(), x.shape[-1:], eps=1e-6)


class VarBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["embed_dim"]
        self.sa, self.ca = VarSelfAttention(d, c["num_heads"]), VarCrossAttention(d, d, c["num_heads"], False)
        self.ffn = VarFfn(d, c["mlp_hidden"])
        self.ca_norm = nn.LayerNorm(d, eps=1e-6)
        self.ada_gss = nn.Parameter(torch.randn(1, 1, 6, d) / d ** 0.5)

    def forward(self, x, cond, text, text_mask, cos, sin, mask, past):
        gamma1, gamma2, scale1, scale2, shift1, shift2 = (self.ada_gss + cond).unbind(2)
        x = x + self.sa(plain_norm(x) * (1 + scale1) + shift1, cos, sin, mask, past) * gamma1
        x = x + self.ca(self.ca_norm(x), text, text_mask)
        return x + self.ffn(plain_norm(x) * (1 + scale2) + shift2) * gamma2


class VarChunk(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.module = nn.ModuleList([VarBlock(c)])


class VarPool(nn.Module):
    def __init__(self, text, d):
        super().__init__()
        self.ca = VarCrossAttention(d, text, text // 128, True)


class VarHeadNorm(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(d, 2 * d))


class Infinity(nn.Module):
    def __init__(self, c=VAR_CONFIG, rope_base=ROPE_BASE_SIZE):
        super().__init__()
        self.c = c
        d, t = c["embed_dim"], c["text_channels"]
        std = math.sqrt(1 / d / 3)
        self.cfg_uncond = nn.Parameter(torch.randn(c["text_maxlen"], t) * 1.2 / t ** 0.5)
        self.text_norm = T5Norm(t, 1e-6)
        self.text_proj_for_sos = VarPool(t, d)
        self.text_proj_for_ca = nn.Sequential(nn.Linear(t, d), nn.GELU(approximate="tanh"), nn.Linear(d, d))
        self.pos_start = nn.Parameter(torch.randn(1, 1, d) * std)
        self.lvl_embed = nn.Embedding(15, d)
        nn.init.normal_(self.lvl_embed.weight, std=std)
        self.word_embed = nn.Linear(c["bits"], d)
        self.shared_ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(d, 6 * d))
        self.block_chunks = nn.ModuleList([VarChunk(c) for _ in range(c["depth"])])
        self.head_nm, self.head = VarHeadNorm(d), nn.Linear(d, 2 * c["bits"])
        cos, sin = rope_tables(d // c["num_heads"], rope_base)
        level = torch.cat([torch.full((s * s,), k) for k, s in enumerate(SCALES)])
        small = level[:STARTS[-3]]  # the scales that share a masked call; their number is padded to a multiple of 16 for the kernel
        reach = F.pad(small, (0, -len(small) % 16), value=len(SCALES))
        causal = (reach[:, None] >= reach[None]) & (torch.arange(len(reach)) < len(small))[None]
        for name, value in (("cos", cos), ("sin", sin), ("level", level), ("causal", causal)):
            self.register_buffer(name, value, persistent=False)

    def init_weights(self):
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.trunc_normal_(m.weight, std=0.02 if m is not self.word_embed else 0.5)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)
        for b in self.block_chunks:
            for m in (b.module[0].sa.proj, b.module[0].ca.proj, b.module[0].ffn.fc2):
                m.weight.data.mul_(1 / math.sqrt(2 * len(self.block_chunks)))
        self.head_nm.ada_lin[1].weight.data.mul_(0.5)
        self.head.weight.data.mul_(0.02)
        return self

    def condition(self, features, mask, drop=None):
        """text features [B, L, text_channels] and mask [B, L] -> what every step needs; drop [B]: rows that become unconditional"""
        if drop is not None:
            features = torch.where(drop[:, None, None], self.cfg_uncond[:features.shape[1]], features)
        features = self.text_norm(features)
        m = mask[:, None, None]
        sos = self.text_proj_for_sos.ca(None, features, m)[:, 0].float()
        text = self.text_proj_for_ca(features)
        return dict(sos=sos, text=text, mask=m, ada=self.shared_ada_lin(sos).view(-1, 1, 6, self.c["embed_dim"]).float())

    def logits(self, x, sos):
        scale, shift = self.head_nm.ada_lin(sos).view(-1, 1, 2, self.c["embed_dim"]).unbind(2)
        return self.head(plain_norm(x) * (1 + scale) + shift).float()

    def forward(self, features, mask, drop, inputs):
        """Teacher forcing: inputs [B, n - 1, bits] -> logits [B, n, 2 bits], n the tokens of all scales or of all but the two largest"""
        c = self.condition(features, mask, drop)
        x = torch.cat([c["sos"][:, None] + self.pos_start, self.word_embed(inputs).float()], 1)
        n = x.shape[1]
        x = x + self.lvl_embed(self.level[:n])
        for b in self.block_chunks:
            x = b.module[0](x, c["ada"], c["text"], c["mask"], self.cos[:n], self.sin[:n], self.causal, None)
        return self.logits(x, c["sos"])

    def step(self, k, total, c, cache):
        """Logits of scale k, given the sum of the codes so far [B, 16, 16, 16] (ignored at scale 0); ``cache``: one list a block."""
        if k == 0:
            x = c["sos"][:, None] + self.pos_start
        else:
            x = F.interpolate(total, size=(SCALES[k],) * 2, mode="bilinear") if SCALES[k] != SCALES[-1] else total
            x = self.word_embed(x.flatten(2).transpose(1, 2)).float()
        x = x + self.lvl_embed.weight[k]
        a, e = STARTS[k], STARTS[k + 1]
        for b, past in zip(self.block_chunks, cache):
            x = b.module[0](x, c["ada"], c["text"], c["mask"], self.cos[a:e], self.sin[a:e], None, past)
        return self.logits(x, c["sos"])


class InfinityWithText(nn.Module):
    """What is trained: the transformer and its text encoder together."""

    def __init__(self):
        super().__init__()
        self.transformer, self.text_encoder = Infinity().init_weights(), T5Encoder()

    def forward(self, ids, mask, drop, inputs):
        return self.transformer(self.text_encoder(ids, mask), mask, drop, inputs)


@torch.no_grad()
def sample_infinity(model, ids, mask, cfg, tau, noise=None, keep=None):
    """-> summed codes [B, 16, 16, 16]. ``noise``: None draws, 0 takes the most likely bit. ``keep``: a list that receives
    the guided logits (over tau) of each scale."""
    t = model.transformer
    n = len(ids)
    features = model.text_encoder(ids, mask).repeat(2, 1, 1)
    drop = torch.arange(2 * n, device=ids.device) >= n
    c = t.condition(features, mask.repeat(2, 1), drop)
    cache = [[] for _ in t.block_chunks]
    total = torch.zeros(n, BITS, SCALES[-1], SCALES[-1], device=ids.device)
    unit = 1 / math.sqrt(BITS)
    for k, s in enumerate(SCALES):
        logits = t.step(k, total.repeat(2, 1, 1, 1), c, cache) / tau
        logits = cfg * logits[:n] + (1 - cfg) * logits[n:]
        if keep is not None:
            keep.append(logits)
        d = logits.unflatten(-1, (BITS, 2))
        d = d[..., 1] - d[..., 0]
        b = d > 0 if noise == 0 else torch.rand_like(d) < torch.sigmoid(d)
        code = torch.where(b, unit, -unit).transpose(1, 2).unflatten(2, (s, s))
        total = total + upsample(code, SCALES[-1])
    return total


# ---------------------------------------------------------------------------------------------- FLUX.1
FLUX_AE_CONFIG = {"resolution": 64, "in_channels": 3, "ch": 64, "out_ch": 3, "ch_mult": [1, 1, 2], "num_res_blocks": 1, "z_channels": 8}


class FluxAutoencoder(nn.Module):
    def __init__(self, c=FLUX_AE_CONFIG):
        super().__init__()
        kit = Kit(False)
        self.encoder = ConvEncoder(kit, c["ch"], c["ch_mult"], c["num_res_blocks"], 2 * c["z_channels"], True)
        self.decoder = ConvDecoder(kit, c["ch"], c["ch_mult"], c["num_res_blocks"], c["z_channels"], True)

    def forward(self, img):
        """Training pass -> (reconstruction, KL divergence per latent number)"""
        mean, logvar = self.encoder(img).float().chunk(2, 1)
        logvar = logvar.clamp(-12, 4)
        kl = 0.5 * (mean.pow(2) + logvar.exp() - 1 - logvar).mean()
        return self.decoder(mean + (0.5 * logvar).exp() * torch.randn_like(mean)), kl


def flux_params(hidden, heads, double, single):
    z = FLUX_AE_CONFIG["z_channels"]
    return {"in_channels": 4 * z, "out_channels": 4 * z, "vec_in_dim": 96, "context_in_dim": T5_CONFIG["d_model"], "hidden_size": hidden,
            "mlp_ratio": 4.0, "num_heads": heads, "depth": double, "depth_single_blocks": single, "axes_dim": [8, 12, 12], "theta": 10000,
            "qkv_bias": True, "guidance_embed": False}


FLUX_PARAMS = {"flux-nano": flux_params(160, 5, 1, 5), "flux-nano-large": flux_params(288, 9, 1, 10)}
FLUX_CLIP_CONFIG = clip_text_config(96, 2, 3)


def pack_latent(z):
    """[B, C, H, W] -> [B, H/2 * W/2, 4 C]: channel major, then the row and the column within the 2x2 patch"""
    b, c, h, w = z.shape
    return z.reshape(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(b, h * w // 4, 4 * c)


def unpack_latent(x, h):
    b, n, c = x.shape
    return x.reshape(b, h // 2, h // 2, c // 4, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(b, c // 4, h, h)


class QkScale(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(d))

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale


class QkNorm(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.query_norm, self.key_norm = QkScale(d), QkScale(d)


class FluxAttention(nn.Module):
    def __init__(self, d, heads, bias):
        super().__init__()
        self.heads = heads
        self.qkv, self.norm, self.proj = nn.Linear(d, 3 * d, bias=bias), QkNorm(d // heads), nn.Linear(d, d)

    def project(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return self.norm.query_norm(q), self.norm.key_norm(k), v


class FluxMod(nn.Module):
    def __init__(self, d, n):
        super().__init__()
        self.n, self.lin = n, nn.Linear(d, n * d)
        nn.init.zeros_(self.lin.weight)
        nn.init.zeros_(self.lin.bias)

    def forward(self, vec):
        return self.lin(F.silu(vec))[:, None].chunk(self.n, -1)


def flux_attention(q, k, v, cos, sin):
    q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class FluxDouble(nn.Module):
    def __init__(self, p):
        super().__init__()
        d, f = p["hidden_size"], int(p["hidden_size"] * p["mlp_ratio"])
        for s in ("img", "txt"):
            setattr(self, s + "_mod", FluxMod(d, 6))
            setattr(self, s + "_attn", FluxAttention(d, p["num_heads"], p["qkv_bias"]))
            setattr(self, s + "_mlp", nn.Sequential(nn.Linear(d, f), nn.GELU(approximate="tanh"), nn.Linear(f, d)))

    def forward(self, img, txt, vec, cos, sin):
        i, t = self.img_mod(vec), self.txt_mod(vec)  # shift, scale, gate of the attention, then of the MLP
        iq, ik, iv = self.img_attn.project((1 + i[1]) * plain_norm(img) + i[0])
        tq, tk, tv = self.txt_attn.project((1 + t[1]) * plain_norm(txt) + t[0])
        a = flux_attention(torch.cat([tq, iq], 2), torch.cat([tk, ik], 2), torch.cat([tv, iv], 2), cos, sin)
        n = txt.shape[1]
        img = img + i[2] * self.img_attn.proj(a[:, n:])
        img = img + i[5] * self.img_mlp((1 + i[4]) * plain_norm(img) + i[3])
        txt = txt + t[2] * self.txt_attn.proj(a[:, :n])
        return img, txt + t[5] * self.txt_mlp((1 + t[4]) * plain_norm(txt) + t[3])


class FluxSingle(nn.Module):
    def __init__(self, p):
        super().__init__()
        d = p["hidden_size"]
        self.d, self.f, self.heads = d, int(d * p["mlp_ratio"]), p["num_heads"]
        self.linear1, self.linear2 = nn.Linear(d, 3 * d + self.f), nn.Linear(d + self.f, d)
        self.norm, self.modulation = QkNorm(d // self.heads), FluxMod(d, 3)

    def forward(self, x, vec, cos, sin):
        shift, scale, gate = self.modulation(vec)
        qkv, mlp = self.linear1((1 + scale) * plain_norm(x) + shift).split([3 * self.d, self.f], -1)
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        a = flux_attention(self.norm.query_norm(q), self.norm.key_norm(k), v, cos, sin)
        return x + gate * self.linear2(torch.cat([a, F.gelu(mlp, approximate="tanh")], -1))


class FluxEmbed(nn.Module):
    def __init__(self, i, d):
        super().__init__()
        self.in_layer, self.out_layer = nn.Linear(i, d), nn.Linear(d, d)

    def forward(self, x):
        return self.out_layer(F.silu(self.in_layer(x)))


class FluxLast(nn.Module):
    def __init__(self, d, out):
        super().__init__()
        self.linear = nn.Linear(d, out)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(d, 2 * d))


def time_features(t):
    freq = torch.exp(-math.log(10000) * torch.arange(128, device=t.device).float() / 128)
    a = 1000.0 * t[:, None].float() * freq
    return torch.cat([a.cos(), a.sin()], -1)


class Flux(nn.Module):
    def __init__(self, p, text_length=TEXT_LENGTH, size=8):
        super().__init__()
        self.p = p
        d = p["hidden_size"]
        self.img_in, self.txt_in = nn.Linear(p["in_channels"], d), nn.Linear(p["context_in_dim"], d)
        self.time_in, self.vector_in = FluxEmbed(256, d), FluxEmbed(p["vec_in_dim"], d)
        if p["guidance_embed"]:
            self.guidance_in = FluxEmbed(256, d)
        self.double_blocks = nn.ModuleList([FluxDouble(p) for _ in range(p["depth"])])
        self.single_blocks = nn.ModuleList([FluxSingle(p) for _ in range(p["depth_single_blocks"])])
        self.final_layer = FluxLast(d, p["out_channels"])
        n = torch.arange(size * size)
        ids = torch.cat([torch.zeros(text_length, 3), torch.stack([torch.zeros(size * size), n // size, n % size], 1).float()])
        angles = torch.cat([ids[:, a:a + 1] / p["theta"] ** (torch.arange(0, w, 2).float() / w) for a, w in enumerate(p["axes_dim"])], 1)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def init_weights(self):
        for name, m in self.named_modules():
            if isinstance(m, nn.Linear) and "mod" not in name:
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)
        for m in (self.final_layer.linear, self.final_layer.adaLN_modulation[1]):
            nn.init.zeros_(m.weight)
            nn.init.zeros_(m.bias)
        return self

    def forward(self, img, txt, vec, t, guidance=None):
        """img [B, N, 4 z] noisy packed latent, txt [B, L, context_in_dim], vec [B, 96], t [B] (1 = noise) -> velocity (noise minus data)"""
        cond = self.time_in(time_features(t))
        if self.p["guidance_embed"]:
            cond = cond + self.guidance_in(time_features(guidance))
        cond = cond + self.vector_in(vec)
        img, txt = self.img_in(img), self.txt_in(txt)
        for b in self.double_blocks:
            img, txt = b(img, txt, cond, self.cos, self.sin)
        x = torch.cat([txt, img], 1)
        for b in self.single_blocks:
            x = b(x, cond, self.cos, self.sin)
        shift, scale = self.final_layer.adaLN_modulation(cond)[:, None].chunk(2, -1)
        return self.final_layer.linear((1 + scale) * plain_norm(x[:, txt.shape[1]:]) + shift).float()


class FluxWithText(nn.Module):
    def __init__(self, name):
        super().__init__()
        self.flux, self.text_encoder, self.clip = Flux(FLUX_PARAMS[name]).init_weights(), T5Encoder(), ClipText(FLUX_CLIP_CONFIG)

    def text(self, words):
        """[B, 22] word ids -> (txt, vec); an empty prompt is a row of NONE. Padding is neither masked in T5 nor in the transformer."""
        return self.text_encoder(t5_ids(words)[0]), self.clip(clip_ids(words))[1].float()

    def forward(self, img, words, t):
        return self.flux(img, *self.text(words), t)


def flux_times(steps, shift):
    """steps + 1 times from 1 to 0: t' = shift t / (1 + (shift - 1) t), the published exp(mu) / (exp(mu) + 1/t - 1) with shift = exp(mu)"""
    t = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    return (shift * t / (1 + (shift - 1) * t)).tolist()


@torch.no_grad()
def sample_flux(model, words, noise, cfg, shift, steps=30, first=None):
    """noise [B, 64, 4 z] -> final packed latent. v = v_empty + cfg (v_prompt - v_empty)."""
    n = len(words)
    both = torch.cat([words, torch.full_like(words, NONE)])
    txt, vec = model.text(both)
    x, times = noise, flux_times(steps, shift)
    for a, b in zip(times[:-1], times[1:]):
        v = model.flux(x.repeat(2, 1, 1), txt, vec, torch.full((2 * n,), a, device=x.device))
        v = v[n:] + cfg * (v[:n] - v[n:])
        if first is not None and not first:
            first.append(v)
        x = x + (b - a) * v
    return x


# ---------------------------------------------------------------------------------------------- evaluator: detector
class Norm8(nn.GroupNorm):
    def __init__(self, c):
        super().__init__(8, c)


class DetectorBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm1, self.conv1, self.norm2, self.conv2 = Norm8(c), nn.Conv2d(c, c, 3, 1, 1), Norm8(c), nn.Conv2d(c, c, 3, 1, 1)

    def forward(self, x):
        return x + self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))


class Detector(nn.Module):
    """[B, 3, 64, 64] in [-1, 1] -> [B, 24, 16, 16]: objectness, 8 shapes (the last: other), 8 colours, 3 textures, 2 sizes, offset x and y"""
    SPLIT = (1, 8, 8, 3, 2, 2)

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 1, 1)
        self.block0, self.down0 = DetectorBlock(32), nn.Conv2d(32, 64, 4, 2, 1)
        self.block1, self.down1 = DetectorBlock(64), nn.Conv2d(64, 96, 4, 2, 1)
        self.blocks = nn.ModuleList([DetectorBlock(96) for _ in range(3)])
        self.norm, self.head = Norm8(96), nn.Conv2d(96, sum(self.SPLIT), 3, 1, 1)

    def forward(self, x):
        x = self.down0(self.block0(self.stem(x)))
        x = self.down1(self.block1(x))
        for b in self.blocks:
            x = b(x)
        return self.head(F.silu(self.norm(x))).float()


def count_parameters(m):
    return sum(p.numel() for p in m.parameters())
