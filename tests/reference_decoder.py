"""A decoder for .rud files in plain Python, to be read beside bitstream_spec.md, whose sections it names.

No numpy, no range coder library, nothing of rudcodec: slow, and as close to the specification as can be.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from decimal import Decimal
from math import exp, perm, prod
from types import SimpleNamespace as Fields

Grid = list[list[int]]


def require(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(rule)


# Section 3: conventions
def rshift(a: int, n: int) -> int:
    return (a + (1 << (n - 1))) >> n if n > 0 else a << -n


def clamp(a: int, low: int, high: int) -> int:
    return max(low, min(high, a))


class Bytes:
    """A cursor over a file, or over a section's body."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        self.at += count
        require(self.at <= len(self.data), "file or section ends early")
        return self.data[self.at - count : self.at]

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)

    def byte(self, low: int = 0, high: int = 255) -> int:
        (value,) = self.take(1)
        require(low <= value <= high, "byte out of range")
        return value

    def number(self, low: int, high: int) -> int:
        value, shift, byte = 0, 0, 128
        while byte >= 128:
            require(shift <= 28, "number of more than 5 bytes")
            byte = self.byte()
            value, shift = value | (byte & 127) << shift, shift + 7
        require(byte != 0 or shift == 7, "number not in its shortest form")
        require(low <= value <= high, "number out of range")
        return value

    def name(self) -> str:
        text = self.take(self.number(1, 255)).decode("utf-8")  # raises a ValueError too
        require(all(ord(c) >= 160 or 32 <= ord(c) < 127 for c in text), "control character")
        return text


# Section 4: container
def take_section(file: Bytes) -> tuple[int, Bytes]:
    """Tag and body."""
    start = file.at
    tag, body = file.byte(), file.take(file.number(0, 1 << 30))
    framed = file.data[start : file.at]
    require(zlib.crc32(framed) == int.from_bytes(file.take(4), "little"), "section checksum")
    return tag, Bytes(body)


def read_file(data: bytes) -> Fields:
    """All fields of a file; its streams as bytes."""
    file = Bytes(data)
    require(len(data) <= 1 << 30 and file.take(4) == b"RUD\2", "not a version 2 .rud file")
    tag, b = take_section(file)
    require(tag == 1, "HEAD is not the first section")
    head = Fields(height=b.number(1, 1024), width=b.number(1, 1024), channels=b.byte(1, 3))  # section 5
    head.classes, count = [b.name() for _ in range(b.number(1, 65535))], b.number(1, 65535)
    require(head.channels != 2 and len(set(head.classes)) == len(head.classes) and not b.rest(), "HEAD")
    head.models, head.segments, head.work, head.views, head.soft, head.labels = [], [], 0, None, None, None
    lowest = 2  # the next critical section's tag
    while file.at < len(data):
        tag, b = take_section(file)
        if tag == 129 and head.views is None:
            head.views = read_views(b)
        if tag >= 128:
            continue
        require(lowest <= tag <= 4 and (tag == 2 or len(head.models) > 0), "unexpected tag")
        lowest = 4 if tag == 3 else tag
        if tag == 2:
            head.models.append(read_model(b, head))
        elif tag == 4:
            head.segments.append(read_segment(b, head))
        elif b.byte(1, 2) == 1:
            head.soft = read_soft_fields(b, len(head.classes))
        else:
            head.labels = b  # for reference_labels.py
    require(len(head.segments) == count, "number of segments")
    return head


