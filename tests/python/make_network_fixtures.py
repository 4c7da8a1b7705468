"""Outputs of the encoder-decoder, the hourglass, the pose network and Adam, from PyTorch code written straight from the paper's tables.

Run with PyTorch 2.11 (not needed by `make test`):
    python tests/python/make_network_fixtures.py tests/fixtures
writes depth-network.safetensors, hourglass.safetensors, pose-network.safetensors and adam.safetensors there; further
arguments name the ones to write.

Weights and inputs are not stored: both sides draw them from the same formula by name (`fill`). Everything is float64, for
the plain encoder in training mode amplifies rounding at random weights: some 1e5 in its output and 1e12 in the weights
after three steps of Adam. In evaluation mode float32 is off by 1e-6 of the largest logit. Names are those of the checkpoints, so a state dict maps one to one.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

MASK = (1 << 64) - 1


def uniform(name, count):
    """`count` numbers in [-1, 1): FNV-1a of the name seeds a counter that splitmix64 scrambles."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**53 * 2.0 - 1.0


def fill(name, shape):
    """The value of a variable or input called `name`."""
    u = torch.from_numpy(uniform(name, int(np.prod(shape)))).reshape(shape)
    if name.endswith("running_mean") or name.endswith("bias"):
        return 0.1 * u
    if name.endswith("running_var"):
        return 1.0 + 0.5 * u
    if name.endswith("bn.weight"):
        return 1.0 + 0.2 * u
    if name.endswith("weight"):
        return u * (6.0 / np.prod(shape[1:])) ** 0.5
    return u


class ConvBn(nn.Module):
    def __init__(self, c_in, c_out, k=3, s=1, d=1, groups=1, relu=True):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, k, s, d if k == 3 else 0, d, groups, bias=False)
        self.bn = nn.BatchNorm2d(c_out)
        self.relu = relu

    def forward(self, x):
        x = self.bn(self.conv(x))
        return F.relu(x) if self.relu else x


class Separable(nn.Module):
    def __init__(self, c_in, c_out, s=1, d=1, residual=False):
        super().__init__()
        self.adds = residual and s == 1 and c_in == c_out
        self.dw = ConvBn(c_in, c_in, 3, s, d, groups=c_in)
        self.pw = ConvBn(c_in, c_out, 1, relu=not self.adds)

    def forward(self, x):
        y = self.pw(self.dw(x))
        return F.relu(x + y) if self.adds else y


class Encoder(nn.Module):
    """Encoding blocks 1 to 5 of Table 1."""

    def __init__(self, c_in=3, narrow=32, residual=False):
        super().__init__()
        dw = lambda a, b, **kw: Separable(a, b, residual=residual, **kw)
        self.enc1 = nn.ModuleList([ConvBn(c_in, 32, s=2), ConvBn(32, 64)])
        self.enc2 = nn.ModuleList([dw(64, 64), dw(64, 64), dw(64, 64), dw(64, 128, s=2)])
        self.enc3 = nn.ModuleList([dw(128, 128), dw(128, 128), dw(128, 128), dw(128, 256)])
        self.enc4 = nn.ModuleList(
            [dw(256 if i == 0 else narrow, narrow, d=2) for i in range(12)] + [dw(narrow, 256)]
        )
        self.enc5 = nn.ModuleList([dw(256, 256), ConvBn(256, 128, k=1)])

    def forward(self, x):
        out = []
        for block in (self.enc1, self.enc2, self.enc3, self.enc4, self.enc5):
            for layer in block:
                x = layer(x)
            out.append(x)
        return out


