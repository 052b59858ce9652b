"""A decoder for .rud files in plain Python integers: slow, and as close to bitstream_spec.md as can be.

It uses nothing of rudcodec, no numpy and no range coder library. Its sections are those of the specification.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from decimal import Decimal
from math import exp, isqrt, perm, prod
from types import SimpleNamespace as Fields

Grid = list[list[int]]  # rows
Grids = dict[tuple[int, int], Grid]  # of an image, by level and component, in coding order
Shape = tuple[tuple[int, ...], tuple[int, ...], int, int]  # of a layer's weight, of its bias; F, R
Layer = tuple[list[list[int]], list[int], int]  # a row of weights for each output; bias and shift of acc


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

    def take(self, count: int | None = None) -> bytes:
        """So many bytes, or all that are left."""
        start, self.at = self.at, len(self.data) if count is None else self.at + count
        require(self.at <= len(self.data), "file or section ends early")
        return self.data[start : self.at]

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


# Sections 4, 5, 7: a file without what its streams hold
def read_file(data: bytes) -> Fields:
    file, head = Bytes(data), Fields(count=0, models=[], segments=[], groups=0, parameters=0, work=0)
    require(len(data) <= 1 << 30 and file.take(4) == b"RUD\2", "not a version 2 .rud file")
    head.views = head.soft = head.labels = None
    lowest, skipped = 1, 0  # the next critical section's tag
    while file.at < len(data):
        start, tag, b = file.at, file.byte(), Bytes(file.take(file.number(0, 1 << 30)))
        checksum = zlib.crc32(data[start : file.at])
        require(checksum == int.from_bytes(file.take(4), "little"), "section checksum")
        last = 4 if head.models else lowest
        require(lowest <= tag <= last or (tag >= 128 and lowest > 1), "unexpected tag")
        if tag == 1:
            head.height, head.width, head.channels = b.number(1, 1024), b.number(1, 1024), b.byte(1, 3)
            head.classes = [b.name() for _ in range(b.number(1, 65535))]
            head.count, k = b.number(1, min(65535, (1 << 24) // len(head.classes))), len(head.classes)
            require(head.channels != 2 and len(set(head.classes)) == k, "channels, or class name used twice")
        elif tag == 2:
            head.models.append(read_model(b, head))
        elif tag == 3:
            if b.byte(1, 2) == 1:
                head.soft = Fields(kept=b.byte(1, min(16, k - 1)), step=b.byte(1), temperature=b.byte(1))
                head.soft.ways = perm(k - 1, head.soft.kept)
                require(head.soft.ways <= 1 << 60, "too many classes to name")
            else:
                head.labels, b = b, Bytes(b"")
        elif tag == 4:
            head.segments.append(read_segment(b, head))
        else:
            require((skipped := skipped + 1) <= 1 << 10, "too many ancillary sections")
            if tag == 129 and head.views is None and len(b.data) >= 9:  # section 9
                v = [*b.data[:9], *(b.data[9:10] or [0])]
                known = 1 <= v[0] <= v[1] <= 127 and v[2] <= 64 and v[4] <= 1 and v[7] + v[8] <= 256
                head.views = v if known else None
            b = Bytes(b"")
        require(b.at == len(b.data), "bytes behind the last field")
        lowest = (1, 2, 2, 4, 4)[tag] if tag < 128 else lowest
    require(len(head.segments) == head.count > 0, "number of segments")
    return head


# Sections 6 and 10
def read_model(b: Bytes, head: Fields) -> Fields:
    b.byte(1, 1)
    sharing, area, k = b.byte(0, 2), head.height * head.width, len(head.classes)
    owners = [b.number(0, k - 1) for _ in range(b.number(1, k))] if sharing == 2 else list(range(k))
    group = {k: i if sharing else 0 for i, k in enumerate(owners)}
    m = Fields(group=group, groups=max(group.values()) + 1, grids=[], layers=[], shapes=[])
    require(len(m.group) == len(owners), "two groups for one class")
    for i in range(b.byte(1, 12)):
        m.grids.append(b.byte(1, m.grids[-1] if i else 8))
    halvings = reversed(range(len(m.grids)))  # rounded up
    m.sizes = [(-(-head.height >> j), -(-head.width >> j)) for j in halvings]
    m.hidden, widths, channels = [b.number(1, 128) for _ in range(b.byte(0, 8))], [21], [sum(m.grids)]
    for i, out in enumerate([*m.hidden, 2]):
        bias = (out,) if i else (channels[0], out)
        m.shapes.append(((out, widths[-1]), bias, 7 if i else 0, 7 if i < len(m.hidden) else 3))
        widths.append(out)
    for i in range(b.byte(1, 8)):
        out, shape = b.number(1, 256), b.byte(0, 7)
        require(not shape & 4 or (i > 0 and out == channels[-1]), "residual layer changes shape")
        kernel = 3 if shape & 1 else 1
        m.layers.append((out, kernel, bool(shape & 2), bool(shape & 4)))
        m.shapes.append(((out, channels[-1], kernel, kernel), (out,), 7 if i else 6, 7))
        channels.append(out)
    require(out == head.channels and not shape & 2, "last layer")
    m.ymax, m.stream = b.number(0, 32767), b.take()
    m.batches, latents, latent, pixel = 0, 0, 1 << 11, (1 << 10) + (channels[0] << 6)
    for weight, bias, _, _ in m.shapes:
        head.parameters += m.groups * (prod(weight) + prod(bias))
        latent += prod(weight) if len(weight) == 2 else 0
        pixel += prod(weight) + 32 * weight[2] * sum(weight[:2]) if len(weight) == 4 else 0
    for c, (h, w) in zip(m.grids, m.sizes, strict=True):
        m.batches, latents = m.batches + c * (w + 3 * (h - 1)), latents + c * h * w
    m.image = (1 << 15) + latents * latent + area * pixel
    head.groups, head.work = head.groups + m.groups, head.work + (m.batches + m.groups * len(m.shapes) << 21)
    require(head.groups <= 1 << 10 and head.parameters <= 1 << 22 and head.work <= 1 << 36, "too much")
    require(area * max(channels) <= 1 << 25 and m.batches <= 1 << 14, "model too large")
    return m


# Sections 8 and 10
def read_segment(b: Bytes, head: Fields) -> Fields:
    k, m = len(head.classes), head.models[b.number(0, len(head.models) - 1) if len(head.models) > 1 else 0]
    if same := b.number(0, 1 << 24):
        runs = [(c, same) for c in range(k)]
    elif listed := b.number(0, k):
        runs = [(b.number(0, k - 1), b.number(1, 1 << 24)) for _ in range(listed)]
    else:
        runs = [(c, n) for c in range(k) if (n := b.number(0, 1 << 24))]
    classes = {c for c, _ in runs}
    require(0 < len(classes) == len(runs), "no images, or two runs of one class")
    require(classes <= m.group.keys(), "a class without a group")
    used, images = len({m.group[c] for c in classes}), sum(n for _, n in runs)
    image = m.image + ((k + (head.soft.ways - 1).bit_length() + head.soft.kept) << 11 if head.soft else 0)
    work = (1 << 21) + (k << 14) + (m.batches * used << 18) + images * image
    head.work += max(0, work - (len(b.data) << 22))
    require(head.work <= 1 << 36, "too much work")
    return Fields(model=m, runs=runs, digest=b.take(4), stream=b.take())


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
        require(len(data) % 4 == 0 and (len(data) == 4 or any(data[-4:])), "length of a stream, or zero word")
        self.data, self.tables, self.low, self.range, self.taken = data, tables, 0, (1 << 64) - 1, 0
        self.point = self.word() << 32 | self.word()

    def word(self) -> int:
        self.taken += 4
        return int.from_bytes(self.data[self.taken - 4 : self.taken], "little")  # 0 behind the end

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
        return sum(self.symbol([1 << 23, 1 << 23]) << i for i in reversed(range(count)))

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
        require(self.taken > len(self.data) and spare < 1 << 32, "coded stream's end")


# Section 13: tensors and layers
def read_layer(stream: Stream, shape: Shape) -> Layer:
    exponent, weight = stream.tensor(prod(shape[0]))
    fine, bias = stream.tensor(prod(shape[1]))
    total, inputs = shape[2] + exponent, prod(shape[0][1:])
    require(fine <= total, "bias finer than its accumulator")
    rows = [weight[i : i + inputs] for i in range(0, len(weight), inputs)]
    return rows, [b << (total - fine) for b in bias], total - shape[3]


def dense(layer: Layer, inputs: list[int], row: int = 0) -> list[int]:
    """Results of a layer whose bias has rows."""
    weight, bias, shift = layer
    rows = zip(weight, bias[row * len(weight) :], strict=False)
    return [rshift(sum(map(int.__mul__, w, inputs)) + b, shift) for w, b in rows]


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


# Section 14: latents
def coarse(y: int, x: int) -> list[tuple[int, int]]:
    """(Y, X), (Y, X'), (Y', X), (Y', X')."""
    rows, columns = ((a >> 1, (a >> 1) + (1 if a & 1 else -1)) for a in (y, x))
    return [(row, column) for row in rows for column in columns]


def predict(layers: list[Layer], grids: Grids, level: int, component: int, y: int, x: int) -> tuple[int, int]:
    def at(level: int, component: int, y: int, x: int) -> int:
        grid = grids.get((level, component), [[]])
        return clamp(grid[y][x], -127, 127) if 0 <= y < len(grid) and 0 <= x < len(grid[0]) else 0

    near = [(0, -1), (0, -2), *((dy, dx) for dy in (-1, -2) for dx in (-2, -1, 0, 1, 2))]
    inputs = [at(level, component, y + dy, x + dx) for dy, dx in near]
    inputs += [at(level - 1, component, row, column) for row, column in coarse(y, x)]
    near = [(0, 0), (0, -1), (0, 1), (-1, 0), (1, 0)]
    inputs += [at(level, component - 1, y + dy, x + dx) for dy, dx in near]
    results = dense(layers[0], inputs, len(grids) - 1)
    for layer in layers[1:]:
        results = dense(layer, [clamp(a, 0, 4095) for a in results])
    place, s = clamp(results[0], -32768, 32767), clamp(results[1] + 32, 0, 63)
    whole = (place + 4) >> 3
    return (place - 8 * whole + 4) * 64 + s, whole  # table


def read_latents(stream: Stream, m: Fields, networks: list[list[Layer]]) -> list[Grids]:
    """Of each image of a segment; ``networks``: each image's context layers."""
    images: list[Grids] = [{} for _ in networks]
    for level, component in ((i, j) for i, components in enumerate(m.grids) for j in range(components)):
        h, w = m.sizes[level]
        for grids in images:
            grids[level, component] = [[0] * w for _ in range(h)]
        for t in range(w + 3 * (h - 1)):
            cells, tables = [], []
            for y in (y for y in range(h) if 0 <= t - 3 * y < w):
                for grids, net in zip(images, networks, strict=True):
                    table, whole = predict(net, grids, level, component, y, t - 3 * y)
                    cells.append((grids[level, component][y], t - 3 * y, whole))
                    tables.append(table)
            for (row, x, whole), d in zip(cells, stream.batch(tables), strict=True):
                row[x] = whole + d
                require(abs(row[x]) <= m.ymax, "latent out of range")
    return images