def read_model(b: Bytes, head: Fields) -> Fields:
    """Section 6, and the limits of section 10."""
    b.byte(1, 1)
    sharing, classes = b.byte(0, 2), range(len(head.classes))
    owners = [b.number(0, classes[-1]) for _ in range(b.number(1, len(classes)))] if sharing == 2 else classes
    m = Fields(group={k: i if sharing else 0 for i, k in enumerate(owners)}, grids=[], layers=[])
    require(len(m.group) == len(owners), "two groups for one class")
    for i in range(b.byte(1, 12)):
        m.grids.append(b.byte(1, m.grids[-1] if i else 8))
    m.sizes = [(head.height, head.width)]
    for _ in m.grids[1:]:
        m.sizes.insert(0, tuple((side + 1) >> 1 for side in m.sizes[0]))
    m.hidden = [b.number(1, 128) for _ in range(b.byte(0, 8))]
    before = sum(m.grids)
    for i in range(b.byte(1, 8)):
        out, shape = b.number(1, 256), b.byte(0, 7)
        require(not shape & 4 or (i > 0 and out == before), "residual layer changes shape")
        m.layers.append((out, 3 if shape & 1 else 1, bool(shape & 2), bool(shape & 4)))
        before = out
    require(before == head.channels and not m.layers[-1][2], "last layer")
    m.ymax, m.stream, m.groups = b.number(0, 32767), b.rest(), max(m.group.values()) + 1
    m.parameters = m.groups * sum(prod(weight) + prod(bias) for weight, bias, _, _ in layer_shapes(m))
    m.batches = sum(c * (w + 3 * (h - 1)) for c, (h, w) in zip(m.grids, m.sizes, strict=True))
    groups, parameters = (sum(getattr(n, a) for n in [*head.models, m]) for a in ("groups", "parameters"))
    require(groups <= 1 << 11 and parameters <= 1 << 22 and m.batches <= 1 << 14, "model too large")
    widest = max(sum(m.grids), *[out for out, _, _, _ in m.layers])
    require(head.height * head.width * widest <= 1 << 25, "layer too wide")
    return m


def read_soft_fields(b: Bytes, k: int) -> Fields:
    """Section 7, kind 1."""
    soft = Fields(kept=b.byte(1, min(16, k - 1)), step=b.byte(1), temperature=b.byte(1))
    soft.ways = perm(k - 1, soft.kept)
    soft.bits = (soft.ways - 1).bit_length()
    require(soft.ways <= 1 << 60 and not b.rest(), "too many classes to name, or bytes behind LABELS")
    return soft


def read_segment(b: Bytes, head: Fields) -> Fields:
    """Section 8, and the work of section 10."""
    k, number = len(head.classes), b.number(0, len(head.models) - 1) if len(head.models) > 1 else 0
    if same := b.number(0, 1 << 24):
        runs = [(c, same) for c in range(k)]
    elif listed := b.number(0, k):
        runs = [(b.number(0, k - 1), b.number(1, 1 << 24)) for _ in range(listed)]
    else:
        runs = [(c, n) for c in range(k) if (n := b.number(0, 1 << 24))]
    segment = Fields(model=head.models[number], runs=runs, digest=b.take(4), stream=b.rest())
    m, classes = segment.model, {c for c, _ in runs}
    require(0 < len(classes) == len(runs), "no images, or two runs of one class")
    require(classes <= m.group.keys(), "a class without a group")
    latents, pixel, latent = 0, (1 << 10) + (sum(m.grids) << 6), 1 << 11
    for c, (h, w) in zip(m.grids, m.sizes, strict=True):
        latents += c * h * w
    for weight, _, _, _ in layer_shapes(m):
        if len(weight) == 2:
            latent += prod(weight)
        else:
            pixel += prod(weight) + ((weight[0] + weight[1]) << 6)
    image = (1 << 15) + latents * latent + head.height * head.width * pixel
    image += (k + head.soft.bits + head.soft.kept) << 11 if head.soft else 0
    used, images = len({m.group[c] for c in classes}), sum(n for _, n in runs)
    work = (1 << 20) + (k << 12) + (m.batches * (8 + used) << 15) + images * image
    head.work += max(0, work - (len(b.data) << 15))
    require(head.work <= 1 << 36, "too much work")
    return segment


def read_views(b: Bytes) -> list[int] | None:
    """Section 9. The other ancillary sections have nothing to decode."""
    try:
        low = b.byte(1, 127)
        views = [low, b.byte(low, 127), b.byte(0, 64), b.byte(), b.byte(0, 1), *(b.byte() for _ in range(4))]
    except ValueError:
        return None
    return views if views[7] + views[8] <= 256 else None


