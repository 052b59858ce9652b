"""A decoder for .rud files in plain Python integers, to be read beside bitstream_spec.md.

No numpy, no range coder library, nothing of rudcodec: slow, and as close to the specification as can be.
Section numbers are the specification's. ``python reference_decoder.py FILE`` prints the pixels' SHA-256.
"""

from __future__ import annotations

import sys
import zlib
from hashlib import sha256
from math import isqrt, prod
from types import SimpleNamespace as Head
from typing import NamedTuple

from reference_soft import read_soft_fields, read_soft_labels, require

DECAY = """624123833502197199 736817851742260082 857958705291205984 986474991491683832
1121178045035989968 1260809488881185366 1404085787326080234 1549737850873369689"""


# Section 3: container and primitive fields
class Bytes:
    """A cursor over a section's body."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def byte(self, low: int = 0, high: int = 255) -> int:
        require(self.at < len(self.data), "section ends early")
        value = self.data[self.at]
        self.at += 1
        require(low <= value <= high, "byte out of range")
        return value

    def number(self, low: int, high: int) -> int:
        value, shift, byte = 0, 0, 128
        while byte >= 128:
            require(shift <= 28, "number of more than 5 bytes")
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
        require(byte != 0 or shift == 7, "number not in its shortest form")
        require(low <= value <= high, "number out of range")
        return value

    def text(self) -> str:
        length = self.number(1, 255)
        require(self.at + length <= len(self.data), "section ends early")
        self.at += length
        text = self.data[self.at - length : self.at].decode("utf-8")  # raises a ValueError too
        require(all(ord(c) >= 160 or 32 <= ord(c) < 127 for c in text), "control character")
        return text

    def decimal(self) -> str:
        digits, places = self.number(0, 10**9 - 1), self.byte(0, 20)
        require(places == 0 or digits % 10 != 0, "decimal not in its shortest form")
        return f"{digits}e-{places}"


def take_section(data: bytes, at: int, tag: int) -> tuple[bytes, int]:
    """Body of the section at ``at``, and where the next one begins."""
    frame = Bytes(data[at:])
    require(frame.byte() == tag, "unexpected tag")
    length = frame.number(0, 1 << 30)
    end = at + frame.at + length
    require(end + 4 <= len(data), "file ends early")
    require(zlib.crc32(data[at:end]) == int.from_bytes(data[end : end + 4], "little"), "section checksum")
    return data[at + frame.at : end], end + 4


# Section 4: head
def read_head(body: bytes, file_size: int) -> Head:
    b, head = Bytes(body), Head()
    flags = b.byte(0, 7)
    require(flags >> 1 < 3, "label mode")
    head.per_class, head.soft, head.labelled = flags & 1 == 1, flags >> 1 == 1, flags >> 1 == 2
    head.height, head.width, head.channels = b.number(1, 1024), b.number(1, 1024), b.byte(1, 3)
    require(head.channels != 2, "two channels")
    head.grids, head.sizes, head.layers, head.counts = [], [(head.height, head.width)], [], []
    for i in range(b.byte(1, 12)):
        head.grids.append(b.byte(1, head.grids[-1] if head.grids else 8))
        if i:
            head.sizes.insert(0, tuple((side + 1) // 2 for side in head.sizes[0]))
    head.hidden = [b.number(1, 128) for _ in range(b.byte(0, 8))]
    before = sum(head.grids)
    for i in range(b.byte(1, 8)):
        out, shape = b.number(1, 256), b.byte(0, 7)
        require(not shape & 4 or (i > 0 and out == before), "residual layer changes shape")
        head.layers.append((out, 3 if shape & 1 else 1, bool(shape & 2), bool(shape & 4)))
        before = out
    require(before == head.channels and not head.layers[-1][2], "last layer")
    head.ymax = b.number(0, 32767)
    head.mean, head.std = [b.byte() for _ in range(head.channels)], [b.byte(1) for _ in range(head.channels)]
    head.augment, head.optimizer = b.byte(0, 63), b.byte(0, 2)
    head.steps, head.batch = b.number(1, 10**9), b.number(1, 10**9)
    head.lr, head.weight_decay, head.momentum = b.decimal(), b.decimal(), b.decimal()
    head.classes = [b.text() for _ in range(b.number(1, 65535))]
    k = len(head.classes)
    require(len(set(head.classes)) == k, "class name used twice")
    for _ in range(b.number(1, min(65535, (1 << 20) // k))):
        same = b.number(0, 1 << 24)
        counts = [same or b.number(0, 1 << 24) for _ in range(k)]
        require(same > 0 or len(set(counts)) > 1, "equal counts spelt out")
        head.counts.append(counts)
    if head.soft:
        read_soft_fields(b, head)
    require(b.at == len(body), "bytes behind the head")
    check_limits(head, file_size)
    return head


def check_limits(head: Head, file_size: int) -> None:
    """Section 2."""
    totals = [sum(column) for column in zip(*head.counts, strict=True)]
    images, scale = sum(totals), -(-file_size // (1 << 20))
    groups = len(totals) if head.per_class else 1
    levels = [(c, h, w) for c, (h, w) in zip(head.grids, head.sizes, strict=True)]
    latents, steps = sum(c * h * w for c, h, w in levels), sum(c * (w + 3 * (h - 1)) for c, h, w in levels)
    area, columns = head.height * head.width, max(totals) * groups if head.per_class else images
    parameters, latent, pixel = 0, 2048, 512 + 64 * sum(head.grids)
    for w, b, _, _ in layer_shapes(head):
        parameters += (prod(w) + prod(b)) * groups
        if len(w) == 2:
            latent += prod(w)
        else:
            pixel += prod(w) + 12 * min(w[0], w[1]) * w[2] ** 2 + 48 * w[0]
    work = steps * ((1 << 21) + (len(head.counts) << 18) + (groups << 16)) + (groups << 24)
    work += columns * latents * latent + images * area * pixel
    widest = max([sum(head.grids)] + [out for out, _, _, _ in head.layers])
    require(parameters <= 1 << 22 and area * widest <= 1 << 25, "networks too large")
    each = max(32, area * head.channels, latents, 2 * len(totals) * head.soft)
    require(images * each <= scale << 25, "too many images")
    require(work <= scale << 36, "too much work")


class Shape(NamedTuple):
    weight: tuple[int, ...]
    bias: tuple[int, ...]
    fraction: int  # fractional bits of the input
    result: int  # and of the result


def layer_shapes(head: Head) -> list[Shape]:
    widths, depth = [21, *head.hidden, 2], len(head.hidden)
    shapes = [Shape((o, i), (o,), 7, 7) for i, o in zip(widths, widths[1:], strict=False)]
    shapes[0] = shapes[0]._replace(bias=(sum(head.grids), widths[1]), fraction=0)
    shapes[depth] = shapes[depth]._replace(result=3)
    widths = [sum(head.grids)] + [layer[0] for layer in head.layers]
    for i, (out, kernel, _, _) in enumerate(head.layers):
        shapes.append(Shape((out, widths[i], kernel, kernel), (out,), 7 if i else 6, 7))
    return shapes


# Section 5: frequency tables
def make_tables() -> list[list[int]]:
    one = 1 << 62
    decay = [int(digits) for digits in DECAY.split()]
    for s in range(8, 64):
        decay.append(isqrt(decay[s - 8] << 62))
    tables: list[list[int]] = [[] for _ in range(512)]
    for s in range(64):
        power = [one]
        while len(power) < 256:
            power.append((power[-1] * decay[s]) >> 62)

        def above(n: int, power: list[int] = power) -> int:
            return power[n] >> 1 if n >= 0 else one - (power[-n] >> 1)

        for f in range(-4, 4):
            masses = [above(8 * d - 4 - f) - above(8 * d + 4 - f) for d in range(-23, 24)]
            masses.append(one - sum(masses))
            row = [1 + ((mass * ((1 << 24) - 48)) >> 62) for mass in masses]
            row[23] += (1 << 24) - sum(row)
            tables[(f + 4) * 64 + s] = row
    return tables


# Section 6: range decoder, symbols, escapes
class Stream:
    MASK = (1 << 64) - 1

    def __init__(self, data: bytes, tables: list[list[int]]) -> None:
        require(len(data) > 0 and len(data) % 4 == 0, "coded stream's length")
        require(len(data) == 4 or any(data[-4:]), "coded stream ends with a zero word")
        self.words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
        self.tables, self.lower, self.range, self.next = tables, 0, self.MASK, 0
        self.point = self.word() << 32 | self.word()

    def word(self) -> int:
        self.next += 1
        return self.words[self.next - 1] if self.next <= len(self.words) else 0

    def symbol(self, frequencies: list[int]) -> int:
        scale = self.range >> 24
        quantile = ((self.point - self.lower) & self.MASK) // scale
        require(quantile < 1 << 24, "impossible value in a coded stream")
        symbol, left = 0, 0
        while left + frequencies[symbol] <= quantile:
            left += frequencies[symbol]
            symbol += 1
        self.lower = (self.lower + scale * left) & self.MASK
        self.range = scale * frequencies[symbol]
        if self.range < 1 << 32:
            self.lower = (self.lower << 32) & self.MASK
            self.range <<= 32
            self.point = ((self.point << 32) & self.MASK) | self.word()
        return symbol

    def bits(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self.symbol([1 << 23, 1 << 23])
        return value

    def batch(self, rows: list[int]) -> list[int]:
        """Differences coded with the given table rows, escapes resolved."""
        found = [self.symbol(self.tables[row]) - 23 for row in rows]
        escaped = [i for i, d in enumerate(found) if d == 24]
        classes = [self.symbol([1 << (23 - k) for k in range(16)] + [1 << 8]) for _ in escaped]
        for i, k in zip(escaped, classes, strict=True):
            negative = self.bits(1)
            magnitude = 23 + (1 << k) + self.bits(k)
            found[i] = -magnitude if negative else magnitude
        return found

    def finish(self) -> None:
        spare = (self.point - self.lower) & self.MASK
        require(self.next > len(self.words) and spare < 1 << 32, "coded stream's end")


# Section 7: weights
class Layer(NamedTuple):
    weight: list[int]
    bias: list[int]  # aligned with the accumulator
    shift: int  # accumulator to result
    inputs: int  # per output


def read_layer(stream: Stream, shape: Shape) -> Layer:
    exponents, tensors = [], []
    for size in (prod(shape.weight), prod(shape.bias)):
        exponents.append(stream.bits(4))
        row = 256 + stream.bits(6)
        tensors.append(stream.batch([row] * size))
        require(all(abs(w) <= 2047 for w in tensors[-1]), "weight out of range")
    total = shape.fraction + exponents[0]
    require(exponents[1] <= total, "bias finer than its accumulator")
    bias = [b << (total - exponents[1]) for b in tensors[1]]
    return Layer(tensors[0], bias, total - shape.result, prod(shape.weight[1:]))


def rshift(a: int, s: int) -> int:
    return (a + (1 << (s - 1))) >> s if s > 0 else a << -s


def clamp(a: int, low: int, high: int) -> int:
    return max(low, min(high, a))


# Section 8: latents
Grid = list[list[int]]
Grids = dict[tuple[int, int], Grid]  # of one image, by level and component, in coding order


def context(grids: Grids, level: int, component: int, y: int, x: int) -> list[int]:
    here, coarse = grids[level, component], grids.get((level - 1, component))
    other = grids.get((level, component - 1))

    def at(grid: Grid | None, y: int, x: int) -> int:
        if grid is None or not (0 <= y < len(grid) and 0 <= x < len(grid[0])):
            return 0
        return clamp(grid[y][x], -127, 127)

    inputs = [at(here, y, x - 1), at(here, y, x - 2)]
    inputs += [at(here, y + dy, x + dx) for dy in (-1, -2) for dx in (-2, -1, 0, 1, 2)]
    cy, cx, dy, dx = y >> 1, x >> 1, 1 if y & 1 else -1, 1 if x & 1 else -1
    inputs += [at(coarse, y, x) for y, x in ((cy, cx), (cy, cx + dx), (cy + dy, cx), (cy + dy, cx + dx))]
    return inputs + [at(other, y + b, x + a) for b, a in ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0))]


def predict(layers: list[Layer], inputs: list[int], grid: int) -> tuple[int, int]:
    """Table row and integer location."""
    for i, layer in enumerate(layers):
        outs = len(layer.weight) // layer.inputs
        acc = layer.bias[grid * outs : (grid + 1) * outs] if i == 0 else list(layer.bias)
        for o in range(outs):
            row = layer.weight[o * layer.inputs : (o + 1) * layer.inputs]
            acc[o] = rshift(acc[o] + sum(w * v for w, v in zip(row, inputs, strict=True)), layer.shift)
        inputs = [clamp(a, 0, 4095) for a in acc]
    eighths, scale = clamp(acc[0], -32768, 32767), clamp(acc[1] + 32, 0, 63)
    location = (eighths + 4) >> 3
    return (eighths - 8 * location + 4) * 64 + scale, location


def read_latents(stream: Stream, head: Head, networks: list[list[Layer]]) -> list[Grids]:
    """The grids of each image of a segment; ``networks``: each image's context layers."""
    images: list[Grids] = [{} for _ in networks]
    for level, (h, w) in enumerate(head.sizes):
        for component in range(head.grids[level]):
            for grids in images:
                grids[level, component] = [[0] * w for _ in range(h)]
            for t in range(w + 3 * (h - 1)):
                step, rows = [], []
                for y in (y for y in range(h) if 0 <= t - 3 * y < w):
                    for grids, net in zip(images, networks, strict=True):
                        inputs = context(grids, level, component, y, t - 3 * y)
                        row, location = predict(net, inputs, len(grids) - 1)
                        step.append((grids[level, component], y, location))
                        rows.append(row)
                for (grid, y, location), difference in zip(step, stream.batch(rows), strict=True):
                    grid[y][t - 3 * y] = location + difference
                    require(abs(location + difference) <= head.ymax, "latent out of range")
    stream.finish()
    return images


