"""Masks, alignment and ordinal pairs as a careful Python user writes them: pycocotools, OpenCV, vectorized NumPy.

The counterpart of preprocess/src/align.rs and preprocess/src/pairs/ with the rules of data-manifests/rules/driving.toml.
Draws come from NumPy's generator, so the pairs are others of the same kind; the counts can be compared.
"""
import functools

import cv2
import numpy as np
from pycocotools import mask as rle

SCORE_MIN, IOU_ABOVE, MIN_AREA = 0.5, 0.3, 100
CLASSES = {1: "person", 2: "bicycle", 3: "car"}
ROAD, SIDEWALK, BUILDING, FENCE, VEGETATION, TERRAIN, SKY = 0, 1, 2, 4, 8, 9, 10
NOT_SKY = [i for i in range(19) if i != SKY]
GROUND = (ROAD, SIDEWALK, TERRAIN)
CONFIRMED = {1: (11, 12), 2: (18,), 3: (13,)}
SIZES, MARGIN = (3, 5, 7, 9), 2


@functools.cache
def member(classes):
    """A table of 256: is this class one of them?"""
    return np.isin(np.arange(256), classes)


def match(earlier, later):
    """One-to-one matches of two frames by falling IoU, per class."""
    if not earlier or not later:
        return {}
    iou = rle.iou([d["segmentation"] for d in earlier], [d["segmentation"] for d in later], [0] * len(later))
    same = np.array([[a["category_id"] == b["category_id"] for b in later] for a in earlier])
    rows, columns = np.nonzero((iou > IOU_ABOVE) & same)
    order = np.argsort(-iou[rows, columns], kind="stable")
    found, taken = {}, set()
    for k in order:
        i, j = int(rows[k]), int(columns[k])
        if j not in taken and i not in {a for a, _ in found.values()}:
            found[j] = (i, float(iou[i, j]))
            taken.add(j)
    return found


def align(frames, masks_of):
    """Objects seen in all three frames: an index map per frame, and the rows of the table."""
    kept = [[d for d in frame if d["score"] >= SCORE_MIN] for frame in frames]
    before = match(kept[0], kept[1])
    after = {a: (j, iou) for j, (a, iou) in match(kept[1], kept[2]).items()}
    chains = [(before[t][0], t, after[t][0], before[t][1], after[t][1]) for t in before if t in after]
    chains.sort(key=lambda chain: -kept[1][chain[1]]["score"])
    shape = masks_of.shape
    maps = np.zeros((3, *shape), np.uint8)
    for number, chain in reversed(list(enumerate(chains, 1))):
        for t in range(3):
            maps[t][masks_of(kept[t][chain[t]]) > 0] = number
    areas = np.stack([np.bincount(m.ravel(), minlength=256) for m in maps]).min(0)
    table, numbers = [], np.zeros(256, np.uint8)
    for number, chain in enumerate(chains, 1):
        if areas[number] >= MIN_AREA:
            numbers[number] = len(table) + 1
            scores = [kept[t][chain[t]]["score"] for t in range(3)]
            table.append((numbers[number], kept[1][chain[1]]["category_id"], scores, chain[3], chain[4]))
    movable = np.zeros(shape, np.uint8)
    for detection in kept[1]:
        movable |= masks_of(detection)
    return numbers[maps], table, movable


class Places:
    """Positions of every class, and how wide an end may be there."""

    def __init__(self, semantic):
        self.semantic, (self.h, self.w) = semantic, semantic.shape
        self.fits = np.zeros(semantic.shape, np.uint8)
        for half in range(5):
            side = 2 * (half + MARGIN) + 1
            kernel = np.ones((side, side), np.uint8)
            pure = cv2.erode(semantic, kernel) == cv2.dilate(semantic, kernel)
            if half:
                pure[:half], pure[-half:] = False, False
                pure[:, :half], pure[:, -half:] = False, False
            self.fits += pure
        self.flat_fits, self.kept = self.fits.ravel(), {}

    def at(self, classes):
        """Flat positions where an end of one pixel fits, rising."""
        if classes not in self.kept:
            self.kept[classes] = np.flatnonzero(member(classes)[self.semantic] & (self.fits > 0))
        return self.kept[classes]

    def draw(self, among, half, n, rng):
        """Some of `among` where an end of this half width fits."""
        drawn = among[rng.integers(len(among), size=n)]
        return drawn[self.flat_fits[drawn] > half]


def meet(far, near):
    n = min(len(far), len(near))
    return far[:n], near[:n]