# Section 15: synthesis
def upsample(old: Grid, h: int, w: int) -> Grid:
    def new(y: int, x: int) -> int:
        a, b, c, d = (old[clamp(i, 0, len(old) - 1)][clamp(j, 0, len(old[0]) - 1)] for i, j in coarse(y, x))
        return (9 * a + 3 * b + 3 * c + d + 8) >> 4

    return [[new(y, x) for x in range(w)] for y in range(h)]


def synthesize(m: Fields, grids: Grids, layers: list[Layer]) -> bytes:
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


# Section 16: soft labels; probabilities of each image of a segment, whose classes are ``own``
def read_soft_labels(stream: Stream, soft: Fields, own: list[int], k: int) -> list[list[float]]:
    ranks = [stream.bits((soft.ways - 1).bit_length()) for _ in own]
    odds, found = [[0] * len(own)], []
    for column in range(soft.kept + (soft.kept < k - 1)):
        base, table = stream.bits(8), 256 + stream.bits(6)
        rise = [base + d for d in stream.batch([table] * len(own))]
        require(column == 0 or min(rise) >= 0, "odds fall")
        odds.append(list(map(int.__add__, rise, odds[-1])))
    require(max(ranks) < soft.ways and max(map(abs, sum(odds, []))) <= 2047, "rank or odds out of range")
    for image, mine in enumerate(own):
        left, row = [c for c in range(k) if c != mine], [odds[-1][image] * (c != mine) for c in range(k)]
        for j in range(1, soft.kept + 1):
            digit, ranks[image] = divmod(ranks[image], perm(k - 1 - j, soft.kept - j))
            row[left.pop(digit)] = odds[j][image]
        powers = [exp(-soft.step * (a - min(row)) / 64) for a in row]
        found.append([p / sum(powers) for p in powers])
    return found


