"""The training step of `suw-trainer bench step` in PyTorch: same network, losses, batch, weights and threads.

    suw-trainer bench step --learn suw --dump /tmp/case
    python tests/bench/step_torch.py /tmp/case [--steps 20] [--warmup 3] [--threads 2] [--kind float32|float64] [--json]

Written the way a careful PyTorch user would: channels-last, activations in place, target statistics of SSIM once, all
objects of a batch in one call, fused Adam, one wait for numbers per step. Prints the median and least time per step and the
total loss of every step.
"""

import argparse
import json
import resource
import statistics
import sys
import time
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
from make_network_fixtures import ConvBn, Encoder, EncoderDecoder  # noqa: E402

ALPHA, BETA, BINS, GAMMA = 1.0, 83.0, 128, 0.2
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def in_place(self, x):
    x = self.bn(self.conv(x))
    return F.relu(x, inplace=True) if self.relu else x


ConvBn.forward = in_place


def sharing_layer(layer):
    """The same parameters with running statistics of its own."""
    conv = layer.conv
    other = ConvBn(
        conv.in_channels, conv.out_channels, conv.kernel_size[0], conv.stride[0], conv.dilation[0], conv.groups
    )
    other.conv.weight, other.bn.weight, other.bn.bias = conv.weight, layer.bn.weight, layer.bn.bias
    return other


def sharing(encoder, first):
    """An encoder with the same parameters but another first layer and running statistics of its own."""
    other = Encoder()
    mine = dict(encoder.named_modules())
    for name, module in other.named_modules():
        for key, value in list(module._parameters.items()):
            if value is not None:
                module._parameters[key] = mine[name]._parameters[key]
    other.enc1[0] = first
    return other