# Section 11: frequency tables
def make_tables() -> list[list[int]]:
    one = 1 << 32
    tables: list[list[int]] = [[] for _ in range(512)]
    for s in range(64):
        decay, power = int((-(2 ** (1 - Decimal(s) / 8))).exp() * one), [one]
        for n in range(192):
            power.append((power[n] * decay) >> 32)
        above = {-n: one - (p >> 1) for n, p in enumerate(power)} | {n: p >> 1 for n, p in enumerate(power)}
        for f in range(-4, 4):
            masses = [above[8 * d - 4 - f] - above[8 * d + 4 - f] for d in range(-23, 24)]
            row = [1 + ((mass * ((1 << 24) - 48)) >> 32) for mass in [*masses, one - sum(masses)]]
            row[23] += (1 << 24) - sum(row)
            tables[(f + 4) * 64 + s] = row
    return tables


# Section 12: coded streams
class Stream:
    def __init__(self, data: bytes, tables: list[list[int]]) -> None:
        require(len(data) > 0 and len(data) % 4 == 0, "coded stream's length")
        require(len(data) == 4 or any(data[-4:]), "coded stream ends with a zero word")
        self.words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
        self.tables, self.low, self.range, self.taken = tables, 0, (1 << 64) - 1, 0
        self.point = self.word() << 32 | self.word()

    def word(self) -> int:
        self.taken += 1
        return self.words[self.taken - 1] if self.taken <= len(self.words) else 0

    def symbol(self, frequencies: list[int]) -> int:
        unit = self.range >> 24
        quantile = (self.point - self.low) % (1 << 64) // unit
        require(quantile < 1 << 24, "impossible value in a coded stream")
        symbol, left = 0, 0
        while left + frequencies[symbol] <= quantile:
            left += frequencies[symbol]
            symbol += 1
        self.low, self.range = (self.low + unit * left) % (1 << 64), unit * frequencies[symbol]
        if self.range < 1 << 32:
            self.low, self.range = (self.low << 32) % (1 << 64), self.range << 32
            self.point = (self.point << 32) % (1 << 64) | self.word()
        return symbol

    def bits(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self.symbol([1 << 23, 1 << 23])
        return value

    def batch(self, rows: list[int]) -> list[int]:
        """Differences coded with the given tables, escapes resolved."""
        values = [self.symbol(self.tables[row]) - 23 for row in rows]
        escaped = [i for i, d in enumerate(values) if d == 24]
        octaves = [self.symbol([1 << (23 - n) for n in range(16)] + [1 << 8]) for _ in escaped]
        for i, octave in zip(escaped, octaves, strict=True):
            sign = -1 if self.bits(1) else 1
            values[i] = sign * (23 + (1 << octave) + self.bits(octave))
        return values

    def tensor(self, size: int) -> tuple[int, list[int]]:
        """Exponent and values."""
        exponent, row = self.bits(4), 256 + self.bits(6)
        values = self.batch([row] * size)
        require(all(abs(w) <= 2047 for w in values), "value of a tensor out of range")
        return exponent, values

    def finish(self) -> None:
        spare = (self.point - self.low) % (1 << 64)
        require(self.taken > len(self.words) and spare < 1 << 32, "coded stream's end")


# Section 13: tensors and layers
Shape = tuple[tuple[int, ...], tuple[int, ...], int, int]  # of weight, of bias; F, R
Layer = tuple[
    list[list[int]], list[int], int
]  # a row of weights for each output; bias, shift of the accumulator


def layer_shapes(m: Fields) -> list[Shape]:
    widths, channels = [21, *m.hidden, 2], [sum(m.grids), *(layer[0] for layer in m.layers)]
    shapes: list[Shape] = []
    for n, (i, o) in enumerate(zip(widths, widths[1:], strict=False)):
        bias = (o,) if n else (channels[0], o)
        shapes.append(((o, i), bias, 7 if n else 0, 7 if n < len(m.hidden) else 3))
    for n, (i, layer) in enumerate(zip(channels, m.layers, strict=False)):
        shapes.append(((layer[0], i, layer[1], layer[1]), (layer[0],), 7 if n else 6, 7))
    return shapes


def read_layer(stream: Stream, shape: Shape) -> Layer:
    exponent, weight = stream.tensor(prod(shape[0]))
    fine, bias = stream.tensor(prod(shape[1]))
    total, inputs = shape[2] + exponent, prod(shape[0][1:])
    require(fine <= total, "bias finer than its accumulator")
    rows = [weight[i : i + inputs] for i in range(0, len(weight), inputs)]
    return rows, [b << (total - fine) for b in bias], total - shape[3]


def dense(layer: Layer, inputs: list[int], row: int = 0) -> list[int]:
    """Results of a layer whose bias has rows."""
    weight, biases, shift = layer
    bias = biases[row * len(weight) : (row + 1) * len(weight)]
    return [rshift(sum(map(int.__mul__, w, inputs)) + b, shift) for w, b in zip(weight, bias, strict=True)]


def convolve(planes: list[Grid], kernel: int, weight: list[int], bias: int = 0) -> Grid:
    """The accumulators of one output channel."""
    h, w, taps = len(planes[0]), len(planes[0][0]), kernel * kernel
    acc = [[bias] * w for _ in range(h)]
    for n, value in enumerate(weight):
        plane, dy, dx = planes[n // taps], n % taps // kernel - kernel // 2, n % kernel - kernel // 2
        for y in range(max(0, -dy), min(h, h - dy)) if value else ():
            for x in range(max(0, -dx), min(w, w - dx)):
                acc[y][x] += value * plane[y + dy][x + dx]
    return acc


def each(function: Callable[..., int], *planes: Grid) -> Grid:
    """The function at every position."""
    return [list(map(function, *rows)) for rows in zip(*planes, strict=True)]


# Section 14: latents. An image's grids are found by level and component, in coding order.
Grids = dict[tuple[int, int], Grid]


def near(y: int) -> int:
    """Y' of y, or X' of x."""
    return (y >> 1) + (1 if y & 1 else -1)


def context(grids: Grids, level: int, component: int, y: int, x: int) -> list[int]:
    def at(grid: Grid | None, y: int, x: int) -> int:
        inside = grid is not None and 0 <= y < len(grid) and 0 <= x < len(grid[0])
        return clamp(grid[y][x], -127, 127) if grid and inside else 0

    here, coarse, other = (grids.get((level - a, component - b)) for a, b in ((0, 0), (1, 0), (0, 1)))
    inputs = [at(here, y, x - 1), at(here, y, x - 2)]
    inputs += [at(here, y + dy, x + dx) for dy in (-1, -2) for dx in (-2, -1, 0, 1, 2)]
    inputs += [at(coarse, cy, cx) for cy in (y >> 1, near(y)) for cx in (x >> 1, near(x))]
    return inputs + [at(other, y + dy, x + dx) for dy, dx in ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0))]