class AtrousStage(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.atrous = nn.ModuleList([ConvBn(c, c, d=d) for d in (1, 2, 2, 4, 4, 8, 8, 16, 16)])
        self.fuse1 = ConvBn(c, c, k=1)
        self.fuse2 = ConvBn(c, c, k=1, relu=False)

    def forward(self, y):
        x = y
        for layer in self.atrous:
            x = layer(x)
        return F.relu(y + self.fuse2(self.fuse1(x)))


class Sam(nn.Module):
    def __init__(self, c_in, c=32):
        super().__init__()
        self.project = ConvBn(c_in, c)
        self.stage = nn.ModuleList([AtrousStage(c) for _ in range(3)])

    def forward(self, x):
        x = self.project(x)
        for stage in self.stage:
            x = stage(x)
        return x


class Logits(nn.Conv2d):
    """3x3 to the bins: with a bias, or without and normalized."""

    def __init__(self, c_in, bins, normalized):
        super().__init__(c_in, bins, 3, padding=1, bias=not normalized)
        self.bn = nn.BatchNorm2d(bins) if normalized else nn.Identity()

    def forward(self, x):
        return self.bn(super().forward(x))


class EncoderDecoder(nn.Module):
    def __init__(self, bins=128, narrow=32, residual=False, normalized=False):
        super().__init__()
        self.encoder = Encoder(3, narrow, residual)
        self.dec1 = nn.Sequential(ConvBn(128 + 256, 32), ConvBn(32, 32))
        self.dec2 = nn.Sequential(ConvBn(32 + 256, 32), ConvBn(32, 32))
        self.sam = Sam(32 + 128)
        self.logits = Logits(32, bins, normalized)

    def forward(self, x):
        _, e2, e3, e4, e5 = self.encoder(x)
        d1 = self.dec1(torch.cat([e5, e4], 1))
        d2 = self.dec2(torch.cat([d1, e3], 1))
        return self.logits(self.sam(torch.cat([d2, e2], 1)))


# Table 2: channels in and out, inter channels, kernels of branches 2 to 4.
TABLE_2 = {
    "A": (128, 64, 64, (3, 7, 11)),
    "B": (128, 128, 32, (3, 5, 7)),
    "C": (128, 128, 64, (3, 7, 11)),
    "D": (128, 256, 32, (3, 5, 7)),
    "E": (256, 256, 32, (3, 5, 7)),
    "F": (256, 256, 64, (3, 7, 11)),
    "G": (256, 128, 32, (3, 5, 7)),
    # Inter channels of the way up at the top level in public code.
    "B'": (128, 128, 64, (3, 5, 7)),
    "A'": (128, 64, 32, (3, 7, 11)),
}


class Inception(nn.Module):
    """A block of Table 2 (Figure 3)."""

    def __init__(self, c_in, c_out, inter, kernels):
        super().__init__()
        width = c_out // 4
        layer = lambda a, b, k: [nn.Conv2d(a, b, k, padding=k // 2), nn.BatchNorm2d(b, affine=False), nn.ReLU()]
        self.branch1 = nn.Sequential(*layer(c_in, width, 1))
        self.branch2, self.branch3, self.branch4 = (
            nn.Sequential(*layer(c_in, inter, 1), *layer(inter, width, k)) for k in kernels
        )

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class Level(nn.Module):
    def __init__(self, skip, down, inner, up, pool, upsample):
        super().__init__()
        chain = lambda names: nn.Sequential(*[Inception(*TABLE_2[name]) for name in names.split()])
        self.skip, self.down, self.up = chain(skip), chain(down), chain(up)
        self.inner = nn.Identity() if inner is None else inner
        self.pool, self.upsample = pool, upsample

    def forward(self, x):
        inside = self.up(self.inner(self.down(self.pool(x))))
        return self.skip(x) + self.upsample(inside)


class Hourglass(nn.Module):
    """Figure 2. `public` takes every choice of published code (DIW) where the paper is silent or differs."""

    def __init__(self, stem_kernel=7, public=False):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 128, stem_kernel, padding=stem_kernel // 2), nn.BatchNorm2d(128), nn.ReLU()
        )
        inner_pool = nn.AvgPool2d(2)
        outer_pool = nn.MaxPool2d(2) if public else inner_pool
        up = nn.Upsample(scale_factor=2, mode="nearest" if public else "bilinear")
        l1 = Level("E E", "E E E", None, "", inner_pool, up)
        l2 = Level("E F", "E E", l1, "E F", inner_pool, up)
        l3 = Level("B C", "B D", l2, "E G", outer_pool, up)
        self.body = Level("A", "B B", l3, "B' A'" if public else "B A", outer_pool, up)
        self.head = nn.Conv2d(64, 1, 3, padding=1)

    def forward(self, x):
        return self.head(self.body(self.stem(x)))


def sharing(encoder, first):
    """An encoder with the same parameters as `encoder` but another first layer and running statistics of its own."""
    other = Encoder().double()
    mine = dict(encoder.named_modules())
    for name, module in other.named_modules():
        for key in list(module._parameters):
            if module._parameters[key] is not None:
                module._parameters[key] = mine[name]._parameters[key]
    other.enc1[0] = first
    return other


def sharing_layer(layer):
    """A ConvBn with the same parameters and running statistics of its own."""
    conv = layer.conv
    other = ConvBn(conv.in_channels, conv.out_channels, conv.kernel_size[0], conv.stride[0]).double()
    other.conv.weight = conv.weight
    other.bn.weight, other.bn.bias = layer.bn.weight, layer.bn.bias
    return other


class Pose:
    """The pose network on a depth encoder; one whole network per kind of call, all on the same parameters."""

    def __init__(self, encoder):
        self.first = ConvBn(9, 32, s=2).double()
        self.decoder = [ConvBn(128 if i == 0 else 32, 32).double() for i in range(4)]
        self.out = nn.Conv2d(32, 12, 1).double()
        self.ego_encoder = sharing(encoder, self.first)
        self.obj_first = sharing_layer(self.first)
        self.obj_encoder = sharing(encoder, self.obj_first)
        self.obj_decoder = [sharing_layer(layer) for layer in self.decoder]

    def parameters(self):
        named = {f"pose.first.{n}": p for n, p in self.first.named_parameters()}
        for i, layer in enumerate(self.decoder):
            named.update({f"pose.decoder.{i}.{n}": p for n, p in layer.named_parameters()})
        named.update({f"pose.out.{n}": p for n, p in self.out.named_parameters()})
        return named

    def buffers(self):
        named = {f"pose.first.{n}": b for n, b in self.first.named_buffers()}
        named.update({f"pose.stats.obj.pose.first.{n}": b for n, b in self.obj_first.named_buffers()})
        for i in range(4):
            named.update({f"pose.decoder.{i}.{n}": b for n, b in self.decoder[i].named_buffers()})
            named.update(
                {f"pose.stats.obj.pose.decoder.{i}.{n}": b for n, b in self.obj_decoder[i].named_buffers()}
            )
        for kind, encoder in (("ego", self.ego_encoder), ("obj", self.obj_encoder)):
            for n, b in encoder.named_buffers():
                if not n.startswith("enc1.0."):
                    named[f"pose.stats.{kind}.encoder.{n}"] = b
        return {n: b for n, b in named.items() if not n.endswith("num_batches_tracked")}

    def train(self, mode):
        for module in [self.ego_encoder, self.obj_encoder, *self.decoder, *self.obj_decoder]:
            module.train(mode)

    def ego(self, frames):
        x = self.ego_encoder(frames)[-1]
        for layer in self.decoder:
            x = layer(x)
        return self.scaled(self.out(x).mean((2, 3)))

    def object(self, frames, masks):
        x = self.obj_encoder(frames)[-1]
        for layer in self.obj_decoder:
            x = layer(x)
        out = self.out(x)
        weight = F.avg_pool2d(masks[:, None], 4)
        return self.scaled((out * weight).sum((2, 3)) / weight.sum((2, 3)))

    @staticmethod
    def scaled(v):
        v = v.reshape(-1, 2, 6)
        return torch.cat([v[..., :3], 0.01 * v[..., 3:]], -1)


def fill_all(named):
    with torch.no_grad():
        for name, tensor in named.items():
            tensor.copy_(fill(name, tuple(tensor.shape)))


def network_state(network):
    named = dict(network.named_parameters())
    named.update({n: b for n, b in network.named_buffers() if not n.endswith("num_batches_tracked")})
    return named


def norms(named):
    """Name and Euclidean norm of each tensor, in the order of the names."""
    return torch.tensor([float(named[name].norm()) for name in sorted(named)], dtype=torch.float64)


def depth_fixture():
    torch.manual_seed(0)
    network = EncoderDecoder().double()
    assert sum(p.numel() for p in network.parameters()) == 822_560
    fill_all(network_state(network))
    images = fill("images", (2, 3, 32, 64)) * 2.0
    target = fill("target", (2, 128, 8, 16))
    out = {}
    network.eval()
    out["eval.logits"] = network(images)[:, ::8]
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = []
    for step in range(3):
        logits = network(images)
        loss = ((logits - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            gradients = {n: p.grad for n, p in network.named_parameters()}
            out["train.logits"] = logits[:, ::8]
            out["train.gradient_norms"] = norms(gradients)
            for name in ("encoder.enc1.0.conv.weight", "sam.project.bn.bias", "logits.bias"):
                out[f"train.gradient.{name}"] = gradients[name].clone()
            out["train.running_norms"] = norms(
                {n: b for n, b in network_state(network).items() if "running_" in n}
            )
        optimizer.step()
        losses.append(loss.item())
    out["trained.losses"] = torch.tensor(losses, dtype=torch.float64)

    variant = EncoderDecoder(bins=16, narrow=48, residual=True, normalized=True).double()
    fill_all(network_state(variant))
    variant.eval()
    out["variant.logits"] = variant(images[:1])
    return out


def hourglass_fixture():
    network = Hourglass().double()
    assert sum(p.numel() for p in network.parameters()) == 5_363_809
    fill_all(network_state(network))
    images = fill("images", (2, 3, 32, 48)) * 2.0
    target = fill("target", (2, 1, 32, 48))
    out = {}
    network.eval()
    out["eval.log_depth"] = network(images)
    network.train()
    log_depth = network(images)
    out["train.log_depth"] = log_depth
    ((log_depth - target) ** 2).mean().backward()
    gradients = {n: p.grad for n, p in network.named_parameters()}
    # A bias before a normalization has no gradient but rounding.
    out["train.gradient_norms"] = norms({n: g for n, g in gradients.items() if n.endswith("weight")})
    for name in ("stem.1.weight", "body.inner.inner.inner.down.2.branch1.0.weight", "head.weight"):
        out[f"train.gradient.{name}"] = gradients[name][:8].clone()
    out["train.running_norms"] = norms({n: b for n, b in network_state(network).items() if "running_" in n})

    for name, options, count in (
        ("public", {"public": True}, 5_357_153),
        ("small_stem", {"stem_kernel": 3}, 5_348_449),
    ):
        variant = Hourglass(**options).double()
        assert sum(p.numel() for p in variant.parameters()) == count
        fill_all(network_state(variant))
        variant.eval()
        out[f"{name}.log_depth"] = variant(images[:1])
    corners = Hourglass().double()
    for level in (corners.body, corners.body.inner, corners.body.inner.inner, corners.body.inner.inner.inner):
        level.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        level.pool = nn.MaxPool2d(2)
    fill_all(network_state(corners))
    corners.eval()
    out["corners.log_depth"] = corners(images[:1])
    return out


def pose_fixture():
    network = EncoderDecoder().double()
    fill_all(network_state(network))
    pose = Pose(network.encoder)
    fill_all({**pose.parameters(), **pose.buffers()})
    frames = fill("frames", (2, 9, 32, 64)) * 2.0
    objects = fill("object frames", (2, 9, 32, 64)) * 2.0
    masks = (fill("masks", (2, 32, 64)) > 0.5).double()
    out = {}
    pose.train(False)
    out["eval.ego"] = pose.ego(frames)
    out["eval.object"] = pose.object(objects, masks)
    pose.train(True)
    ego, object_ = pose.ego(frames), pose.object(objects, masks)
    out["train.ego"], out["train.object"] = ego, object_
    (ego.square().sum() + object_.square().sum()).backward()
    named = {f"encoder.{n}": p for n, p in network.encoder.named_parameters()}
    named.update(pose.parameters())
    gradients = {n: p.grad for n, p in named.items() if p.grad is not None}
    out["train.gradient_norms"] = norms(gradients)
    out["train.running_norms"] = norms(pose.buffers())
    out["train.gradient.pose.out.weight"] = gradients["pose.out.weight"].clone()
    # The depth network's first layer takes no part.
    assert not any(n.startswith("encoder.enc1.0.") for n in gradients)
    return out


def adam_fixture():
    out = {}
    for name, decay in (("plain", 0.0), ("decay", 0.1)):
        x = fill("x", (7,)).requires_grad_()
        optimizer = torch.optim.Adam([x], lr=0.01, betas=(0.8, 0.99), eps=1e-6, weight_decay=decay)
        path = []
        for step in range(5):
            optimizer.zero_grad()
            (fill(f"slope {step}", (7,)) * torch.exp(x)).sum().backward()
            optimizer.step()
            path.append(x.detach().clone())
        out[f"{name}.x"] = torch.stack(path)
        state = optimizer.state[x]
        out[f"{name}.exp_avg"], out[f"{name}.exp_avg_sq"] = state["exp_avg"], state["exp_avg_sq"]
    return out


def main():
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    fixtures = {
        "depth-network": depth_fixture,
        "hourglass": hourglass_fixture,
        "pose-network": pose_fixture,
        "adam": adam_fixture,
    }
    for name in sys.argv[2:] or fixtures:
        tensors = {key: value.detach().contiguous().clone() for key, value in fixtures[name]().items()}
        save_file(tensors, folder / f"{name}.safetensors")


if __name__ == "__main__":
    main()