def decode(data: bytes) -> tuple[Fields, list[bytes], list[int]]:
    """Fields, samples of each image, and each image's class. A label network is read by read_labels."""
    head, tables = read_file(data), make_tables()
    for m in head.models:
        stream = Stream(m.stream, tables)
        m.networks = [[read_layer(stream, shape) for shape in m.shapes] for _ in range(m.groups)]
        stream.finish()
    pixels, labels, head.probabilities = list[bytes](), list[int](), []
    for segment in head.segments:
        m, stream = segment.model, Stream(segment.stream, tables)
        own = [k for k, n in segment.runs for _ in range(n)]
        nets, depth = [m.networks[m.group[k]] for k in own], len(m.hidden) + 1
        if head.soft:
            head.probabilities += read_soft_labels(stream, head.soft, own, len(head.classes))
        latents = read_latents(stream, m, [net[:depth] for net in nets])
        stream.finish()
        images = [synthesize(m, grids, net[depth:]) for grids, net in zip(latents, nets, strict=True)]
        require(zlib.crc32(b"".join(images)) == int.from_bytes(segment.digest, "little"), "pixel digest")
        pixels, labels = pixels + images, labels + own
    return head, pixels, labels


# Sections 7 and 17: the label network
def read_labels(head: Fields) -> Fields | None:
    """The network of a file with these fields; None if it has none."""
    if head.labels is None:
        return None
    b, h, w, before, k = head.labels, head.height, head.width, head.channels, len(head.classes)
    net, values, products = Fields(mirror=b.byte(0, 1), layers=[], parameters=[]), 0, 0
    for i in range(b.byte(1, 32)):
        shape = b.byte(0, 127)
        kernel, pool = shape & 3, shape >> 4 & 3
        out = before if kernel == 2 else b.number(1, 512)
        require(shape < 64 or (i > 0 and out == before), "shape of a layer")
        require(kernel < 3 and h * w * out <= 1 << 25, "kernel of a layer, or too many outputs")
        net.layers.append((shape, out, fan := (1 if kernel == 2 else before) * (9 if kernel else 1)))
        values, products = values + out * (fan + 1 + (shape >> 2 & 1)), products + out * fan * h * w
        h, w = (h, w) if pool == 0 else (1, 1) if pool == 3 else (h >> 1, w >> 1)
        before, inputs = out, out * h * w
        require(inputs > 0, "pooled to nothing")
    net.temperature = b.byte(1)
    require(values + k * (inputs + 1) <= 1 << 20 and products << net.mirror <= 1 << 30, "network too large")
    stream = Stream(b.take(), make_tables())
    for shape, out, fan in net.layers:
        exponent, weight = stream.tensor(out * fan)
        rows = [weight[i : i + fan] for i in range(0, len(weight), fan)]
        require(exponent == 0 and max(sum(map(abs, row)) for row in rows) <= 4096, "weight of a layer")
        factor = stream.tensor(out) if shape & 4 else (0, [])
        fine, bias = stream.tensor(out)
        require(fine <= 4, "bias too fine")
        net.parameters.append((rows, factor, [v << (4 - fine) for v in bias]))
    net.last = read_layer(stream, ((k, inputs), (k,), 4, 12))
    stream.finish()
    return net


