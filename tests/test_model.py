"""The float model against the integer decoder, and the parts that make it trainable."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rudcodec import bitstream
from rudcodec.distill.chunks import chunk_of_image, turn_of_image
from rudcodec.distill.encoder_state import EncoderState
from rudcodec.distill.initial_model import initial_model, inverse_synthesis, lmbda_for_step_size, pyramid
from rudcodec.distill.payload_builder import with_latents
from rudcodec.distill.quantize_networks import integer_groups, quantize_networks
from rudcodec.distill.rate_control import RateControl
from rudcodec.distill.transitions import adjust_step_size
from rudcodec.model.architecture import default_architecture
from rudcodec.model.context import laplace_bits
from rudcodec.model.latents import Chunk, Shard, SyntheticModel
from rudcodec.model.quantization import SoftRounding, quantize, soft_round
from rudcodec.model.synthesis import to_grey_levels
from rudcodec.payload import Group, Model, Payload, Recipe, Share, grouped_classes
from rudcodec.runs import RunContext

CLASSES = ("left", "right")


def blobs(count: int, channels: int, height: int, width: int) -> torch.Tensor:
    """Smooth random images in synthesis units."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.randn(count, channels, 4, 4, generator=generator)
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")


def rounded(chunk: Chunk) -> list[torch.Tensor]:
    """A chunk's latents, straight through their rounding."""
    return [quantize(y, None) for y in chunk.levels]


def quantized(
    shape: tuple[int, int, int], share: Share
) -> tuple[SyntheticModel, EncoderState, tuple[Group, ...], Payload]:
    """A model right after its initialisation, its networks made integers."""
    torch.manual_seed(0)
    height, width, channels = shape
    images = blobs(12, channels, height, width)
    groups = torch.arange(12) // 6 if share == "class" else torch.zeros(12, dtype=torch.long)
    architecture = default_architecture(height, width, channels, 50_000)
    bits = 0.7 * 12 * height * width
    model, step_size = initial_model(
        images, groups, architecture, bits, chunk_of_image(torch.zeros_like(groups), 5)
    )
    control = RateControl(2.0, lmbda_for_step_size(step_size, channels))
    encoder = EncoderState(
        model,
        images,
        control,
        RunContext("cpu"),
        step_size=step_size,
        overhead_bits=0.0,
        num_classes=2,
        shared_label_bits=0.0,
    )
    integers = integer_groups(model, quantize_networks(encoder))
    latents = [level.numpy() for level in model.latents()]
    recipe = Recipe(mean=(128,) * channels, std=(64,) * channels)
    payload = with_latents(
        Payload(CLASSES, (Model(architecture, integers, grouped_classes(share, 2)),), (), recipe), latents
    )
    return model, encoder, integers, payload


@pytest.mark.parametrize(("ratio", "is_met"), [(1.1, True), (100.0, False), (0.001, False)])
def test_the_rate_is_what_it_is_where_the_step_size_changes_too_little(ratio: float, is_met: bool) -> None:
    _, encoder, _, _ = quantized((8, 8, 1), "dataset")
    control = encoder.control
    control.rate = encoder.coded_rate()
    control.target = ratio * control.rate
    adjust_step_size(encoder)
    assert control.rate == (control.target if is_met else encoder.coded_rate())
    assert (control.rate == control.target) == is_met


@pytest.mark.parametrize("share", ["dataset", "class"])
def test_chunks_of_turns_have_few_classes(share: Share) -> None:
    """Of ten classes of three images, a call that sees six of them sees two classes."""
    classes = torch.arange(30) // 3
    groups = classes if share == "class" else torch.zeros_like(classes)
    architecture = default_architecture(8, 8, 1, 50_000)
    chunks = chunk_of_image(turn_of_image(classes, torch.zeros_like(classes), 6), 3)
    model, _ = initial_model(blobs(30, 1, 8, 8), groups, architecture, 1e4, chunks)
    indices = [chunk.index for chunk in model.each_chunk()]
    assert [classes[index].unique().tolist() for index in indices] == [
        [first, first + 1] for first in (0, 0, 2, 2, 4, 4, 6, 6, 8, 8)
    ]
    assert torch.cat(indices).sort()[0].tolist() == [*range(30)]


@pytest.mark.parametrize("shape", [(8, 8, 1), (17, 23, 3), (28, 28, 1)])
@pytest.mark.parametrize("share", ["dataset", "class"])
def test_float_model_agrees_with_the_integer_decoder(shape: tuple[int, int, int], share: Share) -> None:
    model, _, _, payload = quantized(shape, share)
    exact = bitstream.synthesize(payload).astype(np.float64)
    coded = sum(part.bits for part in bitstream.code_length(payload) if part.name.startswith("latents"))
    bits = 0.0
    for chunk in model.each_chunk():
        with torch.no_grad():
            decoded = model.decode(chunk, rounded(chunk))
        bits += float(decoded.bits.sum())
        ours = to_grey_levels(decoded.images).permute(0, 2, 3, 1).numpy()
        assert np.abs(ours - exact[chunk.index.numpy()]).max() < 3.0
    assert bits == pytest.approx(coded, rel=0.05)


