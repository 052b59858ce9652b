"""Numbers of the integer networks that they share with the float networks in torch.

Each is part of the format; ``bitstream_spec.md`` has them in context.
"""

from __future__ import annotations

MID_GREY = 128
LARGEST_PIXEL = 255

# What the context network sees of a latent: (dy, dx) of causal neighbours in its own grid, then the four
# coarser latents around it, then neighbours in the component before.
CAUSAL = ((0, -1), (0, -2), *((dy, dx) for dy in (-1, -2) for dx in range(-2, 3)))
PARENTS = 4
SIBLINGS = ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0))
INPUTS = len(CAUSAL) + PARENTS + len(SIBLINGS)
INPUT_LIMIT = 127  # largest magnitude

# Fractional bits of latents where synthesis takes them, of all networks' activations, and these' limits:
# 0..ACTIVATION_LIMIT with a ReLU, else from -ACTIVATION_LIMIT - 1 on.
LATENT_BITS = 6
ACTIVATION_BITS = 7
ACTIVATION_LIMIT = 4095

# What the context network says: a location with fractional bits, and the index of a scale, of which there are
# SCALE_STEPS to a doubling; UNIT_SCALE is the index of scale 1.
LOCATION_BITS = 3
LOCATION_RANGE = (-32768, 32767)
SCALES = 64
SCALE_STEPS = 8
UNIT_SCALE = 32

# Fractional bits of what the last synthesis layer yields that pixels drop, besides adding MID_GREY.
PIXEL_SHIFT = 1

# The label network.
LABEL_BITS = 4  # fractional, of an activation
LABEL_CEILING = 255  # of an activation, in its last place
LABEL_FLOOR = -256  # of an activation without a ReLU
LOGIT_BITS = 12  # fractional
TEMPERATURE_BITS = 4  # fractional


def log2_scale(index: int) -> float:
    """Binary logarithm of the scale with an index."""
    return (index - UNIT_SCALE) / SCALE_STEPS
