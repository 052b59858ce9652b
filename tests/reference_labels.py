"""Label networks and views of .rud files in plain Python: section 17 and annex A of bitstream_spec.md.

Beside reference_decoder.py, which decodes the images and finds the fields.
"""

from __future__ import annotations

from math import isqrt
from types import SimpleNamespace as Fields

from reference_decoder import (
    Grid,
    Stream,
    clamp,
    convolve,
    dense,
    each,
    make_tables,
    read_layer,
    require,
    rshift,
)

View = list[list[list[int]]]  # rows of pixels of channels
PHI, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1


# Section 7, kind 2; section 17
def read_labels(head: Fields) -> Fields | None:
    """The network of a file with these fields; None if it has none."""
    if head.labels is None:
        return None
    b, h, w, before, k = head.labels, head.height, head.width, head.channels, len(head.classes)
    net, values, products = Fields(mirror=b.byte(0, 1), layers=[], parameters=[]), 0, 0
    for i in range(b.byte(1, 32)):
        shape = b.byte(0, 127)
        kernel, pool, residual = shape & 3, shape >> 4 & 3, shape >> 6
        out = before if kernel == 1 else b.number(1, 512)
        require(kernel < 3 and (not residual or (i > 0 and out == before)), "shape of a layer")
        fan = (1 if kernel == 1 else before) * (1 if kernel == 2 else 9)
        net.layers.append((shape, out, fan))
        values, products = values + out * (fan + 1 + (shape >> 2 & 1)), products + out * fan * h * w
        h, w = (h, w) if pool == 0 else (1, 1) if pool == 3 else (h >> 1, w >> 1)
        require(h * w > 0, "pooled to nothing")
        before = out
    net.temperature, inputs = b.byte(1), before * h * w
    require(values + k * (inputs + 1) <= 1 << 20 and products << net.mirror <= 1 << 30, "network too large")
    stream = Stream(b.rest(), make_tables())
    for shape, out, fan in net.layers:
        exponent, weight = stream.tensor(out * fan)
        rows = [weight[i : i + fan] for i in range(0, len(weight), fan)]
        require(exponent == 0 and max(sum(map(abs, row)) for row in rows) <= 4096, "weight of a convolution")
        factor = stream.tensor(out) if shape & 4 else None
        fine, bias = stream.tensor(out)
        require(fine <= 4, "bias too fine")
        net.parameters.append((rows, factor, [v << (4 - fine) for v in bias]))
    net.last = read_layer(stream, ((k, inputs), (k,), 4, 12))
    stream.finish()
    return net


def logits(net: Fields, view: View) -> list[int]:
    """In units of 2**-12."""
    results = apply(net, view)
    if net.mirror:
        results = [
            (a + b + 1) >> 1 for a, b in zip(results, apply(net, [row[::-1] for row in view]), strict=True)
        ]
    return results


def apply(net: Fields, view: View) -> list[int]:
    planes = [[[pixel[c] - 128 for pixel in row] for row in view] for c in range(len(view[0][0]))]
    for (shape, _, _), (rows, factor, bias) in zip(net.layers, net.parameters, strict=True):
        results, low = [], -256 if shape & 8 else 0
        for o, row in enumerate(rows):
            acc = convolve(planes[o : o + 1] if shape & 3 == 1 else planes, 1 if shape & 3 == 2 else 3, row)
            value = scaled(acc, factor[0], factor[1][o]) if factor else normalized(acc)
            value = each(lambda v, b=bias[o], lo=low: clamp(v + b, lo, 255), value)
            if shape & 64:
                value = each(lambda v, x, lo=low: clamp(v + x, lo, 255), value, planes[o])
            results.append(pooled(value, shape >> 4 & 3))
        planes = results
    return dense(net.last, [v for plane in planes for row in plane for v in row])


def scaled(acc: Grid, exponent: int, factor: int) -> Grid:
    return each(lambda a: rshift(a * factor, exponent), acc)