def predict(layers: list[Layer], inputs: list[int], grid: int) -> tuple[int, int]:
    """Table, and ``whole``."""
    results = dense(layers[0], inputs, grid)
    for layer in layers[1:]:
        results = dense(layer, [clamp(a, 0, 4095) for a in results])
    place, s = clamp(results[0], -32768, 32767), clamp(results[1] + 32, 0, 63)
    whole = (place + 4) >> 3
    return (place - 8 * whole + 4) * 64 + s, whole


def read_latents(stream: Stream, m: Fields, networks: list[list[Layer]]) -> list[Grids]:
    """Of each image of a segment; ``networks``: each image's context layers."""
    images: list[Grids] = [{} for _ in networks]
    for level, component in ((i, j) for i, components in enumerate(m.grids) for j in range(components)):
        h, w = m.sizes[level]
        for grids in images:
            grids[level, component] = [[0] * w for _ in range(h)]
        for t in range(w + 3 * (h - 1)):
            cells = [(grids, net, y) for y in range(h) if 0 <= t - 3 * y < w
                     for grids, net in zip(images, networks, strict=True)]  # fmt: skip
            found = [predict(net, context(grids, level, component, y, t - 3 * y), len(grids) - 1)
                     for grids, net, y in cells]  # fmt: skip
            differences = stream.batch([table for table, _ in found])
            for (grids, _, y), (_, whole), d in zip(cells, found, differences, strict=True):
                grids[level, component][y][t - 3 * y] = whole + d
                require(abs(whole + d) <= m.ymax, "latent out of range")
    return images


