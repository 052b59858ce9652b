"""The label network in torch: what trains, and the float form of the integer one in a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rudcodec.bitstream import constants, limits
from rudcodec.bitstream.labels import shapes
from rudcodec.model.context import LOG2_SCALE_RANGE, laplace_bits
from rudcodec.model.quantization import straight_through, to_integers
from rudcodec.nets.layers import halved, instance_norm
from rudcodec.payload import ImageShape, LabelLayer, LabelNetwork, QLayer, QTensor, ViewRecipe

BIAS_EXPONENT = limits.LABEL_BIAS
LINEAR_EXPONENT = 4
BIAS_BITS = 6.0  # about what one costs
INITIAL_WEIGHT_SCALE = 2.0
# The integer network's 8 bits of activation end here.
MAX_ACTIVATION = constants.LABEL_CEILING / 2**constants.LABEL_BITS
EPS = 1e-3  # far below any variance but that of a flat image


def _to_sixteenths(y: Tensor) -> Tensor:
    """Round to sixteenths; halves go up, as in the file's network."""
    unit = 2**constants.LABEL_BITS
    return (y * unit + 0.5).floor() / unit


def to_network_input(views: Tensor) -> Tensor:
    """Views, uint8 (n, H, W, C), as the networks take them: float32 (n, C, H, W)."""
    return ((views.permute(0, 3, 1, 2).float() - constants.MID_GREY) / 32).contiguous()


def _unrounded(y: Tensor) -> Tensor:
    return y


def _forward(
    layers: Sequence[LabelLayer],
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    rounded: Callable[[Tensor], Tensor] = _unrounded,
) -> Tensor:
    """``weights`` and ``biases``: of the convolutions, then of the linear layer."""
    for layer, weight, bias in zip(layers, weights[:-1], biases[:-1], strict=True):
        y = F.conv2d(x, weight, padding=1)
        # a single pixel is its own mean
        y = (
            instance_norm(y, EPS, None, bias)
            if y.shape[2] * y.shape[3] > 1
            else y * 0 + bias.view(1, -1, 1, 1)
        )
        y = rounded(F.relu(y))
        if layer.residual:
            y = y + x
        y = y.clamp(max=MAX_ACTIVATION)
        x = rounded(halved(y)) if layer.pool else y
    return F.linear(x.flatten(1), weights[-1], biases[-1]).float()


class TrainableLabelNetwork(nn.Module):
    """A label network in training: weights in units of their quantization step, rounded straight through.

    The norm hides the size of convolutions' weights, so that any step is as good as another; only the rate
    keeps them from growing.

    Args:
        layers: of the network.
        image_shape: of what goes in.
        num_classes: of what comes out.
        generator: draws the first weights.
    """

    def __init__(
        self,
        layers: Sequence[LabelLayer],
        image_shape: ImageShape,
        num_classes: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.layers = tuple(layers)
        *convolutions, linear = (
            (torch.randn(weight, generator=generator) * INITIAL_WEIGHT_SCALE, torch.zeros(bias))
            for weight, bias in shapes(layers, image_shape, num_classes)
        )
        self.weights = nn.ParameterList(weight for weight, _ in convolutions)
        self.biases = nn.ParameterList(bias for _, bias in convolutions)
        self.linear, self.linear_bias = map(nn.Parameter, linear)
        self.log2_scales = nn.Parameter(torch.zeros(len(convolutions) + 1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32 (n, classes), of :func:`to_network_input` views."""
        weights = [straight_through(weight) for weight in self.weights]
        linear = straight_through(self.linear) * 2.0**-LINEAR_EXPONENT
        weights, biases = [*weights, linear], [*list(self.biases), self.linear_bias]
        return _forward(self.layers, x, weights, biases)

    def bits(self) -> Tensor:
        """Code length of the parameters, differentiable in weights and in the scales of their tables."""
        total = torch.zeros((), device=self.linear.device)
        scales = self.log2_scales.clamp(*LOG2_SCALE_RANGE).unbind()
        # lists, since torch 2.11's compiler can't unpack a ParameterList
        weights, biases = [*list(self.weights), self.linear], [*list(self.biases), self.linear_bias]
        for weight, scale in zip(weights, scales, strict=True):
            rounded = straight_through(weight)
            spread = scale.expand_as(rounded)
            total = total + laplace_bits(rounded, torch.zeros_like(rounded), spread).sum()
        return total + BIAS_BITS * sum(bias.numel() for bias in biases)

    def quantized(self, temperature: int, views: ViewRecipe) -> LabelNetwork:
        """The network as it goes into a file."""
        parameters = [
            QLayer(to_integers(_clamped_rows(weight.detach()), 0), to_integers(bias, BIAS_EXPONENT))
            for weight, bias in zip(self.weights, self.biases, strict=True)
        ]
        linear = QTensor(to_integers(self.linear, 0).values, LINEAR_EXPONENT)
        last = QLayer(linear, to_integers(self.linear_bias, 8))
        return LabelNetwork(self.layers, (*parameters, last), temperature, views)


class FloatLabelNetwork(nn.Module):
    """The float network of a file's label network, for any device.

    It differs by the number format of its sums, after which activations are rounded to sixteenths: logits
    agree to a few hundredths on average, probabilities to a hundredth (a test holds it).
    """

    def __init__(self, network: LabelNetwork) -> None:
        super().__init__()
        self.layers = network.layers
        self.temperature = network.temperature / 16
        for i, layer in enumerate(network.parameters):
            self.register_buffer(f"weight{i}", _to_float(layer.weight))
            self.register_buffer(f"bias{i}", _to_float(layer.bias))

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32 (n, classes), of :func:`to_network_input` views."""
        count = len(self.layers)
        weights = [getattr(self, f"weight{i}") for i in range(count + 1)]
        biases = [getattr(self, f"bias{i}") for i in range(count + 1)]
        return _forward(self.layers, x, weights, biases, _to_sixteenths)


def _clamped_rows(weight: Tensor) -> Tensor:
    """Rows whose magnitudes sum to more than the format allows, made smaller: the norm undoes it."""
    total = weight.round().abs().sum((1, 2, 3), keepdim=True)
    return torch.where(total > limits.LABEL_ROW, weight * (0.9 * limits.LABEL_ROW / total), weight)


def _to_float(tensor: QTensor) -> Tensor:
    return torch.from_numpy(tensor.values.astype(np.float32)) * 2.0**-tensor.exponent


def num_parameters(layers: Sequence[LabelLayer], image_shape: ImageShape, num_classes: int) -> int:
    """Weights and biases of a label network."""
    tensors = (shape for pair in shapes(layers, image_shape, num_classes) for shape in pair)
    return sum(math.prod(shape) for shape in tensors)