# Section 9: synthesis
def double(grid: Grid, h: int, w: int) -> Grid:
    """Bilinear, edges replicated; the first h x w of the result."""

    def at(y: int, x: int) -> int:
        return grid[clamp(y, 0, len(grid) - 1)][clamp(x, 0, len(grid[0]) - 1)]

    result = [[0] * w for _ in range(h)]
    for y in range(h):
        for x in range(w):
            cy, cx, dy, dx = y >> 1, x >> 1, 1 if y & 1 else -1, 1 if x & 1 else -1
            near = 9 * at(cy, cx) + 3 * at(cy + dy, cx) + 3 * at(cy, cx + dx)
            result[y][x] = (near + at(cy + dy, cx + dx) + 8) >> 4
    return result


def synthesize(head: Head, grids: Grids, layers: list[Layer]) -> bytes:
    planes: list[Grid] = []
    for level, (h, w) in enumerate(head.sizes):
        planes = [double(plane, h, w) for plane in planes] if level else []
        planes += [[[v << 6 for v in row] for row in grid] for (lv, _), grid in grids.items() if lv == level]
    h, w = head.height, head.width
    for (outs, kernel, relu, residual), layer in zip(head.layers, layers, strict=True):
        reach, taps = kernel // 2, kernel * kernel
        result = []
        for o in range(outs):
            out = [[layer.bias[o]] * w for _ in range(h)]
            for i, plane in enumerate(planes):
                for tap in range(taps):
                    weight = layer.weight[(o * len(planes) + i) * taps + tap]
                    dy, dx = tap // kernel - reach, tap % kernel - reach
                    for y in range(max(0, -dy), min(h, h - dy)) if weight else ():
                        for x in range(max(0, -dx), min(w, w - dx)):
                            out[y][x] += weight * plane[y + dy][x + dx]
            for y in range(h):
                for x in range(w):
                    value = rshift(out[y][x], layer.shift) + (planes[o][y][x] if residual else 0)
                    out[y][x] = clamp(value, 0 if relu else -4096, 4095)
            result.append(out)
        planes = result
    return bytes(
        clamp(128 + ((plane[y][x] + 1) >> 1), 0, 255) for y in range(h) for x in range(w) for plane in planes
    )


