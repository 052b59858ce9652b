"""Networks become integers: few bits a weight, little harm."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rudcodec import bitstream
from rudcodec.bitstream.weights import tensor_bits
from rudcodec.data import LabelledImages
from rudcodec.distill import Settings, attempt, distill
from rudcodec.distill.encoder_state import EncoderState
from rudcodec.distill.quantize_networks import Exponents, integer_groups, quantize_networks
from rudcodec.model import architecture
from rudcodec.payload import Group, Payload, QTensor


def stripes() -> LabelledImages:
    """Two classes of 16 x 16 waves with noise, ten images each."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:16, :16]
    phase = rng.uniform(0, 6, (10, 1, 1))
    waves = np.concatenate([np.sin(x / 2 + phase), np.sin(y / 2 + phase)])
    images = np.clip(128 + 90 * waves + rng.normal(0, 6, waves.shape), 0, 255).astype(np.uint8)
    return LabelledImages(images[..., None], np.repeat(np.arange(2), 10), ("across", "down"), "stripes")


class Observed:
    """What the last post-quantization of an encode did."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, share: str) -> None:
        monkeypatch.setattr(attempt, "quantize_networks", self.quantize)
        # networks with hidden layers, also for a set of this size
        monkeypatch.setattr(architecture, "NETWORKS", architecture.NETWORKS[1:])
        settings = Settings(bpc=9000, ipc=10, share=share, warmup=40, joint=0, tune=2)
        self.payload: Payload = distill(stripes(), settings)

    def quantize(self, encoder: EncoderState, fineness: float = 1.0) -> Exponents:
        self.encoder = encoder
        self.before = self.loss()
        exponents = quantize_networks(encoder, fineness)
        self.groups = integer_groups(encoder.model, exponents)
        self.after = self.loss()
        return exponents

    def loss(self) -> float:
        """Bits and weighted squared error a pixel, of rounded latents."""
        model, bits, error = self.encoder.model, 0.0, 0.0
        with torch.no_grad():
            for chunk in self.encoder.chunks:
                levels = [y.round() for y in chunk.levels]
                bits += float(model.bits(chunk, levels).sum())
                difference = model.images(chunk, levels) - self.encoder.targets[chunk.index]
                error += float(difference.square().sum())
        return (bits + self.encoder.control.lmbda * error) / self.encoder.num_pixels


def tensors(groups: tuple[Group, ...]) -> list[QTensor]:
    layers = [layer for group in groups for layer in (*group.context, *group.synthesis)]
    return [tensor for layer in layers for tensor in (layer.weight, layer.bias)]


@pytest.mark.slow
@pytest.mark.parametrize("share", ["dataset", "class"])
def test_weights_take_few_bits_and_do_little_harm(share: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Observed(monkeypatch, share)
    found = tensors(seen.groups)
    bits = sum(tensor_bits(tensor.values) for tensor in found)
    count = sum(tensor.values.size for tensor in found)
    # better than if six bits a weight did no harm; how the two share follows the weight of distortion
    harm = (seen.after - seen.before) * seen.encoder.num_pixels
    assert bits + max(harm, 0.0) < 6 * count, (bits / count, harm / count)
    # what the file says of its weights is what was reckoned here
    parts = [part for part in bitstream.code_length(seen.payload) if part.name.startswith("weights")]
    assert sum(part.symbols for part in parts) == count
    assert sum(part.bits for part in parts) == pytest.approx(bits, rel=1e-6)


@pytest.mark.slow
def test_the_model_computes_with_the_integers_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Observed(monkeypatch, "dataset")
    networks = seen.encoder.model.of(0)
    (group,) = seen.payload.models[0].groups
    for network, layers in ((networks.context, group.context), (networks.synthesis, group.synthesis)):
        for weight, bias, layer in zip(network.weights, network.biases, layers, strict=True):
            for parameter, tensor in ((weight, layer.weight), (bias, layer.bias)):
                expected = tensor.values * 2.0**-tensor.exponent
                np.testing.assert_array_equal(parameter.detach().numpy(), expected.astype(np.float32))
