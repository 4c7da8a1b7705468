"""Writes the spec file of an exported network: what `suw-preprocess` must know to use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3


@dataclass(frozen=True)
class Spec:
    """One spec file. `resize` is a policy of the spec format; the size is the network's input, (width, height)."""

    role: str  # "instance" or "semantic"
    name: str
    classes: str  # "coco91", "cityscapes"
    layout: str  # "chw" or "nchw"
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    resize: str
    size: tuple[int, int]
    mask_form: str = ""  # "roi" or "full", instance only
    remark: str = ""


def digest(path: Path) -> str:
    """BLAKE3 of a file, as `b3sum` prints it."""
    return blake3(path.read_bytes()).hexdigest()


def spec_text(spec: Spec, onnx_file: str, onnx_digest: str) -> str:
    """The TOML text."""
    numbers = lambda values: "[" + ", ".join(repr(float(v)) for v in values) + "]"
    output = (
        'boxes = "boxes"    # f32 [n,4]: x1, y1, x2, y2 in pixels of the network\'s input\n'
        'labels = "labels"  # i64 [n]\n'
        'scores = "scores"  # f32 [n]\n'
        f'masks = "masks"    # f32 probabilities, {_MASK_SHAPES[spec.mask_form]}\n'
        f'mask_form = "{spec.mask_form}"\n'
        if spec.role == "instance"
        else 'logits = "logits"  # f32 [1,19,h,w]; h x w may be smaller than the input\n'
    )
    remark = "".join(f"# {line}\n" for line in spec.remark.splitlines())
    return (
        f"{remark}"
        f'role = "{spec.role}"\nname = "{spec.name}"\nfile = "{onnx_file}"\nblake3 = "{onnx_digest}"\n'
        f'classes = "{spec.classes}"\n\n'
        f'[input]\nname = "image"\nlayout = "{spec.layout}"\nelement = "f32"\n'
        f"scale = {1 / 255!r}  # of the 8-bit values, before mean and deviation\n"
        f"mean = {numbers(spec.mean)}\ndeviation = {numbers(spec.deviation)}\n\n"
        f'[input.resize]\npolicy = "{spec.resize}"\nwidth = {spec.size[0]}\nheight = {spec.size[1]}\n\n'
        f"[output]\n{output}"
    )


_MASK_SHAPES = {"": "", "roi": "[n,1,28,28] of each detection's own class, to paste", "full": "[n,1,H,W], pasted"}