def test_networks_of_classes_compute_the_same_together_and_one_by_one() -> None:
    model, _, _, _ = quantized((17, 23, 3), "class")
    chunk = max(model.each_chunk(), key=lambda chunk: len(chunk.index))
    assert [rows.stop - rows.start for _, rows in chunk.slices] == [2, 2]

    def found(rows: slice) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        decoded = model.decode(Shard.of(chunk, rows), [y[rows] for y in rounded(chunk)])
        loss = decoded.bits.sum() + decoded.images.square().sum()
        wanted = [*chunk.levels, *model.networks.parameters()]
        gradients = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
        return [decoded.images, decoded.bits], list(gradients)

    outputs, gradients = found(slice(0, 4))
    (first, its), (rest, others) = found(slice(0, 1)), found(slice(1, 4))
    for whole, *parts in zip(outputs, first, rest, strict=True):
        assert torch.allclose(whole, torch.cat(parts), rtol=1e-4, atol=1e-4)
    for whole, *parts in zip(gradients, its, others, strict=True):
        assert torch.allclose(whole, sum(parts, torch.zeros(())), rtol=1e-4, atol=1e-3)


def test_finer_step_changes_neither_images_nor_their_prediction() -> None:
    model, _, _, _ = quantized((16, 16, 3), "dataset")
    chunk = next(model.each_chunk())

    def unrounded() -> torch.Tensor:
        images: torch.Tensor = model.networks[0].synthesis(list(chunk.levels))  # type: ignore[operator]
        return images.detach()

    before = unrounded()
    first = chunk.levels[-1].detach().clone()
    model.refine(1.5)
    assert torch.allclose(chunk.levels[-1], first * 1.5)
    assert torch.allclose(unrounded(), before, atol=1e-5)


@pytest.mark.parametrize("shape", [(32, 32, 3), (17, 23, 3), (8, 8, 1)])
def test_initial_model_starts_near_the_real_images(shape: tuple[int, int, int]) -> None:
    height, width, channels = shape
    images = blobs(6, channels, height, width)
    architecture = default_architecture(height, width, channels, 50_000)
    torch.manual_seed(0)
    one = torch.zeros(6, dtype=torch.long)
    model, _ = initial_model(images, one, architecture, 1e9, chunk_of_image(one, 6))
    (chunk,) = model.each_chunk()
    with torch.no_grad():
        error = (model.decode(chunk, rounded(chunk)).images - images).square().mean()
    assert error < 0.05 * images.square().mean()


def test_networks_are_set_where_they_lie() -> None:
    """Meta tensors refuse company from other devices, as a GPU's do."""
    architecture = default_architecture(16, 16, 3, 50_000)
    one = torch.zeros(2, dtype=torch.long)
    model, _ = initial_model(blobs(2, 3, 16, 16), one, architecture, 1e9, chunk_of_image(one, 2))
    inverse_synthesis(model.of(0).to("meta"), architecture.grids, 1.0, 3)
    assert all(weight.is_meta for weight in model.of(0).synthesis.weights)


def test_pyramid_levels_have_the_components_asked_for() -> None:
    levels = pyramid(blobs(2, 3, 9, 7), (3, 3, 2, 1))
    assert [tuple(level.shape) for level in levels] == [
        (2, 3, 2, 1),
        (2, 3, 3, 2),
        (2, 2, 5, 4),
        (2, 1, 9, 7),
    ]


@given(st.floats(-3, 3), st.floats(-3.5, 3.5))
def test_laplace_code_lengths_are_those_of_a_distribution(location: float, log2_scale: float) -> None:
    y = torch.arange(-400, 401, dtype=torch.float64)
    bits = laplace_bits(y, torch.tensor(location), torch.tensor(log2_scale))
    assert float(torch.exp2(-bits).sum()) == pytest.approx(1.0, abs=1e-3)
    assert float(bits.min()) >= 0


def test_soft_rounding_goes_from_identity_to_rounding() -> None:
    y = torch.linspace(-2, 2, 401)
    assert torch.allclose(soft_round(y, 10.0), y, atol=1e-3)
    inner = ((y - y.floor()) - 0.5).abs() > 0.05
    assert torch.allclose(soft_round(y, 0.01)[inner], y.round()[inner], atol=1e-3)
    assert bool((soft_round(y, 0.2).diff() >= 0).all())


def test_straight_through_rounding_passes_the_gradient() -> None:
    y = torch.tensor([0.3, 1.7, -2.2], requires_grad=True)
    q = quantize(y, None)
    q.sum().backward()
    assert q.tolist() == [0.0, 2.0, -2.0]
    assert y.grad is not None and y.grad.tolist() == [1.0, 1.0, 1.0]


def test_soft_quantization_is_seeded() -> None:
    y = torch.zeros(50)
    mode = SoftRounding.at(0.5)
    first, second = (quantize(y, mode, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert float(first.abs().max()) > 0


def test_rate_control_finds_the_target() -> None:
    control = RateControl(target=1.0, lmbda=1.0)
    rate = 4.0
    for _ in range(2000):
        # A codec that follows lmbda slowly: rate ~ lmbda ** .5 in the end.
        rate += 0.02 * (0.3 * math.sqrt(control.lmbda) - rate)
        control.observe(rate, 0.5, update_lmbda=True)
    assert rate == pytest.approx(1.0, rel=0.05)
