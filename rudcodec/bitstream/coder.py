"""Symbols, escapes and raw bits over constriction's range coder: one routine, whichever the direction.

:meth:`Coder.code` and :meth:`Coder.number` take the values when they are known (encoding, measuring) and None
when they are to be found (decoding); either way they return them. ``bitstream_spec.md`` describes the stream.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import constriction
import numpy as np

from rudcodec.bitstream import tables
from rudcodec.errors import FormatError

_CHUNK = 2048  # symbols handed to constriction at once: their probabilities stay in the cache
_TABLE = constriction.stream.model.Categorical(perfect=False)
_BIT = constriction.stream.model.Uniform(2)
LONGEST = 16  # largest class of an escape: |difference| <= 2**17 + 22
_CLASS_WEIGHTS = np.array([2.0 ** (23 - k) - 1 for k in range(LONGEST)] + [2.0**8 - 1])
_CLASS = constriction.stream.model.Categorical(_CLASS_WEIGHTS, perfect=False)


class Coder(ABC):
    """What encoding, decoding and measuring have in common."""

    def code(self, rows: np.ndarray, values: np.ndarray | None) -> np.ndarray:
        """Code differences, int32 (n,), each with the table row in ``rows`` (intp, n); then their escapes."""
        known = None
        if values is not None:
            known = np.where(np.abs(values) > tables.REACH, tables.ESCAPE, values + tables.REACH)
            known = known.astype(np.int32)
        symbols = self._symbols(rows, known)
        escaped = np.flatnonzero(symbols == tables.ESCAPE)
        symbols -= tables.REACH
        if len(escaped):
            symbols[escaped] = self._escapes(len(escaped), None if values is None else values[escaped])
        return symbols

    def number(self, bits: int, value: int | None) -> int:
        """Code an unsigned integer of a few bits, most significant first."""
        shifts = np.arange(bits - 1, -1, -1)
        found = self._bits(None if value is None else (value >> shifts) & 1, bits)
        return int((found << shifts).sum())

    def _escapes(self, count: int, values: np.ndarray | None) -> np.ndarray:
        """|value| = 23 + v: all classes floor(log2 v); then, one by one, the sign and v's lower bits."""
        classes = words = None
        if values is not None:
            excess = np.abs(values.astype(np.int64)) - tables.REACH
            classes = np.frexp(excess)[1] - 1
            words = (excess - (1 << classes)) | ((values < 0).astype(np.int64) << classes)
        classes = self._classes(classes, count).astype(np.int64)
        sizes = classes + 1
        ends = np.cumsum(sizes)
        shifts = np.repeat(ends, sizes) - 1 - np.arange(ends[-1])
        bits = None if words is None else (np.repeat(words, sizes) >> shifts) & 1
        found = self._bits(bits, int(ends[-1])).astype(np.int64)
        words = np.add.reduceat(found << shifts, ends - sizes)
        low = (1 << classes) - 1
        return np.where(words > low, -1, 1) * ((words & low) + low + 1 + tables.REACH)

    @abstractmethod
    def _symbols(self, rows: np.ndarray, symbols: np.ndarray | None) -> np.ndarray:
        """Code one symbol, int32, with each of the table rows; returns an array the caller may change."""

    @abstractmethod
    def _classes(self, classes: np.ndarray | None, count: int) -> np.ndarray:
        """Code ``count`` escape classes 0..16, of probability 2**-(k+1)."""

    @abstractmethod
    def _bits(self, bits: np.ndarray | None, count: int) -> np.ndarray:
        """Code ``count`` equiprobable bits."""


class Encoder(Coder):
    """Writes a stream."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def finish(self) -> bytes:
        """The stream: 32-bit words, little-endian, without zeros at the end (a decoder supplies them)."""
        words = self._coder.get_compressed()
        used = max(1, len(np.trim_zeros(words, "b")))
        return bytes(words[:used].astype("<u4").tobytes())

    def _symbols(self, rows: np.ndarray, symbols: np.ndarray | None) -> np.ndarray:
        assert symbols is not None
        for i in range(0, len(rows), _CHUNK):
            self._coder.encode(
                symbols[i : i + _CHUNK], _TABLE, tables.weights().take(rows[i : i + _CHUNK], axis=0)
            )
        return symbols

    def _classes(self, classes: np.ndarray | None, count: int) -> np.ndarray:
        assert classes is not None
        self._coder.encode(classes.astype(np.int32), _CLASS)
        return classes

    def _bits(self, bits: np.ndarray | None, count: int) -> np.ndarray:
        assert bits is not None
        self._coder.encode(bits.astype(np.int32), _BIT)
        return bits


class Decoder(Coder):
    """Reads a stream; FormatError, at ``section`` and ``offset``, for what no encoder writes."""

    def __init__(self, data: bytes, section: str, offset: int) -> None:
        self._where = (section, offset)
        if len(data) == 0 or len(data) % 4:
            reason = f"coded stream has {len(data)} bytes, not a positive multiple of 4"
            raise FormatError(section, offset, reason)
        if len(data) > 4 and not any(data[-4:]):
            raise FormatError(section, offset + len(data) - 4, "coded stream ends with a zero word")
        self._coder = constriction.stream.queue.RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))

    def finish(self) -> None:
        """Raise FormatError unless the stream ends where its last symbol does."""
        if not self._coder.maybe_exhausted():
            raise FormatError(*self._where, "coded stream does not end with its last symbol")

    def _symbols(self, rows: np.ndarray, symbols: np.ndarray | None) -> np.ndarray:
        found = np.empty(len(rows), dtype=np.int32)
        for i in range(0, len(rows), _CHUNK):
            weights = tables.weights().take(rows[i : i + _CHUNK], axis=0)
            found[i : i + _CHUNK] = self._decode(_TABLE, weights)
        return found

    def _classes(self, classes: np.ndarray | None, count: int) -> np.ndarray:
        return self._decode(_CLASS, count)

    def _bits(self, bits: np.ndarray | None, count: int) -> np.ndarray:
        return self._decode(_BIT, count)

    def _decode(self, *arguments: object) -> np.ndarray:
        try:
            result: np.ndarray = self._coder.decode(*arguments)
        except AssertionError:  # the few values past the last quantile, which no encoder writes
            raise FormatError(*self._where, "coded stream holds an impossible value") from None
        return result


class Meter(Coder):
    """Adds up the ideal code length, ``bits``, and writes nothing."""

    def __init__(self) -> None:
        self.bits = 0.0

    def _symbols(self, rows: np.ndarray, symbols: np.ndarray | None) -> np.ndarray:
        assert symbols is not None
        self.bits += float(tables.code_lengths()[rows, symbols].sum())
        return symbols

    def _classes(self, classes: np.ndarray | None, count: int) -> np.ndarray:
        assert classes is not None
        self.bits += float((24 - np.log2(_CLASS_WEIGHTS[classes] + 1)).sum())
        return classes

    def _bits(self, bits: np.ndarray | None, count: int) -> np.ndarray:
        assert bits is not None
        self.bits += count
        return bits