def normalized(acc: Grid) -> Grid:
    area = len(acc) * len(acc[0])
    mean = (2 * sum(map(sum, acc)) + area) // (2 * area)
    variance = sum((a - mean) ** 2 for row in acc for a in row) // area
    reciprocal = (1 << 32) // max(1, isqrt(256 * variance))
    return each(lambda a: ((a - mean) * reciprocal + (1 << 23)) >> 24, acc)


def pooled(plane: Grid, pool: int) -> Grid:
    h, w = len(plane), len(plane[0])
    if pool == 3:
        return [[(2 * sum(map(sum, plane)) + h * w) // (2 * h * w)]]
    fours = [
        [plane[y][x : x + 2] + plane[y + 1][x : x + 2] for x in range(0, w - 1, 2)]
        for y in range(0, h - 1, 2)
    ]
    return [[max(v) if pool == 2 else (sum(v) + 2) >> 2 for v in row] for row in fours] if pool else plane


# Annex A
def mix(z: int) -> int:
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def make_view(head: Fields, pixels: list[bytes], seed: int, number: int) -> View:
    """View ``number`` of a seed, of images of a file's shape, by the file's VIEWS."""
    zoom_min, zoom_max, shift, rotate, flip, contrast, brightness, mixup, cutmix = head.views
    height, width, channels, origin = head.height, head.width, head.channels, mix(seed + PHI & MASK)

    def below(j: int, n: int) -> int:
        return (mix(origin + (32 * number + j + 1) * PHI & MASK) >> 32) * n >> 32

    def within(j: int, n: int) -> int:
        return below(j, 2 * n + 1) - n

    def part(j: int) -> View:
        image, zoom = (
            pixels[below(j, len(pixels))],
            1024 * zoom_min + below(j + 1, 1024 * (zoom_max - zoom_min) + 1),
        )
        sine, reach = within(j + 2, 256 * rotate), 1024 * shift + (max(0, 65536 - zoom) >> 1)
        cosine, sine = zoom * isqrt((1 << 32) - sine * sine) >> 16, zoom * sine >> 16
        centre_x, centre_y, turned = (
            within(j + 3, reach) * width,
            within(j + 4, reach) * height,
            below(j + 5, 1 + flip),
        )
        gain, lift = 256 + within(j + 6, contrast), within(j + 7, brightness)

        def sample(y: int, x: int, c: int) -> int:
            across, down = (-1 if turned else 1) * (2 * x + 1 - width), 2 * y + 1 - height
            u = (across * cosine - down * sine + 2 * centre_x + ((width - 1) << 16)) >> 9
            v = (across * sine + down * cosine + 2 * centre_y + ((height - 1) << 16)) >> 9
            u, v = clamp(u, 0, (width - 1) << 8), clamp(v, 0, (height - 1) << 8)
            total = 1 << 15
            for row, a in ((v >> 8, 256 - (v & 255)), (min((v >> 8) + 1, height - 1), v & 255)):
                for column, b in ((u >> 8, 256 - (u & 255)), (min((u >> 8) + 1, width - 1), u & 255)):
                    total += a * b * image[(row * width + column) * channels + c]
            return clamp(128 + ((((total >> 16) - 128) * gain + 128) >> 8) + lift, 0, 255)

        return [[[sample(y, x, c) for c in range(channels)] for x in range(width)] for y in range(height)]

    first, kind, amount = part(8), below(0, 256), below(1, 257)
    if kind >= mixup + cutmix:
        return first
    share, rows, columns = amount, height, width
    if kind >= mixup:
        side = isqrt(256 * amount)
        share, rows, columns = 0, (height * side + 128) >> 8, (width * side + 128) >> 8
    top, left, second = below(2, height - rows + 1), below(3, width - columns + 1), part(16)
    for y in range(top, top + rows):
        for x in range(left, left + columns):
            pairs = zip(first[y][x], second[y][x], strict=True)
            first[y][x] = [(share * a + (256 - share) * b + 128) >> 8 for a, b in pairs]
    return first