# Section 15: synthesis
def upsample(old: Grid, h: int, w: int) -> Grid:
    def at(y: int, x: int) -> int:
        return old[max(0, min(y, len(old) - 1))][max(0, min(x, len(old[0]) - 1))]

    def new(y: int, x: int) -> int:
        a, b, c, d = (at(cy, cx) for cy in (y >> 1, near(y)) for cx in (x >> 1, near(x)))
        return (9 * a + 3 * b + 3 * c + d + 8) >> 4

    return [[new(y, x) for x in range(w)] for y in range(h)]


def synthesize(m: Fields, grids: Grids, layers: list[Layer]) -> bytes:
    """The samples of an image."""
    planes: list[Grid] = []
    for level, (h, w) in enumerate(m.sizes):
        planes = [upsample(plane, h, w) for plane in planes]
        planes += [each(lambda v: v << 6, grid) for (lv, _), grid in grids.items() if lv == level]
    for (_, kernel, relu, residual), (weight, bias, shift) in zip(m.layers, layers, strict=True):
        results, low = [], 0 if relu else -4096
        for o, (row, b) in enumerate(zip(weight, bias, strict=True)):
            value = each(lambda acc, n=shift: rshift(acc, n), convolve(planes, kernel, row, b))
            value = each(int.__add__, value, planes[o]) if residual else value
            results.append(each(lambda v, lo=low: clamp(v, lo, 4095), value))
        planes = results
    planes = [each(lambda v: clamp(128 + ((v + 1) >> 1), 0, 255), plane) for plane in planes]
    return bytes(v for rows in zip(*planes, strict=True) for pixel in zip(*rows, strict=True) for v in pixel)


# Section 16: soft labels
def read_soft_labels(stream: Stream, soft: Fields, own: list[int], k: int) -> list[list[float]]:
    """Probabilities of each image of a segment, whose classes are ``own``."""
    ranks = [stream.bits(soft.bits) for _ in own]
    odds, found = [[0] * len(own)], []
    for column in range(soft.kept + (soft.kept < k - 1)):
        base, row = stream.bits(8), 256 + stream.bits(6)
        rise = [base + d for d in stream.batch([row] * len(own))]
        require(column == 0 or min(rise) >= 0, "odds fall")
        odds.append(list(map(int.__add__, rise, odds[-1])))
    require(
        max(ranks) < soft.ways and all(abs(a) <= 2047 for a in sum(odds, [])), "rank or odds out of range"
    )
    for rank, mine, image in zip(ranks, own, zip(*odds[1:], strict=True), strict=True):
        digits, left, row = [], [c for c in range(k) if c != mine], [image[-1]] * k
        for j in range(soft.kept, 0, -1):
            rank, digit = divmod(rank, k - j)
            digits.insert(0, digit)
        row[mine] = 0
        for digit, value in zip(digits, image, strict=False):
            row[left.pop(digit)] = value
        powers = [exp(-soft.step * (a - min(row)) / 64) for a in row]
        found.append([p / sum(powers) for p in powers])
    return found


def decode(data: bytes) -> tuple[Fields, list[bytes], list[int]]:
    """Fields, samples of each image, and each image's class. A label network is left to reference_labels.py."""
    head, tables = read_file(data), make_tables()
    for m in head.models:
        stream, shapes = Stream(m.stream, tables), layer_shapes(m)
        m.networks = [[read_layer(stream, shape) for shape in shapes] for _ in range(m.groups)]
        stream.finish()
    pixels, labels, head.probabilities = [], [], []
    for segment in head.segments:
        m, own, stream = (
            segment.model,
            [k for k, n in segment.runs for _ in range(n)],
            Stream(segment.stream, tables),
        )
        nets, depth = [m.networks[m.group[k]] for k in own], len(m.hidden) + 1
        if head.soft:
            head.probabilities += read_soft_labels(stream, head.soft, own, len(head.classes))
        latents = read_latents(stream, m, [net[:depth] for net in nets])
        stream.finish()
        images = [synthesize(m, grids, net[depth:]) for grids, net in zip(latents, nets, strict=True)]
        require(zlib.crc32(b"".join(images)) == int.from_bytes(segment.digest, "little"), "pixel digest")
        pixels += images
        labels += own
    return head, pixels, labels
