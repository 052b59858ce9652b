"""The same pixels whatever arithmetic, batches and threads: against plain int64 arithmetic written here."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from golden_payloads import layer, random_payload

from rudcodec import bitstream
from rudcodec.bitstream import coder, constants, intnet, latents, limits, networks, synthesis
from rudcodec.payload import Architecture, Group, Payload, QLayer, QTensor


def ordinary(images: int = 20) -> Payload:
    """Sums below 2**24: single precision."""
    grids = (3, 3, 2, 1)
    layers = (layer(12), layer(3, 3, False), layer(3, 3, True, True), layer(3, relu=False))
    architecture = Architecture(17, 14, 3, grids, (8, 6), layers)
    return random_payload(architecture, [(images,) * 2, (3, 4)], seed=1, weights=12, exponent=6)


def extreme() -> Payload:
    """Sums far beyond 2**24: double precision in synthesis, clamps and escapes."""
    architecture = Architecture(
        9, 11, 1, (3, 2, 2), (16,), (layer(40, 3), layer(40, 3, True, True), layer(1, 3, False))
    )
    return random_payload(
        architecture, [(4, 3), (2, 5)], seed=2, share="class", weights=200, latents=300, exponent=15
    )


def uneven() -> Payload:
    """Groups with images enough for several blocks of columns, and groups without any."""
    architecture = Architecture(5, 6, 1, (2, 1), (4,), (layer(3, 3), layer(1, relu=False)))
    counts = [(1, 0, 3, 0, 30, 2, 9), (0, 0, 2, 0, 25, 0, 9), (0, 0, 0, 0, 0, 1, 0)]
    return random_payload(architecture, counts, seed=5, share="class", weights=12, exponent=6)


PAYLOADS = {"ordinary": ordinary, "extreme": extreme, "uneven": uneven}


@pytest.fixture(params=sorted(PAYLOADS))
def payload(request: pytest.FixtureRequest) -> Payload:
    return PAYLOADS[request.param]()


def run_layer(x: np.ndarray, layer: QLayer, bias: np.ndarray, fraction: int, result: int) -> np.ndarray:
    """``x``: int64 (in, n), or (in, h, w) for a convolution."""
    total = fraction + layer.weight.exponent
    weight = layer.weight.values.astype(np.int64)
    acc = bias.astype(np.int64) << (total - layer.bias.exponent)
    acc = acc.reshape(-1, *[1] * (x.ndim - 1))
    if weight.ndim == 2:
        acc = acc + weight @ x
    else:
        reach = weight.shape[2] // 2
        padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach)))
        for j in range(2 * reach + 1):
            for i in range(2 * reach + 1):
                window = padded[:, j : j + x.shape[1], i : i + x.shape[2]]
                acc = acc + np.einsum("oc,chw->ohw", weight[:, :, j, i], window)
    shift = total - result
    assert np.abs(acc).max() < 1 << 43  # as the specification promises
    return (acc + (1 << (shift - 1))) >> shift if shift > 0 else acc << -shift


def around(size: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """Coarse index and its neighbour on the side of each position's parity."""
    at = np.arange(size)
    return at >> 1, np.clip((at >> 1) + np.where(at & 1, 1, -1), 0, high - 1)


