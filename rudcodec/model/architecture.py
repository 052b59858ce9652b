"""Which networks and grids a set of a given shape gets, by default."""

from __future__ import annotations

from rudcodec.payload import Architecture, SynthesisLayer

CHROMA = 3


def default_architecture(height: int, width: int, channels: int, budget_bits: float) -> Architecture:
    """Grids down to 1x1 (at most 8), colour at half resolution, networks of about a tenth of the budget.

    ``budget_bits`` is the size of the file per group of networks.
    """
    levels = 1
    while max(height, width) > 2 ** (levels - 1) and levels < 8:
        levels += 1
    components = channels if channels == 1 else CHROMA
    grids = tuple(1 if level == levels - 1 else components for level in range(levels))
    hidden: tuple[int, ...]
    if budget_bits < 60_000:
        hidden, widths = (8,), (8, 8)
    elif budget_bits < 250_000:
        hidden, widths = (16, 16), (16, 8)
    else:
        hidden, widths = (24, 24), (32, 16)
    synthesis = (
        SynthesisLayer(out_channels=widths[0], kernel=1, relu=True, residual=False),
        SynthesisLayer(out_channels=widths[1], kernel=3, relu=True, residual=False),
        SynthesisLayer(out_channels=channels, kernel=3, relu=False, residual=False),
    )
    return Architecture(height, width, channels, grids, hidden, synthesis)