# The whole
def decode(data: bytes) -> tuple[Head, list[bytes], list[int]]:
    """Head, pixels of each image (height, width, channels; one byte each), and each image's class."""
    require(data[:4] == b"RUD\x01" and len(data) <= 1 << 30, "not a version 1 .rud file")
    body, at = take_section(data, 4, 1)
    head = read_head(body, len(data))
    weights, at = take_section(data, at, 2)
    head.labels, at = take_section(data, at, 3) if head.labelled else (b"", at)  # reference_labels.py
    segments = []
    for _ in head.counts:
        body, at = take_section(data, at, 4)
        segments.append(body)
    require(at == len(data), "bytes behind the last section")
    tables, depth = make_tables(), len(head.hidden) + 1
    stream = Stream(weights, tables)
    count = len(head.classes) if head.per_class else 1
    groups = [[read_layer(stream, shape) for shape in layer_shapes(head)] for _ in range(count)]
    stream.finish()

    pixels, labels, head.probabilities = [], [], []
    for counts, body in zip(head.counts, segments, strict=True):
        mine = [k for k, n in enumerate(counts) for _ in range(n)]
        nets = [groups[k if head.per_class else 0] for k in mine]
        require(len(body) >= 4, "segment ends early")
        stream = Stream(body[4:], tables)
        head.probabilities += read_soft_labels(stream, head, mine) if head.soft else []
        latents = read_latents(stream, head, [net[:depth] for net in nets])
        images = [synthesize(head, grids, net[depth:]) for grids, net in zip(latents, nets, strict=True)]
        require(zlib.crc32(b"".join(images)) == int.from_bytes(body[:4], "little"), "pixel digest")
        pixels += images
        labels += mine
    return head, pixels, labels


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        print(sha256(b"".join(decode(file.read())[1])).hexdigest())