def pixels_of(payload: Payload, group: Group, grids: list[np.ndarray]) -> np.ndarray:
    """One image's pixels in int64, grids (h, w)."""
    a = payload.models[0].architecture
    planes = np.zeros((0, 1, 1), np.int64)
    taken = 0
    for (h, w), count in zip(limits.level_sizes(a), a.grids, strict=True):
        if taken:
            (y, v), (x, u) = around(h, planes.shape[1]), around(w, planes.shape[2])
            near = 9 * planes[:, y][:, :, x] + 3 * planes[:, v][:, :, x] + 3 * planes[:, y][:, :, u]
            planes = (near + planes[:, v][:, :, u] + 8) >> 4
        mine = np.stack([grid.astype(np.int64) << 6 for grid in grids[taken : taken + count]])
        planes = np.concatenate([planes, mine]) if taken else mine
        taken += count
    for i, (shape, net) in enumerate(zip(a.synthesis, group.synthesis, strict=True)):
        values = run_layer(planes, net, net.bias.values, 7 if i else 6, 7)
        values = values + planes if shape.residual else values
        planes = np.clip(values, 0 if shape.relu else -4096, 4095)
    pixels: np.ndarray = np.clip(128 + ((planes + 1) >> 1), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return pixels


def groups_of(payload: Payload) -> list[Group]:
    """Of each image."""
    (model,) = payload.models
    labels = bitstream.hard_labels(payload)
    return [model.groups[0 if model.classes is None else model.classes.index(k)] for k in labels]


def images_of(payload: Payload) -> list[list[np.ndarray]]:
    """Grids of each image."""
    return [
        [grid[i] for grid in segment.latents]
        for segment in payload.segments
        for i in range(sum(segment.counts))
    ]


def test_synthesis_in_int64(payload: Payload) -> None:
    expected = [
        pixels_of(payload, group, grids)
        for group, grids in zip(groups_of(payload), images_of(payload), strict=True)
    ]
    images = bitstream.synthesize(payload)
    np.testing.assert_array_equal(images, np.stack(expected))
    assert len(np.unique(images)) > 20


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (2, 2), (1, 150), (150, 1), (300, 30), (7, 200)])
@pytest.mark.parametrize("channels", [1, 3])
def test_synthesis_of_any_size(size: tuple[int, int], channels: int) -> None:
    """Also where most taps of a 3x3 convolution lie outside, or a picture is worked on in blocks of lines."""
    layers = (layer(9, 3), layer(9, 3, True, True), layer(2, 3, False), layer(channels, 3, False))
    architecture = Architecture(*size, channels, (2, 1), (), layers)
    payload = random_payload(architecture, [(1, 2), (2, 0)], seed=3, share="class", weights=12, exponent=6)
    expected = [
        pixels_of(payload, group, grids)
        for group, grids in zip(groups_of(payload), images_of(payload), strict=True)
    ]
    np.testing.assert_array_equal(bitstream.synthesize(payload), np.stack(expected))


def context_of(payload: Payload, grids: list[np.ndarray], index: int) -> np.ndarray:
    """Inputs int64 (21, h * w) of all positions of a grid, from the finished latents of one image."""
    a = payload.models[0].architecture
    places = [(level, component) for level, n in enumerate(a.grids) for component in range(n)]
    level, component = places[index]
    h, w = grids[index].shape

    def look(place: tuple[int, int], y: np.ndarray, x: np.ndarray) -> np.ndarray:
        if place not in places or min(place) < 0:
            return np.zeros((h, w), np.int64)
        grid = np.clip(grids[places.index(place)], -127, 127).astype(np.int64)
        inside = (0 <= y) & (y < grid.shape[0]) & (0 <= x) & (x < grid.shape[1])
        return np.where(inside, grid[np.clip(y, 0, grid.shape[0] - 1), np.clip(x, 0, grid.shape[1] - 1)], 0)

    y, x = np.mgrid[:h, :w]
    cy, cx, dy, dx = y >> 1, x >> 1, np.where(y & 1, 1, -1), np.where(x & 1, 1, -1)
    here, coarse, before = (level, component), (level - 1, component), (level, component - 1)
    rows = [look(here, y, x - 1), look(here, y, x - 2)]
    rows += [look(here, y + b, x + c) for b in (-1, -2) for c in (-2, -1, 0, 1, 2)]
    rows += [look(coarse, v, u) for v, u in ((cy, cx), (cy, cx + dx), (cy + dy, cx), (cy + dy, cx + dx))]
    rows += [look(before, y + b, x + c) for b, c in ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0))]
    return np.stack(rows).reshape(21, -1)


def test_predictions_in_int64(payload: Payload) -> None:
    """The code length of all latents, from contexts and networks evaluated in int64."""
    meter = coder.Meter()
    for group, grids in zip(groups_of(payload), images_of(payload), strict=True):
        for index, grid in enumerate(grids):
            x = context_of(payload, grids, index)
            for i, net in enumerate(group.context):
                last = i == len(group.context) - 1
                bias = net.bias.values if i else net.bias.values[index]
                x = run_layer(x, net, bias, 7 if i else 0, 3 if last else 7)
                x = x if last else np.clip(x, 0, 4095)
            mu, scale = np.clip(x[0], -32768, 32767), np.clip(x[1] + 32, 0, 63)
            location = (mu + 4) >> 3
            rows = (mu - 8 * location + 4) * constants.SCALES + scale
            meter.code(rows, grid.ravel() - location)
    parts = bitstream.code_length(payload)
    assert meter.bits == pytest.approx(sum(part.bits for part in parts if "latents" in part.name), rel=1e-9)


