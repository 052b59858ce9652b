"""Writes the golden files that are missing from tests/golden. It never changes a file that is there.

``golden/manifest.json`` has, for each file, its head and the SHA-256 of its decoded pixels, or the error it
must give.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from random import Random

from golden_labels import broken, networks, some_views
from golden_limits import beyond, limits
from golden_payloads import example_payload, join, layer, random_payload, small_payload, split
from golden_soft import broken_soft, softly_labelled

from rudcodec import FormatError, bitstream
from rudcodec.payload import Architecture, Payload, Recipe, Segment

FOLDER = Path(__file__).parent / "golden"


def good() -> dict[str, Payload]:
    grey = Architecture(17, 23, 1, (2, 1, 1), (6,), (layer(4, 3), layer(1, 3, relu=False)))
    colour = Architecture(
        28,
        28,
        3,
        (3, 2, 1, 1),
        (5, 4),
        (layer(6), layer(4, 3), layer(4, 3, residual=True), layer(3, relu=False)),
    )
    groups = Architecture(
        17, 23, 3, (1, 1), (4,), (layer(3, 3, relu=False), layer(3, 3, relu=False, residual=True))
    )
    many = Architecture(5, 3, 1, (2, 2), (3,), (layer(2), layer(1, relu=False)))
    linear = Architecture(3, 2, 1, (8, 8, 3, 1), (), (layer(1, relu=False),))
    one = Architecture(1, 1, 1, (1,), (), (layer(1, relu=False),))
    recipe = Recipe(
        mean=(0,),
        std=(255,),
        augment=(),
        optimizer="adamw",
        steps=1,
        batch=1,
        lr=0.0,
        weight_decay=1e-20,
        momentum=123.456789,
    )
    return {
        "example": example_payload(),
        "grey-17x23": random_payload(grey, [(2,)], seed=1),
        "colour-28x28-segments": random_payload(
            colour, [(1, 1, 1), (1, 0, 1)], seed=2, classes=("cat", "dog", "œuf 卵")
        ),
        "groups-17x23": random_payload(groups, [(1, 2, 0), (1, 1, 1)], seed=3, share="class"),
        "classes-200": random_payload(many, [(1,) * 200], seed=4),
        "classes-200-groups": random_payload(
            many, [(1,) * 200, (0,) * 150 + (1,) * 50], seed=5, share="class", weights=2
        ),
        "escapes": random_payload(
            linear, [(3, 1), (1, 1), (2, 2)], seed=6, latents=9000, weights=900, exponent=15
        ),
        "negative-shift": random_payload(linear, [(4,)], seed=7, exponent=0, recipe=recipe),
        "zeros": random_payload(colour, [(1, 1, 1)], seed=8, latents=0, weights=0),
        "pixel": random_payload(one, [(1,)], seed=9),
        "muon": random_payload(one, [(1,)], seed=11, recipe=replace(recipe, optimizer="muon")),
    }


def largest_last() -> Payload:
    """Three segments; a file without the last one still names its largest latent."""
    architecture = Architecture(7, 6, 3, (2, 1), (4,), (layer(5), layer(3, 3, relu=False)))
    payload = random_payload(architecture, [(1, 1), (2, 0), (1, 1)], seed=10)
    *segments, last = payload.segments
    larger = Segment(last.counts, tuple(9 * grid for grid in last.latents))
    return replace(payload, segments=(*segments, larger))


def bad() -> dict[str, bytes]:
    """Files that must be refused, one rule broken in each."""
    whole = bitstream.encode(small_payload())
    head, weights, first, second = split(whole)

    def with_head(offset: int, value: int) -> bytes:
        body = head[1][:offset] + bytes([value]) + head[1][offset + 1 :]
        return join([(1, body), weights, first, second])

    def with_byte(offset: int, value: int) -> bytes:
        return whole[:offset] + bytes([value]) + whole[offset + 1 :]

    digest = bytes([second[1][0] ^ 1]) + second[1][1:]
    return {
        "empty": b"",
        "text": b"not a rud file\n",
        "version-2": with_byte(3, 2),
        "cut-in-head": whole[:20],
        "cut-in-weights": whole[:200],
        "cut-at-segment": join([head, weights, first]),
        "trailing": whole + b"\0",
        "flipped-head": with_byte(10, whole[10] ^ 1),
        "flipped-segment": with_byte(len(whole) - 6, whole[-6] ^ 128),
        "no-head": join([weights, first, second]),
        "labels-section": join([head, weights, (3, b""), first, second]),
        "soft-labels": with_head(0, 2),
        "reserved-flag": with_head(0, 8),
        "height-0": with_head(1, 0),
        "two-channels": with_head(3, 2),
        "growing-grids": with_head(6, 3),
        "residual-first": with_head(11, 5),
        "head-too-long": join([(1, head[1] + b"\0"), weights, first, second]),
        "head-too-short": join([(1, head[1][:-1]), weights, first, second]),
        "no-weights": join([head, (2, b""), first, second]),
        "odd-weights": join([head, (2, weights[1][:-1]), first, second]),
        "long-weights": join([head, (2, weights[1] + b"too much"), first, second]),
        "zero-word": join([head, weights, (4, first[1] + bytes(4)), second]),
        "impossible-value": join([head, weights, (4, first[1][:4] + b"\xff" * 16), second]),
        "no-digest": join([head, weights, first, (4, second[1][:3])]),
        "digest": join([head, weights, first, (4, digest)]),
    }


def bad_fields() -> dict[str, bytes]:
    """Heads and streams that break a rule behind right checksums."""
    whole = bitstream.encode(small_payload())
    head, weights, *segments = split(whole)
    begin = whole.index(head[1])
    at = {row.note.split(":")[0]: row.offset - begin for row in bitstream.describe(whole).rows}
    body, names, counts = head[1], at["classes"], at["segments"]

    def edited(offset: int, old: int, new: bytes) -> bytes:
        return join([(1, body[:offset] + new + body[offset + old :]), weights, *segments])

    decimals = body.index(bytes([1, 2, 5, 4, 9, 1]))
    return {
        "long-number": edited(1, 1, b"\x84\0"),
        "endless-number": edited(1, 1, b"\xff" * 9),
        "width-2000": edited(2, 1, b"\xd0\x0f"),
        "no-levels": edited(4, 1, b"\0"),
        "wide-context": edited(8, 1, b"\x81\1"),
        "no-layers": edited(9, 1, b"\0"),
        "relu-last": edited(13, 1, b"\2"),
        "shape-of-layer": edited(11, 1, b"\x08"),
        "latent-beyond": edited(at["recipe"] - 1, 1, b"\1"),
        "std-0": edited(at["recipe"] + 3, 1, b"\0"),
        "augment-64": edited(at["recipe"] + 6, 1, b"\x40"),
        "optimizer-3": edited(at["recipe"] + 7, 1, b"\3"),
        "decimal-form": edited(decimals, 2, bytes([10, 3])),
        "decimal-places": edited(decimals + 1, 1, b"\x15"),
        "no-classes": edited(names, 1, b"\0"),
        "name-empty": edited(names + 1, 8, b"\0"),
        "name-twice": edited(names + 16, 1, b"0"),
        "name-not-utf8": edited(names + 5, 1, b"\xff"),
        "name-control": edited(names + 5, 1, b"\7"),
        "no-segments": edited(counts, 1, b"\0"),
        "equal-counts": edited(counts + 2, 3, b"\0\1\1"),
        "empty-segment": edited(counts + 2, 3, b"\0\0\0"),
        "too-many-images": edited(counts + 1, 1, b"\xff\xff\xff\7"),
        "too-many-samples": edited(counts + 1, 1, b"\xe0\xa7\x12"),
        "weight-beyond": noise(head, segments, " has values beyond "),
        "bias-too-fine": noise(head, segments, " has exponent "),
    }


def noise(head: tuple[int, bytes], segments: list[tuple[int, bytes]], reason: str) -> bytes:
    """A file whose weights are the first random words that fail for this reason."""
    for seed in count():
        stream = Random(seed).randbytes(400)
        data = join([head, (2, stream), *segments])
        try:
            bitstream.decode(data)
        except FormatError as error:
            if reason in error.reason:
                return data
    raise AssertionError


def manifest_text(manifest: dict[str, dict[str, object]]) -> str:
    """JSON with a line for each file."""
    parts = []
    for name, entries in sorted(manifest.items()):
        lines = [f"  {json.dumps(file)}: {json.dumps(entry)}" for file, entry in sorted(entries.items())]
        parts.append(f" {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / "manifest.json"
    manifest = json.loads(path.read_text()) if path.exists() else {}
    for part in ("errors", "heads", "logits", "pixels", "probabilities"):
        manifest.setdefault(part, {})
    payloads = good() | limits() | networks() | softly_labelled()
    files = {name: bitstream.encode(payload) for name, payload in payloads.items()}
    files |= bad() | bad_fields() | beyond() | broken() | broken_soft()
    files["truncated"] = bitstream.truncate(bitstream.encode(largest_last()), ipc=2).data
    for name, encoded in files.items():
        target = FOLDER / f"{name}.rud"
        if not target.exists():
            target.write_bytes(encoded)
        data = target.read_bytes()
        try:
            payload, images = bitstream.decode_images(data)
        except FormatError as error:
            manifest["errors"].setdefault(name, str(error))
        else:
            manifest["heads"].setdefault(name, asdict(bitstream.describe(data).head))
            manifest["pixels"].setdefault(name, sha256(images.tobytes()).hexdigest())
            if (probs := bitstream.soft_labels(payload)) is not None:
                found = [[round(p, 9) for p in row] for row in probs.tolist()]
                manifest["probabilities"].setdefault(name, found if len(found[0]) < 100 else found[:1])
            if payload.labels is not None:
                logits = bitstream.logits(payload.labels, some_views(payload, images))
                manifest["logits"].setdefault(name, logits.tolist())
    path.write_text(manifest_text(manifest))


if __name__ == "__main__":
    main()
