"""The label network in torch: what trains, and the float form of the integer one in a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rudcodec.bitstream import constants, limits
from rudcodec.bitstream.labels import shapes
from rudcodec.model.context import LOG2_SCALE_RANGE, laplace_bits
from rudcodec.model.quantization import straight_through, to_integers
from rudcodec.nets.layers import halved, instance_norm
from rudcodec.payload import ImageShape, LabelLayer, LabelNetwork, Pool, QLayer, QTensor, ViewRecipe

BIAS_EXPONENT = limits.LABEL_BIAS
LINEAR_EXPONENT = 4
BIAS_BITS = 6.0  # about what one costs
INITIAL_WEIGHT_SCALE = 2.0
# The integer network's 8 bits of activation end here.
MAX_ACTIVATION = constants.LABEL_CEILING / 2**constants.LABEL_BITS
MIN_ACTIVATION = constants.LABEL_FLOOR / 2**constants.LABEL_BITS
INPUT_SCALE = 32  # grey levels
EPS = 1e-3  # far below any variance but that of a flat image


def _to_sixteenths(y: Tensor) -> Tensor:
    """Round to sixteenths; halves go up, as in the file's network."""
    unit = 2**constants.LABEL_BITS
    return (y * unit + 0.5).floor() / unit


def to_network_input(views: Tensor) -> Tensor:
    """Views, uint8 (n, H, W, C), as the networks take them: float32 (n, C, H, W)."""
    return ((views.permute(0, 3, 1, 2).float() - constants.MID_GREY) / INPUT_SCALE).contiguous()


def _unrounded(y: Tensor) -> Tensor:
    return y


class _Parameters(NamedTuple):
    """Of a layer; ``scale`` is None where there is none."""

    weight: Tensor
    bias: Tensor
    scale: Tensor | None = None


def _forward(
    layers: Sequence[LabelLayer],
    x: Tensor,
    parameters: Sequence[_Parameters],
    rounded: Callable[[Tensor], Tensor] = _unrounded,
) -> Tensor:
    """``parameters``: of the convolutions, then of the linear layer."""
    for layer, own in zip(layers, parameters[:-1], strict=True):
        groups = x.shape[1] if layer.kernel == "depthwise" else 1
        y = F.conv2d(x, own.weight, padding=own.weight.shape[2] // 2, groups=groups)
        y = _normalised(y, own)
        lowest = MIN_ACTIVATION if layer.linear else 0.0
        y = rounded(y.clamp(lowest, MAX_ACTIVATION))
        if layer.residual:
            y = y + x
        y = y.clamp(lowest, MAX_ACTIVATION)
        x = _pooled(y, layer.pool, rounded)
    return F.linear(x.flatten(1), parameters[-1].weight, parameters[-1].bias).float()


def _normalised(y: Tensor, parameters: _Parameters) -> Tensor:
    """Norm and bias."""
    bias = parameters.bias
    if parameters.scale is not None:
        return y * parameters.scale.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)
    if y.shape[2] * y.shape[3] > 1:
        return instance_norm(y, EPS, None, bias)
    return y * 0 + bias.view(1, -1, 1, 1)  # a single pixel is its own mean


def _pooled(y: Tensor, pool: Pool | None, rounded: Callable[[Tensor], Tensor]) -> Tensor:
    if pool == "mean":
        return rounded(halved(y))
    if pool == "max":
        return F.max_pool2d(y, 2)
    if pool == "global":
        return rounded(y.mean((2, 3), keepdim=True))
    return y


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
            for weight, bias, _ in shapes(layers, image_shape, num_classes)
        )
        self.weights = nn.ParameterList(weight for weight, _ in convolutions)
        self.biases = nn.ParameterList(bias for _, bias in convolutions)
        self.linear, self.linear_bias = map(nn.Parameter, linear)
        self.log2_scales = nn.Parameter(torch.zeros(len(convolutions) + 1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32 (n, classes), of :func:`to_network_input` views."""
        weights = [straight_through(weight) for weight in self.weights]
        parameters = [_Parameters(weight, bias) for weight, bias in zip(weights, self.biases, strict=True)]
        linear = straight_through(self.linear) * 2.0**-LINEAR_EXPONENT
        return _forward(self.layers, x, [*parameters, _Parameters(linear, self.linear_bias)])

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
        """The network as it goes into a file; where views are mirrored, it labels both ways."""
        parameters = [
            QLayer(to_integers(_clamped_rows(weight.detach()), 0), to_integers(bias, BIAS_EXPONENT))
            for weight, bias in zip(self.weights, self.biases, strict=True)
        ]
        linear = QTensor(to_integers(self.linear, 0).values, LINEAR_EXPONENT)
        last = QLayer(linear, to_integers(self.linear_bias, 8))
        return LabelNetwork(self.layers, (*parameters, last), temperature, views, mirror=views.flip)


class FloatLabelNetwork(nn.Module):
    """The float network of a file's label network, for any device.

    It differs by the number format of its sums, after which activations are rounded to sixteenths. Logits
    agree to a tenth on average, and probabilities to a few hundredths, in float32 better than in bfloat16.
    """

    def __init__(self, network: LabelNetwork) -> None:
        super().__init__()
        self.layers = network.layers
        self.mirror = network.mirror
        self.temperature = network.softmax_temperature
        for i, layer in enumerate(network.parameters):
            self.register_buffer(f"weight{i}", _to_float(layer.weight))
            self.register_buffer(f"bias{i}", _to_float(layer.bias))
            scale = None if layer.scale is None else _to_float(layer.scale)
            if i == 0 and scale is not None:
                # the file's first layer takes grey levels for sixteenths
                scale = scale * (INPUT_SCALE / 2**constants.LABEL_BITS)
            self.register_buffer(f"scale{i}", scale)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32 (n, classes), of :func:`to_network_input` views."""
        parameters = [
            _Parameters(getattr(self, f"weight{i}"), getattr(self, f"bias{i}"), getattr(self, f"scale{i}"))
            for i in range(len(self.layers) + 1)
        ]
        logits = _forward(self.layers, x, parameters, _to_sixteenths)
        if not self.mirror:
            return logits
        return (logits + _forward(self.layers, x.flip(3), parameters, _to_sixteenths)) / 2


def _clamped_rows(weight: Tensor) -> Tensor:
    """Rows whose magnitudes sum to more than the format allows, made smaller: the norm undoes it."""
    total = weight.round().abs().sum((1, 2, 3), keepdim=True)
    return torch.where(total > limits.LABEL_ROW, weight * (0.9 * limits.LABEL_ROW / total), weight)


def _to_float(tensor: QTensor) -> Tensor:
    return torch.from_numpy(tensor.values.astype(np.float32)) * 2.0**-tensor.exponent