def test_double_precision_gives_what_single_does(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = ordinary()
    assert networks.networks_of(payload).models[0].context((0,))[0].dtype == np.float32
    data, images = bitstream.encode(payload), bitstream.synthesize(payload)
    for module in (intnet, synthesis):
        monkeypatch.setattr(module, "carrier", lambda bound: np.float64)
    assert networks.networks_of(payload).models[0].context((0,))[0].dtype == np.float64
    assert bitstream.encode(payload) == data
    np.testing.assert_array_equal(bitstream.decode_images(data)[1], images)


@pytest.mark.parametrize("chunk", [1, 7, 100, 10**6])
def test_batches_of_any_size(payload: Payload, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data, images = bitstream.encode(payload), bitstream.synthesize(payload)
    for module, name in (
        (latents, "_CHUNK"),
        (synthesis, "_CHUNK"),
        (synthesis, "_BATCH"),
        (coder, "_CHUNK"),
    ):
        monkeypatch.setattr(module, name, chunk)
    assert bitstream.encode(payload) == data
    np.testing.assert_array_equal(bitstream.decode_images(data)[1], images)


@pytest.mark.parametrize("small", [1, 5_000, 20_000, 1 << 40])
def test_products_in_blocks_of_any_size(
    payload: Payload, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, images = bitstream.encode(payload), bitstream.synthesize(payload)
    monkeypatch.setattr(intnet, "_SMALL", small)
    assert bitstream.encode(payload) == data
    np.testing.assert_array_equal(bitstream.decode_images(data)[1], images)


def largest() -> Payload:
    """The first synthesis layer sums up as much as the format's limits allow."""
    grids = (8,) * 12
    architecture = Architecture(3, 3, 1, grids, (), (layer(1, 3, False),))
    payload = random_payload(architecture, [(1,)], seed=1, exponent=15)
    (segment,), (model,) = payload.segments, payload.models
    (group,) = model.groups
    latents = tuple(np.full_like(grid, 32767 * (-1) ** i) for i, grid in enumerate(segment.latents))
    signs = np.resize([1, -1], sum(grids)).reshape(1, -1, 1, 1)
    first = group.synthesis[0]
    weight = QTensor((2047 * signs * np.ones(first.weight.values.shape)).astype(np.int32), 15)
    bias = QTensor(np.array([2047], dtype=np.int32), 0)
    return replace(
        payload,
        segments=(replace(segment, latents=latents),),
        models=(replace(model, groups=(Group(group.context, (QLayer(weight, bias),)),)),),
    )


def test_the_largest_sums_are_exact() -> None:
    payload = largest()
    images = bitstream.decode_images(bitstream.encode(payload))[1]
    np.testing.assert_array_equal(
        images[0], pixels_of(payload, payload.models[0].groups[0], images_of(payload)[0])
    )


def test_the_accumulators_bound_is_asserted_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = largest()
    data = bitstream.encode(payload)
    monkeypatch.setattr(limits, "ACCUMULATOR", 1 << 41)
    with pytest.raises(AssertionError):
        bitstream.encode(payload)
    with pytest.raises(AssertionError):
        bitstream.decode_images(data)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_any_number_of_threads(tmp_path: Path, threads: str) -> None:
    """Enough images for BLAS to share products out, if it were let."""
    payload = ordinary(images=300)
    path = tmp_path / "set.rud"
    bitstream.write(payload, path)
    program = (
        "import sys, rudcodec; from hashlib import sha256;"
        "print(sha256(rudcodec.load(sys.argv[1]).images.tobytes()).hexdigest())"
    )
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    result = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | dict.fromkeys(names, threads),
    )
    assert result.stderr == ""
    assert result.stdout.strip() == sha256(bitstream.synthesize(payload).tobytes()).hexdigest()