def logits(net: Fields, view: list[Grid], mirrored: bool = False) -> list[int]:
    """In units of 2**-12."""
    if net.mirror and not mirrored:
        both = zip(logits(net, view, True), logits(net, [row[::-1] for row in view], True), strict=True)
        return [(a + b + 1) >> 1 for a, b in both]
    planes = [[[pixel[c] - 128 for pixel in row] for row in view] for c in range(len(view[0][0]))]
    for (shape, _, _), (rows, factor, bias) in zip(net.layers, net.parameters, strict=True):
        results, low = [], 0 if shape & 8 else -256
        for o, row in enumerate(rows):
            acc = convolve(planes[o : o + 1] if shape & 3 == 2 else planes, 3 if shape & 3 else 1, row)
            acc = each(lambda a, n=factor[1][o]: a * n, acc) if shape & 4 else normalize(acc)
            value = each(lambda a, n=factor[0], b=bias[o], lo=low: clamp(rshift(a, n) + b, lo, 255), acc)
            if shape & 64:
                value = each(lambda v, x, lo=low: clamp(v + x, lo, 255), value, planes[o])
            pool = shape >> 4 & 3
            results.append([[mean(value)]] if pool == 3 else pooled(value, pool) if pool else value)
        planes = results
    return dense(net.last, [v for plane in planes for row in plane for v in row])


