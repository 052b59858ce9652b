"""Frequency tables: a discretized Laplace distribution for each (location fraction, scale), in exact
integers.

Row ``(f + 4) * 64 + s`` has location ``f/8`` (f in -4..3) and scale ``b = 2**((s - 32) / 8)``; columns 0..46
are the differences -23..23, column 47 is the escape. Made with integers of 64 bits, without libm, so that it
is the same on every machine; ``bitstream_spec.md`` states it and the SHA-256 of the result.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from rudcodec.bitstream.constants import LOCATION_BITS, SCALES

PRECISION = 24
FRACTIONS = 1 << LOCATION_BITS  # of a location
REACH = 23  # largest difference with a symbol of its own
ESCAPE = 2 * REACH + 1
SYMBOLS = ESCAPE + 1
ROWS = FRACTIONS * SCALES
SHA256 = "9050288e0776226a4c2b3b3e8f709cba2d60f859d369d950c2f083ccf808c10d"

# exp(-2**(1 - s/8)) in units of 2**-32, rounded down: by how much the density of scale s falls over 1/8
# fmt: off
_DECAY = (
    581260615, 686215098, 799036310, 918726428, 1044178423, 1174220339, 1307656790, 1443305845,
    1580030168, 1716761895, 1852521206, 1986428948, 2117713904, 2245715466, 2369882518, 2489769347,
    2605029347, 2715407188, 2820730046, 2920898383, 3015876648, 3105684221, 3190386796, 3270088366,
    3344923893, 3415052718, 3480652712, 3541915164, 3599040368, 3652233859, 3701703250, 3747655612,
    3790295335, 3829822416, 3866431115, 3900308936, 3931635878, 3960583919, 3987316691, 4011989318,
    4034748382, 4055731996, 4075069961, 4092883986, 4109287957, 4124388246, 4138284039, 4151067683,
    4162825044, 4173635859, 4183574095, 4192708297, 4201101925, 4208813684, 4215897841, 4222404521,
    4228379999, 4233866970, 4238904802, 4243529782, 4247775344, 4251672274, 4255248917, 4258531358,
)
# fmt: on


@cache
def frequencies() -> np.ndarray:
    """uint32 (512, 48); every row sums to 2**24, every entry is at least 1."""
    one, reach = np.uint64(1 << 32), 8 * REACH + 8
    decay = np.array(_DECAY, dtype=np.uint64)
    powers = [np.full(SCALES, one)]
    for _ in range(reach):
        powers.append((powers[-1] * decay) >> np.uint64(32))
    halves = np.stack(powers) >> np.uint64(1)
    # upper[n + reach]: probability of lying above n/8, for each scale
    upper = np.concatenate([one - halves[:0:-1], halves])
    table = np.empty((FRACTIONS, SCALES, SYMBOLS), dtype=np.uint64)
    for f in range(-4, 4):
        edges = upper[[8 * d - 4 - f + reach for d in range(-REACH, REACH + 2)]]
        table[f + 4, :, :ESCAPE] = (edges[:-1] - edges[1:]).T
        table[f + 4, :, ESCAPE] = one - edges[0] + edges[-1]
    table = 1 + (table * np.uint64((1 << PRECISION) - SYMBOLS) >> np.uint64(32))
    table[..., REACH] += (1 << PRECISION) - table.sum(2)
    return table.reshape(ROWS, SYMBOLS).astype(np.uint32)


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
