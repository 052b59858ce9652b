"""Writes the golden files that are missing from tests/golden. It never changes a file that is there.

``golden/manifest.json`` has, for each file, its head and the SHA-256 of its decoded pixels, or the error it
must give.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from golden_errors import (
    beyond_networks,
    broken_files,
    broken_heads,
    broken_models,
    broken_segments,
    broken_streams,
    three_classes,
)
from golden_labels import broken, networks, some_views
from golden_limits import limits
from golden_payloads import Victim, example_payload, join, layer, random_payload, small_payload
from golden_soft import broken_soft, softly_labelled

from rudcodec import FormatError, bitstream
from rudcodec.bitstream.container import METADATA, RECIPE
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
        weight_decay=0.123456,
        momentum=0.001,
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


def ancillary() -> dict[str, bytes]:
    """Files with sections that a decoder may skip, in places and with contents of all kinds."""
    payload = replace(small_payload(), metadata={"name": "two classes", "licence": "CC0 1.0", "œ": ""})
    victim = Victim(bitstream.encode(payload))
    head, recipe, metadata, model, first, second = victim.sections
    unknown = (200, b"not known"), (255, b"")
    longer = (RECIPE, recipe[1] + b"more to come")
    return {
        "metadata": join(victim.sections),
        "metadata-control": victim.edited(METADATA, 2, 1, 7),
        "metadata-twice": victim.with_body(METADATA, b"\1a\1b\1a\1c"),
        "metadata-cut": victim.with_body(METADATA, metadata[1][:-1] + b"\5"),
        "metadata-too-long": victim.with_body(
            METADATA, b"".join(b"\1%c\xf0\x1f" % k + b"v" * 4080 for k in range(65, 82))
        ),
        "unknown-sections": join([head, *unknown, recipe, model, unknown[0], first, unknown[1], second]),
        "unknown-1024": join([head, *[(200, b"")] * 1024, model, first, second]),
        "unknown-at-the-end": join([head, model, first, second, recipe, *unknown]),
        "no-recipe": victim.without(RECIPE),
        "recipe-longer": join([head, longer, model, first, second]),
        "recipe-cut": victim.with_body(RECIPE, recipe[1][:-1]),
        "recipe-optimizer-3": victim.edited(RECIPE, 7, 1, 3),
        "recipe-std-0": victim.edited(RECIPE, 3, 1, 0),
        "recipe-augment-64": victim.edited(RECIPE, 6, 1, 64),
        # the first that is understood counts
        "recipe-twice": join([head, (RECIPE, b"\0"), longer, (RECIPE, recipe[1]), model, first, second]),
    }


def merged() -> dict[str, bytes]:
    """Files made of others."""
    architecture = Architecture(3, 2, 1, (2, 1), (3,), (layer(2), layer(1, relu=False)))
    shapes = [((2, 1, 1),), ((1, 2),), ((1, 1), (0, 2))]
    names = [("cat", "dog", "fox"), ("fox", "dog"), ("owl", "cat")]
    files = [
        bitstream.encode(random_payload(architecture, counts, seed=70 + i, classes=classes, share=share))
        for i, (counts, classes, share) in enumerate(
            zip(shapes, names, ("dataset", "class", "class"), strict=True)
        )
    ]
    few = (0,) * 40 + (2,) + (0,) * 60
    return {
        "merged": bitstream.merge(files),
        "merged-with-itself": bitstream.merge([files[1], files[1]]),
        "order": bitstream.encode(three_classes()),
        "runs": bitstream.encode(random_payload(architecture, [few, (1,) * 101], seed=74)),
        "model-unused": _with_unused_model(),
    }


def _with_unused_model() -> bytes:
    """Two models, all segments use the second one."""
    payload = small_payload()
    segments = tuple(replace(segment, model=1) for segment in payload.segments)
    return bitstream.encode(
        replace(payload, models=(small_payload(9).models[0], *payload.models), segments=segments)
    )


def summary(data: bytes) -> dict[str, Any]:
    """What the fields of a file say, as in the manifest."""
    outline = bitstream.parse(data)
    payload = bitstream.decode(data)
    views = payload.network.views if payload.network else None
    return {
        "shape": outline.image_shape,
        "classes": outline.classes,
        "models": [
            {
                "classes": fields.classes,
                "ymax": fields.ymax,
                "grids": fields.architecture.grids,
                "context": fields.architecture.context_hidden,
                "synthesis": [asdict(one) for one in fields.architecture.synthesis],
            }
            for fields in outline.model_fields
        ],
        "segments": [
            {"model": one.fields.model, "counts": one.fields.counts, "order": one.fields.order}
            for one in outline.segments.values()
        ],
        "labels": outline.label_mode,
        "recipe": outline.recipe and asdict(outline.recipe),
        "views": views and asdict(views),
        "metadata": outline.metadata,
    }


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
    for part in ("errors", "logits", "outlines", "pixels", "probabilities", "views"):
        manifest.setdefault(part, {})
    payloads = good() | limits() | networks() | softly_labelled()
    files = {name: bitstream.encode(payload) for name, payload in payloads.items()}
    files |= ancillary() | merged()
    files |= broken_files() | broken_heads() | broken_models() | broken_streams() | broken_segments()
    files |= beyond_networks() | broken() | broken_soft()
    files["truncated"] = bitstream.truncate(bitstream.encode(largest_last()), ipc=2).data
    for name, encoded in files.items():
        target = FOLDER / f"{name}.rud"
        if not target.exists():
            target.write_bytes(encoded)
        add(manifest, name, target.read_bytes())
    path.write_text(manifest_text(manifest))


def add(manifest: dict[str, Any], name: str, data: bytes) -> None:
    """Add what the manifest lacks of a file."""
    try:
        payload, images = bitstream.decode_images(data)
    except FormatError as error:
        manifest["errors"].setdefault(name, str(error))
        return
    manifest["outlines"].setdefault(name, summary(data))
    manifest["pixels"].setdefault(name, sha256(images.tobytes()).hexdigest())
    if (probs := bitstream.soft_labels(payload)) is not None:
        found = [[round(p, 9) for p in row] for row in probs.tolist()]
        manifest["probabilities"].setdefault(name, found if len(found[0]) < 100 else found[:1])
    if payload.network is not None:
        views = some_views(payload, images)
        manifest["views"].setdefault(name, sha256(views.tobytes()).hexdigest())
        manifest["logits"].setdefault(name, bitstream.logits(payload.network, views).tolist())


if __name__ == "__main__":
    main()