class Pose(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.first = ConvBn(9, 32, s=2)
        self.decoder = nn.ModuleList([ConvBn(128 if i == 0 else 32, 32) for i in range(4)])
        self.out = nn.Conv2d(32, 12, 1)
        self.ego_encoder = sharing(encoder, self.first)
        self.object_first = sharing_layer(self.first)
        self.object_encoder = sharing(encoder, self.object_first)
        self.object_decoder = nn.ModuleList([sharing_layer(layer) for layer in self.decoder])

    @staticmethod
    def scaled(pooled):
        vectors = pooled.view(-1, 2, 6)
        return torch.cat([vectors[..., :3], vectors[..., 3:] * 0.01], 2)

    def ego(self, frames):
        x = self.ego_encoder(frames)[-1]
        for layer in self.decoder:
            x = layer(x)
        return self.scaled(self.out(x).mean((2, 3)))

    def objects(self, frames, masks):
        x = self.object_encoder(frames)[-1]
        for layer in self.object_decoder:
            x = layer(x)
        out = self.out(x)
        covered = F.adaptive_avg_pool2d(masks.to(out.dtype).unsqueeze(1), out.shape[2:])
        total = covered.sum((2, 3), keepdim=True)
        weights = torch.where(total > 0, covered, torch.ones_like(covered))
        return self.scaled((out * weights).sum((2, 3)) / weights.sum((2, 3)))


class Networks(nn.Module):
    def __init__(self, pose):
        super().__init__()
        self.depth = EncoderDecoder(BINS)
        self.pose = Pose(self.depth.encoder) if pose else None

    def load(self, weights):
        """By the names of a checkpoint; the pose network's statistics for shared layers start as they are made."""
        state = {}
        for name, value in weights.items():
            if name.startswith("pose.stats"):
                continue
            state[name if name.startswith("pose.") else f"depth.{name}"] = value
        missing, unexpected = self.load_state_dict(state, strict=False)
        assert not unexpected, unexpected
        shared = ("pose.ego_encoder.", "pose.object_")
        assert all(name.startswith(shared) or name.endswith("num_batches_tracked") for name in missing), missing


def normalize(images):
    mean = images.new_tensor(MEAN).view(3, 1, 1)
    return (images - mean) / images.new_tensor(DEVIATION).view(3, 1, 1)


# Depth bins.


def depth_of(logits, size):
    q = (torch.log10(torch.tensor(BETA, dtype=torch.float64)) / BINS).item()
    bins = torch.arange(BINS, dtype=logits.dtype).view(1, -1, 1, 1)
    bin_ = (logits.softmax(1) * bins).sum(1, keepdim=True)
    depth = torch.exp(bin_ * (q * 2.302585092994046))
    return F.interpolate(depth, size, mode="bilinear", align_corners=False), q


def image_mean(values, keep):
    """The mean over the kept pixels of each image, then over the images that have any."""
    sums = torch.where(keep, values, 0.0).sum((1, 2))
    counts = keep.sum((1, 2))
    means = sums / counts.clamp_min(1)
    return means.sum() / (counts > 0).sum().clamp_min(1)


def supervised(logits, depth, truth, q):
    n, _, h, w = logits.shape
    measured = truth > 0
    places = measured.nonzero()
    image = places[:, 0]
    metres = truth[measured].clamp(ALPHA, BETA)
    bin_ = torch.floor(torch.log10(metres) / q + 0.5).clamp(0, BINS - 1).long()
    # The logits at the measured pixels, bilinear with pixel centers at halves.
    table = logits.permute(0, 2, 3, 1).reshape(-1, BINS)

    def low(axis, small, large):
        at = ((places[:, axis] + 0.5) * (small / large) - 0.5).clamp(0, small - 1)
        floor = at.floor().clamp_max(small - 2)
        return floor.long(), (at - floor).to(logits.dtype).unsqueeze(1)

    (row, down), (column, right) = low(1, h, truth.shape[1]), low(2, w, truth.shape[2])
    first = (image * h + row) * w + column
    top = torch.lerp(table[first], table[first + 1], right)
    bottom = torch.lerp(table[first + w], table[first + w + 1], right)
    sampled = torch.lerp(top, bottom, down)
    index = torch.arange(BINS, dtype=logits.dtype)
    weights = torch.softmax(-GAMMA * (index - index.unsqueeze(1)).square(), 1)[bin_]
    loss = sampled.logsumexp(1) - (sampled * weights).sum(1)
    counts = torch.bincount(image, minlength=n)
    means = loss.new_zeros(n).index_add(0, image, loss) / counts.clamp_min(1)
    classes = means.sum() / (counts > 0).sum().clamp_min(1)
    error = (depth[:, 0] - truth.clamp(ALPHA, BETA)).abs()
    return classes + 0.1 * image_mean(error, measured)


# The unsupervised loss.


def transform(v):
    t, (rx, ry, rz) = v[..., :3], v[..., 3:].unbind(-1)
    sx, cx, sy, cy, sz, cz = rx.sin(), rx.cos(), ry.sin(), ry.cos(), rz.sin(), rz.cos()
    rows = [
        torch.stack([cy * cz, -cy * sz, sy], -1),
        torch.stack([cx * sz + sx * sy * cz, cx * cz - sx * sy * sz, -sx * cy], -1),
        torch.stack([sx * sz - cx * sy * cz, sx * cz + cx * sy * sz, cx * cy], -1),
    ]
    return torch.cat([torch.stack(rows, -2), t.unsqueeze(-1)], -1)  # [.., 3, 4]


def project(depth, k, motion):
    """Columns, rows and validity in the source: [N, H, W]."""
    n, _, h, w = depth.shape
    fx, fy, cx, cy = (k[:, i, j].view(n, 1, 1) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    x = (torch.arange(w, dtype=depth.dtype).view(1, 1, w) - cx) / fx
    y = (torch.arange(h, dtype=depth.dtype).view(1, h, 1) - cy) / fy
    r = lambda i, j: motion[:, i, j].view(n, 1, 1)
    point = [(x * r(i, 0) + r(i, 2) + y * r(i, 1)) * depth[:, 0] + r(i, 3) for i in range(3)]
    z = point[2].clamp_min(1e-3)
    column, row = point[0] / z * fx + cx, point[1] / z * fy + cy
    inside = (column >= -1e-3) & (column <= w - 1 + 1e-3) & (row >= -1e-3) & (row <= h - 1 + 1e-3)
    return column, row, inside & (point[2] > 1e-3)


def box(x):
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1)


def target_statistics(image):
    mean = box(image)
    return image, mean, box(image * image) - mean * mean


def photometric(image, target):
    other, other_mean, other_variance = target
    mean = box(image)
    variance = box(image * image) - mean * mean
    covariance = box(image * other) - mean * other_mean
    c1, c2 = 1e-4, 9e-4
    ssim = ((2 * mean * other_mean + c1) * (2 * covariance + c2)) / (
        (mean * mean + other_mean * other_mean + c1) * (variance + other_variance + c2)
    )
    return (0.15 * (image - other).abs() + 0.85 * ((1 - ssim) / 2).clamp(0, 1)).mean(1)


def reprojection(depth, k, motion, sources, target):
    """The least photometric error over the sources that are valid at a pixel."""
    h, w = depth.shape[2:]
    errors, valid = [], []
    for s, source in enumerate(sources):
        column, row, ok = project(depth, k, motion[:, s])
        grid = torch.stack([column * (2 / (w - 1)) - 1, row * (2 / (h - 1)) - 1], -1)
        warped = F.grid_sample(source, grid, "bilinear", "border", align_corners=True)
        errors.append(photometric(warped, target))
        valid.append(ok)
    errors, valid = torch.stack(errors), torch.stack(valid)
    seen = valid.any(0)
    least = torch.where(valid, errors, float("inf")).amin(0)
    return torch.where(seen, least, 0.0), seen


def unsupervised(depth, batch, ego, objects):
    frames, k = batch["frames"], batch["intrinsics"]
    sources = [frames[:, 0], frames[:, 2]]
    target = target_statistics(frames[:, 1])
    error, valid = reprojection(depth, k, transform(ego), sources, target)
    labels = batch["objects"][:, 1]
    if objects is None:
        loss = image_mean(error, valid)
    else:
        loss = image_mean(error, valid & (labels == 0))
        image, index = batch["object_image"], batch["object_index"]
        pick = lambda x: x[image]
        error, valid = reprojection(
            pick(depth), pick(k), transform(objects), [pick(s) for s in sources], [pick(t) for t in target]
        )
        own = valid & (pick(labels) == index.view(-1, 1, 1))
        counts = own.sum((1, 2))
        means = torch.where(own, error, 0.0).sum((1, 2)) / counts.clamp_min(1)
        n = depth.shape[0]
        sums = means.new_zeros(n).index_add(0, image, means)
        has = torch.zeros(n, dtype=torch.long).index_add(0, image, (counts > 0).long())
        loss = loss + (sums / has.clamp_min(1)).sum() / (has > 0).sum().clamp_min(1)
    inverse = 1 / depth
    inverse = inverse / inverse.mean((1, 2, 3), keepdim=True)
    along = lambda t, axis: t.diff(dim=axis)
    rough = 0.0
    for axis in (3, 2):
        edge = along(frames[:, 1], axis).abs().mean(1, keepdim=True)
        rough = rough + (along(inverse, axis).abs() * torch.exp(-edge)).mean((1, 2, 3))
    return loss + 1e-3 * rough.mean()


# The weak loss.


def weak(depth, pairs):
    """Pairs of one size at a time; same-class pairs (last column 1) already right by 1 m are left out."""
    n, _, h, w = depth.shape
    flat = depth.reshape(-1)
    sums, counts = depth.new_zeros(n), torch.zeros(n, dtype=torch.long)
    for size in sorted(set(pairs[:, 5].tolist())):
        some = pairs[pairs[:, 5] == size]
        step = torch.arange(size) - size // 2
        offsets = (step.view(-1, 1) * w + step).reshape(-1)
        at = lambda y, x: (some[:, 0] * h + y) * w + x
        far = flat[at(some[:, 1], some[:, 2]).unsqueeze(1) + offsets]
        near = flat[at(some[:, 3], some[:, 4]).unsqueeze(1) + offsets]
        p = near - far
        one = p.new_tensor(1.0)
        jump = F.softplus(one) - F.softplus(one)
        loss = torch.where(p <= 1, F.softplus(p), F.softplus(p.clamp_min(1).sqrt()) + jump).mean(1)
        keep = ((far.mean(1) - near.mean(1)) <= 1.0) | (some[:, 6] != 1)
        sums = sums.index_add(0, some[:, 0], torch.where(keep, loss, 0.0))
        counts = counts.index_add(0, some[:, 0], keep.long())
    return (sums / counts.clamp_min(1)).sum() / (counts > 0).sum().clamp_min(1)


def prepared(stored, kind):
    """What a loader's batch becomes on the device: colors as floats, and changed for the networks."""
    # In float32 whatever follows, as the trainer does: random weights amplify a rounding of the input some 1e5 times.
    frames = stored["image"].float() / 255
    n = frames.shape[0]
    color = stored["color"].float()
    flat = frames.transpose(1, 2).reshape(n, 3, -1)
    changed = (color[:, :, :3] @ flat + color[:, :, 3:]).clamp_(0, 1)
    jittered = changed.view(n, 3, frames.shape[1], *frames.shape[3:]).transpose(1, 2)
    return stored | {"frames": frames.to(kind), "jittered": jittered.to(kind)}


def step(networks, optimizer, stored, learn, kind, args):
    last = dict(memory_format=torch.channels_last)
    batch = prepared({name: t.to(args.device, non_blocking=True) for name, t in stored.items()}, kind)
    inputs = normalize(batch["jittered"])
    n, f, _, h, w = inputs.shape
    where = torch.device(args.device).type
    short = lambda: torch.autocast(where, torch.bfloat16, enabled=args.precision == "bf16")
    with short():
        logits = networks.depth(inputs[:, f // 2].contiguous(**last)).to(kind)
    depth, q = depth_of(logits, (h, w))
    loss = supervised(logits, depth, batch["depth"], q)
    if "u" in learn:
        with short():
            ego = networks.pose.ego(inputs.reshape(n, 9, h, w).contiguous(**last)).to(kind)
        objects = None
        image = batch["object_image"]
        if len(image):
            own = batch["objects"][image] == batch["object_index"].view(-1, 1, 1, 1).to(torch.uint8)
            masked = normalize(batch["jittered"][image] * own.unsqueeze(2))
            with short():
                objects = networks.pose.objects(masked.reshape(-1, 9, h, w).contiguous(**last), own[:, 1]).to(kind)
        loss = loss + unsupervised(depth, batch, ego, objects)
    if "w" in learn and len(batch["pairs"]):
        loss = loss + 0.1 * weak(depth, batch["pairs"])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", type=Path)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--kind", choices=["float32", "float64"], default="float32")
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32", help="numbers of the networks alone")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    kind = getattr(torch, args.kind)
    case = json.loads((args.case / "case.json").read_text())
    learn, lr = case["learn"], case["lr"]
    with safe_open(args.case / "batch.safetensors", "pt") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}
    with safe_open(args.case / "weights.safetensors", "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}
    stored = {name: t.to(kind) if t.is_floating_point() else t for name, t in stored.items()}
    torch.set_default_device(args.device)
    networks = Networks("u" in learn)
    networks.load(weights)
    networks = networks.to(args.device, kind).to(memory_format=torch.channels_last).train()
    if args.device.startswith("cuda"):
        stored = {name: t.pin_memory() for name, t in stored.items()}
    optimizer = torch.optim.Adam(networks.parameters(), lr=lr, fused=True)
    if args.profile:
        for _ in range(2):
            step(networks, optimizer, stored, learn, kind, args)
        with torch.profiler.profile() as profile:
            step(networks, optimizer, stored, learn, kind, args)
        print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=40))
        return
    times, totals, unread = [], [], None
    start = time.perf_counter()
    for _ in range(args.warmup + args.steps):
        total = step(networks, optimizer, stored, learn, kind, args)
        # A GPU is asked one step late, as the trainer does.
        if args.device == "cpu":
            totals.append(total.item())
        elif unread is not None:
            totals.append(unread.item())
        unread = total
        now = time.perf_counter()
        times.append(1000 * (now - start))
        start = now
    times = times[args.warmup :]
    n = stored["image"].shape[0]
    report = {
        "median_ms": statistics.median(times),
        "min_ms": min(times),
        "images_per_s": 1000 * n / statistics.median(times),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "threads": torch.get_num_threads(),
        "totals": totals,
    }
    if args.json:
        print(json.dumps(report))
    else:
        print(
            f"PyTorch {torch.__version__}: median {report['median_ms']:.1f} ms, least {report['min_ms']:.1f} ms a step,"
            f" {report['images_per_s']:.2f} images/s, {report['threads']} threads"
        )


if __name__ == "__main__":
    main()