def mean(plane: Grid) -> int:
    area = len(plane) * len(plane[0])
    return (2 * sum(map(sum, plane)) + area) // (2 * area)


def normalize(acc: Grid) -> Grid:
    centre, area = mean(acc), len(acc) * len(acc[0])
    deviation = max(1, isqrt(256 * sum((a - centre) ** 2 for row in acc for a in row) // area))
    return each(lambda a: ((a - centre) * ((1 << 32) // deviation) + (1 << 23)) >> 24, acc)


def pooled(plane: Grid, pool: int) -> Grid:
    pairs, columns = zip(plane[::2], plane[1::2], strict=False), range(0, len(plane[0]) - 1, 2)
    fours = [[a[x : x + 2] + b[x : x + 2] for x in columns] for a, b in pairs]
    return [[max(v) if pool == 2 else (sum(v) + 2) >> 2 for v in row] for row in fours]


# Annex A: view ``number`` of a seed, of images of a file's shape, by the file's VIEWS
def make_view(head: Fields, pixels: list[bytes], seed: int, number: int) -> list[Grid]:
    zoom_min, zoom_max, shift, rotate, flip, contrast, light, mixup, cutmix, sharpen = head.views
    h, w, phi, mask = head.height, head.width, 0x9E3779B97F4A7C15, (1 << 64) - 1
    blur = [(-2, 1), (-1, 4), (0, 6), (1, 4), (2, 1)]

    def mix(z: int) -> int:
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        return z ^ z >> 31

    def below(j: int, n: int) -> int:
        return (mix(mix(seed + phi & mask) + (32 * number + j + 1) * phi & mask) >> 32) * n >> 32

    def within(j: int, n: int) -> int:
        return below(j, 2 * n + 1) - n

    def taps(at: int, size: int) -> list[tuple[int, int]]:  # two places and their weights
        at = clamp(at, 0, (size - 1) << 8)
        return [(at >> 8, 256 - at % 256), (min((at >> 8) + 1, size - 1), at % 256)]

    def sharp(image: bytes, row: int, column: int, c: int) -> int:
        def at(i: int, j: int) -> int:
            pixel = clamp(row + i, 0, h - 1) * w + clamp(column + j, 0, w - 1)
            place: int = pixel * head.channels + c
            return image[place]

        detail = 256 * at(0, 0) - sum(a * b * at(i, j) for i, a in blur for j, b in blur)
        return clamp(at(0, 0) + ((sharpen * detail + 8192) >> 14), 0, 255)

    def part(j: int) -> list[Grid]:
        image = pixels[below(j, len(pixels))]
        zoom = 1024 * zoom_min + below(j + 1, 1024 * (zoom_max - zoom_min) + 1)
        turn, reach = within(j + 2, 256 * rotate), 1024 * shift + (max(0, 65536 - zoom) >> 1)
        cosine, sine = zoom * isqrt((1 << 32) - turn * turn) >> 16, zoom * turn >> 16
        centre_x, centre_y = 2 * w * within(j + 3, reach), 2 * h * within(j + 4, reach)
        sign, gain, lift = 1 - 2 * below(j + 5, 1 + flip), 256 + within(j + 6, contrast), within(j + 7, light)

        def sample(y: int, x: int, c: int) -> int:
            px, py, mean = sign * (2 * x + 1 - w), 2 * y + 1 - h, 1 << 15
            for row, a in taps((px * sine + py * cosine + centre_y + ((h - 1) << 16)) >> 9, h):
                for column, b in taps((px * cosine - py * sine + centre_x + ((w - 1) << 16)) >> 9, w):
                    mean += a * b * sharp(image, row, column, c)
            return clamp(128 + ((((mean >> 16) - 128) * gain + 128) >> 8) + lift, 0, 255)

        return [[[sample(y, x, c) for c in range(head.channels)] for x in range(w)] for y in range(h)]

    view, chance, amount = part(8), below(0, 256), below(1, 257)
    if chance >= mixup + cutmix:
        return view
    share, rows, columns = amount, h, w
    if chance >= mixup:
        share, rows, columns = 0, *((side * isqrt(256 * amount) + 128) >> 8 for side in (h, w))
    top, left, second = below(2, h - rows + 1), below(3, w - columns + 1), part(16)
    for y in range(top, top + rows):
        for x in range(left, left + columns):
            both = zip(view[y][x], second[y][x], strict=True)
            view[y][x] = [(share * a + (256 - share) * b + 128) >> 8 for a, b in both]
    return view