def clear_row(clear, bottom, horizon):
    return horizon + (1 + clear) * np.maximum(bottom - horizon, 0)


def rule_a(places, half, n, rng):
    far = places.at((SKY,))
    near = [at for at in (places.at((c,)) for c in NOT_SKY) if len(at)]
    if not len(far) or not near:
        return None
    drawn = np.concatenate([places.draw(at, half, -(-2 * n // len(near)), rng) for at in near])
    return meet(places.draw(far, half, 2 * n, rng), rng.permutation(drawn))


class RuleB:
    def __init__(self, places, horizon):
        self.places, self.horizon = places, horizon
        h, w = places.h, places.w
        rows = np.where(member(GROUND)[places.semantic], np.arange(h, dtype=np.int32)[:, None], h)
        self.first_ground = np.minimum.accumulate(rows[::-1], 0)[::-1]
        self.reach, self.crown_reach = int(np.ceil(0.05 * w)), int(np.ceil(0.15 * w))
        self.widened = {}
        # For each pixel of the upper half the columns of the nearest pixels of its row that are no tree.
        tree, columns = places.semantic[: (h + 1) // 2] == VEGETATION, np.arange(w, dtype=np.int32)
        self.gap_left = np.maximum.accumulate(np.where(tree, -1, columns), 1)
        self.gap_right = np.minimum.accumulate(np.where(tree, w, columns)[:, ::-1], 1)[:, ::-1]

    def contact(self, half):
        """The lowest first ground row of the widened columns, for every pixel."""
        if half not in self.widened:
            kernel = np.ones((1, 2 * (half + self.reach) + 1), np.uint8)
            self.widened[half] = cv2.dilate(self.first_ground.astype(np.uint16), kernel)
        return self.widened[half]

    def below_crowns(self, y, x, below):
        """The lowest first ground rows below all of the trees in their rows, up to 0.15 of the width; past the picture where they
        reach its border."""
        left = np.maximum(self.gap_left[y, x] + 1, x - self.crown_reach)
        right = np.minimum(self.gap_right[y, x], x + self.crown_reach + 1)
        rows = np.full(len(x), 2 * self.places.h)
        for k in np.flatnonzero((left > 0) & (right < self.places.w)):
            rows[k] = self.first_ground[below[k], left[k] : right[k]].max()
        return rows

    def draw(self, half, n, rng):
        places, h, w = self.places, self.places.h, self.places.w
        fars = [places.at((VEGETATION,)), places.at((BUILDING,))]
        fars = [at[: np.searchsorted(at, w * int(np.ceil(h * 0.5)))] for at in fars]
        fars = [at for at in fars if len(at)]
        nears = [at for at in (places.at((c,)) for c in (ROAD, FENCE, TERRAIN)) if len(at)]
        if not fars or not nears:
            return None
        # Classes evenly; three draws of four have a place at the near end that will not do.
        far = rng.permutation(np.concatenate([places.draw(at, half, -(-4 * n // len(fars)), rng) for at in fars]))
        fy, fx = np.divmod(far, w)
        below = np.minimum(fy + half + 1, h - 1)
        contact = self.contact(half)[below, fx].astype(float)
        trees = np.flatnonzero(places.semantic[fy, fx] == VEGETATION)
        contact[trees] = np.maximum(contact[trees], self.below_crowns(fy[trees], fx[trees], below[trees]))
        top = clear_row(0.15, contact, self.horizon)
        rows = (np.maximum(np.ceil(top), below) + half) * w
        which = rng.integers(len(nears), size=len(far))
        near, room = np.zeros_like(far), np.zeros(len(far), int)
        for k, at in enumerate(nears):
            mine = which == k
            first = np.searchsorted(at, rows[mine])
            room[mine] = len(at) - first
            near[mine] = at[np.minimum(first + (rng.random(mine.sum()) * room[mine]).astype(int), len(at) - 1)]
        ok = (room > 0) & (places.flat_fits[near] > half) & (np.sign(2 * fx - w) * np.sign(2 * (near % w) - w) > 0)
        return far[ok], near[ok]


class RuleC:
    def __init__(self, places, instances, horizon):
        self.places, self.objects = places, []
        semantic, h, w = places.semantic, places.h, places.w
        for category, mask in instances:
            x, y, width, height = cv2.boundingRect(mask)
            if not width:
                continue
            box = (slice(y, y + height), slice(x, x + width))
            inside = mask[box] & member(CONFIRMED[category])[semantic[box]]
            n, regions, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
            if n < 2:
                continue
            largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
            piece = np.pad((regions == largest).astype(np.uint8), 4)
            fits = sum(cv2.erode(piece, np.ones((2 * half + 1,) * 2, np.uint8)) for half in range(5))[4:-4, 4:-4]
            fits = np.minimum(fits, places.fits[box])
            far_y, far_x = np.nonzero(fits)
            left, top, width, height = stats[largest, :4]
            x, bottom = x + left, y + top + height - 1
            first = int(np.ceil(max(clear_row(0.2, bottom, horizon), bottom + 1)))
            near_y, near_x = np.nonzero((semantic[first:, x : x + width] == ROAD) & (places.fits[first:, x : x + width] > 0))
            if len(far_y) and len(near_y):
                edge = np.minimum(np.minimum(near_x, width - 1 - near_x), near_y)
                near = (near_y + first) * w + near_x + x
                near_fits = np.minimum(edge + 1, places.flat_fits[near])
                self.objects.append(((far_y + box[0].start) * w + far_x + box[1].start, fits[far_y, far_x], near, near_fits))

    def draw(self, half, n, rng):
        able = [(far[a > half], near[b > half]) for far, a, near, b in self.objects]
        able = [ends for ends in able if len(ends[0]) and len(ends[1])]
        if not able:
            return None
        share = -(-n // len(able))
        drawn = [(far[rng.integers(len(far), size=share)], near[rng.integers(len(near), size=share)]) for far, near in able]
        return tuple(np.concatenate(ends) for ends in zip(*drawn))


class SameClass:
    def __init__(self, places):
        self.places, self.regions = places, []
        for c in GROUND:
            of_class = (places.semantic == c).astype(np.uint8)
            n, regions, stats, _ = cv2.connectedComponentsWithStats(of_class, connectivity=8)
            flat, at = regions.ravel(), places.at((c,))
            of = flat[at]
            for region in np.flatnonzero(stats[:, cv2.CC_STAT_HEIGHT] > 0.15 * places.h):
                if region and (of == region).any():
                    self.regions.append(at[of == region])

    def draw(self, half, n, rng):
        w, gap = self.places.w, max(2 * (2 * half + 1), int(np.ceil(0.15 * self.places.h)))
        drawn = [[], []]
        for region in self.regions:
            a, b = meet(self.places.draw(region, half, 4 * n, rng), self.places.draw(region, half, 4 * n, rng))
            far, near = np.minimum(a, b), np.maximum(a, b)
            ok = near // w - far // w >= gap
            drawn[0].append(far[ok])
            drawn[1].append(near[ok])
        return tuple(np.concatenate(ends) for ends in drawn) if self.regions else None


def fill(draw, sizes, per_rule, rng):
    """Up to `per_rule` different pairs, sizes in turn."""
    found = []
    share = -(-per_rule // len(sizes))
    for size in sizes:
        drawn = draw(size // 2, 4 * share, rng)
        if drawn is not None:
            unique = list(dict.fromkeys(zip(*(ends.tolist() for ends in drawn))))
            found += [(size, *ends) for ends in unique[:share]]
    return found[:per_rule]


def pairs(semantic, instances, horizon, depth, per_rule, rng):
    """Rows of the pair table of one sample."""
    places = Places(semantic)
    b, c, same = RuleB(places, horizon), RuleC(places, instances, horizon), SameClass(places)
    rules = [
        (0, 1, lambda half, n, rng: rule_a(places, half, n, rng)),
        (0, 2, b.draw),
        (0, 3, c.draw),
        (1, 0, same.draw),
    ]
    w, rows = places.w, []
    for kind, sizes in ((0, (1,)), (1, SIZES)):
        for origin, rule, draw in rules:
            for size, far, near in fill(draw, sizes, per_rule, rng):
                ends = (far // w, far % w, near // w, near % w)
                rows.append((kind, origin, rule, size, *ends, *semantic.ravel()[[far, near]]))
    if depth is not None:
        measured = np.flatnonzero(depth)
        if len(measured):
            a, z = measured[rng.integers(len(measured), size=(2, 4 * per_rule))]
            da, dz = depth.ravel()[a], depth.ravel()[z]
            far, near = np.where(da > dz, a, z), np.where(da > dz, z, a)
            ok = np.flatnonzero(np.maximum(da, dz) > 1.02 * np.minimum(da, dz))[:per_rule]
            rows += [(0, 2, 0, 1, far[i] // w, far[i] % w, near[i] // w, near[i] % w, 255, 255) for i in ok]
    return rows
