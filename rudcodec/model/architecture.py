"""Which networks and grids a set of a given shape gets, by default."""

from __future__ import annotations

import math

from rudcodec.payload import Architecture, SynthesisLayer

# Up to a budget in bits: widths of the context network's hidden layers; channels and kernels of the synthesis
# layers before the last, which is 3x3. Without any, both networks are linear: some 90 parameters for grey.
# Larger ones take more of a small file than they bring (experiments/2026-11-image-coder.md).
NETWORKS: tuple[tuple[float, tuple[int, ...], tuple[tuple[int, int], ...]], ...] = (
    (25_000, (), ()),
    (60_000, (8,), ((8, 1), (8, 3))),
    (400_000, (16, 16), ((16, 1), (8, 3))),
    (math.inf, (24, 24), ((32, 1), (16, 3))),
)


def default_architecture(height: int, width: int, channels: int, budget_bits: float) -> Architecture:
    """Grids down to 1x1 (at most 8), colour at half resolution, networks of about a tenth of the budget.

    ``budget_bits`` is the size of the file per group of networks.
    """
    return default_architectures(height, width, channels, budget_bits)[0]


def default_architectures(height: int, width: int, channels: int, budget_bits: float) -> list[Architecture]:
    """The same, then those with smaller networks: large to small."""
    levels = 1
    while max(height, width) > 2 ** (levels - 1) and levels < 8:
        levels += 1
    grids = (*[channels] * (levels - 1), 1) if levels > 1 else (channels,)
    largest = next((i for i, (limit, *_) in enumerate(NETWORKS) if budget_bits < limit), len(NETWORKS) - 1)
    architectures = []
    for _, hidden, layers in NETWORKS[largest::-1]:
        synthesis = (
            *(SynthesisLayer(out_channels=w, kernel=k, relu=True, residual=False) for w, k in layers),
            SynthesisLayer(out_channels=channels, kernel=3, relu=False, residual=False),
        )
        architectures.append(Architecture(height, width, channels, grids, hidden, synthesis))
    return architectures
