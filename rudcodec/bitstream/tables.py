"""Frequency tables: a discretized Laplace distribution for each (location fraction, scale), in exact
integers.

Row ``(f + 4) * 64 + s`` has location ``f/8`` (f in -4..3) and scale ``b = 2**((s - 32) / 8)``; columns 0..46
are the differences -23..23, column 47 is the escape. Made by an integer recurrence, without libm, so that it
is the same on every machine; ``bitstream_spec.md`` states it and the SHA-256 of the result.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from math import isqrt

import numpy as np

from rudcodec.bitstream.constants import LOCATION_BITS, SCALE_STEPS, SCALES

PRECISION = 24
FRACTIONS = 1 << LOCATION_BITS  # of a location
REACH = 23  # largest difference with a symbol of its own
ESCAPE = 2 * REACH + 1
SYMBOLS = ESCAPE + 1
ROWS = FRACTIONS * SCALES
SHA256 = "ed471ee7e0a60bcd0c8a3297494ed187f2057867ae497d05aebb5a763f67a801"

_ONE = 1 << 62
# exp(-2**(1 - s/8)) in units of 2**-62, rounded down, for the eight smallest scales
_DECAY = (
    624123833502197199,
    736817851742260082,
    857958705291205984,
    986474991491683832,
    1121178045035989968,
    1260809488881185366,
    1404085787326080234,
    1549737850873369689,
)


def _decays() -> list[int]:
    """Per scale the Laplace density's decay over 1/8, exp(-1/(8 b)); doubling b is a square root."""
    decay = list(_DECAY)
    for s in range(SCALE_STEPS, SCALES):
        decay.append(isqrt(decay[s - SCALE_STEPS] << 62))
    return decay


@cache
def frequencies() -> np.ndarray:
    """uint32 (512, 48); every row sums to 2**24, every entry is at least 1."""
    reach = 8 * REACH + 8
    spread = (1 << PRECISION) - SYMBOLS
    table = np.empty((FRACTIONS, SCALES, SYMBOLS), dtype=np.uint32)
    for s, decay in enumerate(_decays()):
        powers = [_ONE]
        for _ in range(reach):
            powers.append((powers[-1] * decay) >> 62)
        # upper[n + reach]: probability of lying above n/8
        upper = [_ONE - (p >> 1) for p in reversed(powers[1:])] + [p >> 1 for p in powers]
        for f in range(-4, 4):
            edges = [upper[8 * k - 4 - f + reach] for k in range(-REACH, REACH + 2)]
            masses = [low - high for low, high in pairwise(edges)]
            masses.append(_ONE - edges[0] + edges[-1])
            row = [1 + ((mass * spread) >> 62) for mass in masses]
            row[REACH] += (1 << PRECISION) - sum(row)
            table[f + 4, s] = row
    return table.reshape(ROWS, SYMBOLS)


@cache
def weights() -> np.ndarray:
    """float64 (512, 48): frequencies - 1, which constriction's fast categorical model turns into the
    frequencies.
    """
    return np.ascontiguousarray(frequencies() - 1.0)


@cache
def code_lengths() -> np.ndarray:
    """float64 (512, 48): bits of each symbol."""
    return PRECISION - np.log2(frequencies().astype(np.float64))
