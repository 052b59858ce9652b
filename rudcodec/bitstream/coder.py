"""Symbols, escapes and raw bits over constriction's range coder: one routine, whichever the direction.

:meth:`Coder.code` and :meth:`Coder.number` take the values when they are known (encoding, measuring) and None
when they are to be decoded; either way they return them. ``bitstream_spec.md`` describes the stream.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache

import constriction
import numpy as np

from rudcodec.bitstream import tables
from rudcodec.bitstream.container import Place

_CHUNK = 2048  # symbols handed to constriction at once: their probabilities stay in the cache
_NUMBERS = 8192  # numbers taken apart into bits at once
_SPANS = 8192  # the same when encoding, with fewer probabilities each
_BIT_SPANS = tables.ROWS * tables.SYMBOLS  # first of the spans of a bit, then those of the classes
_CLASS_SPANS = _BIT_SPANS + 2
_TABLE = constriction.stream.model.Categorical(perfect=False)
_BIT = constriction.stream.model.Uniform(2)
LONGEST = 16  # largest class of an escape: |difference| <= 2**17 + 22
_CLASS_WEIGHTS = np.array([2.0 ** (23 - k) - 1 for k in range(LONGEST)] + [2.0**8 - 1])
_CLASS = constriction.stream.model.Categorical(_CLASS_WEIGHTS, perfect=False)


class Coder(ABC):
    """The routines that encoding, decoding and measuring share."""

    def code(self, rows: np.ndarray, values: np.ndarray | None) -> np.ndarray:
        """Code differences, int32 (n,), each with the table row in ``rows`` (intp, n); then their escapes."""
        known_symbols = None
        if values is not None:
            known_symbols = np.where(np.abs(values) > tables.REACH, tables.ESCAPE, values + tables.REACH)
            known_symbols = known_symbols.astype(np.int32)
        symbols = self._symbols(rows, known_symbols)
        escaped = np.flatnonzero(symbols == tables.ESCAPE)
        symbols -= tables.REACH
        if len(escaped):
            symbols[escaped] = self._escapes(len(escaped), None if values is None else values[escaped])
        return symbols

    def number(self, bits: int, value: int | None) -> int:
        """Code an unsigned integer of a few bits, most significant first."""
        return int(self.numbers(bits, 1, None if value is None else np.array([value]))[0])

    def numbers(self, bits: int, count: int, values: np.ndarray | None) -> np.ndarray:
        """Code unsigned integers, int64 (count,), of ``bits`` bits each, most significant first; up to 62."""
        result = np.zeros(count, np.int64)
        shifts = np.arange(bits - 1, -1, -1)
        for i in range(0, count if bits else 0, _NUMBERS):
            block = result[i : i + _NUMBERS]
            known_bits = None
            if values is not None:
                known_bits = ((values[i : i + _NUMBERS, None] >> shifts) & 1).ravel()
            coded = self._bits(known_bits, bits * len(block)).astype(np.int64).reshape(len(block), bits)
            block[:] = (coded << shifts).sum(1)
        return result

    def _escapes(self, count: int, values: np.ndarray | None) -> np.ndarray:
        """Code escapes, |value| = 23 + v: all classes floor(log2 v), then each one's sign and low bits."""
        classes = words = None
        if values is not None:
            excess = np.abs(values.astype(np.int64)) - tables.REACH
            classes = np.frexp(excess)[1] - 1
            words = (excess - (1 << classes)) | ((values < 0).astype(np.int64) << classes)
        classes = self._escape_classes(classes, count).astype(np.int64)
        sizes = classes + 1
        ends = np.cumsum(sizes)
        shifts = np.repeat(ends, sizes) - 1 - np.arange(ends[-1])
        bits = None if words is None else (np.repeat(words, sizes) >> shifts) & 1
        coded = self._bits(bits, int(ends[-1])).astype(np.int64)
        words = np.add.reduceat(coded << shifts, ends - sizes)
        low = (1 << classes) - 1
        return np.where(words > low, -1, 1) * ((words & low) + low + 1 + tables.REACH)

    @abstractmethod
    def _symbols(self, rows: np.ndarray, symbols: np.ndarray | None) -> np.ndarray:
        """Code one symbol, int32, with each of the table rows; returns an array the caller may change."""

    @abstractmethod
    def _escape_classes(self, classes: np.ndarray | None, count: int) -> np.ndarray:
        """Code ``count`` escape classes 0..16, of probability 2**-(k+1)."""

    @abstractmethod
    def _bits(self, bits: np.ndarray | None, count: int) -> np.ndarray:
        """Code ``count`` equiprobable bits."""


@cache
def _symbol_models() -> tuple[np.ndarray, np.ndarray]:
    """The interval of 0..2**24 that each symbol of each table takes, as models for the coder.

    For each symbol, a model of three symbols: what lies below it, the symbol itself, and what lies above it;
    and which of the three it is, int32. Where nothing lies on one side, the other side is split in two. The
    models are in the form of ``tables.weights``.
    """
    class_frequencies = _CLASS_WEIGHTS.astype(np.int64) + 1
    alphabets = [*tables.frequencies().astype(np.int64), np.full(2, 1 << 23), class_frequencies]
    inside = np.concatenate(alphabets)
    below = np.concatenate([np.cumsum(frequencies) - frequencies for frequencies in alphabets])
    above = (1 << tables.PRECISION) - below - inside
    models = np.stack([below, inside, above], axis=1)
    positions = np.ones(len(inside), dtype=np.int32)
    for i, side, order in ((0, above, [1, 0, 2]), (2, below, [0, 2, 1])):
        alone = models[:, i] == 0
        half = side[alone] // 2
        models[alone] = np.stack([half, inside[alone], side[alone] - half], axis=1)[:, order]
        positions[alone] = i
    return models - 1.0, positions


class _WordEncoder:
    """Writes the words of a stream; symbols are encoded in batches."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()
        self._waiting: list[np.ndarray] = []
        self._count = 0

    def symbols(self, rows: np.ndarray, symbols: np.ndarray) -> None:
        self._append(rows * tables.SYMBOLS + symbols)

    def bits(self, bits: np.ndarray) -> None:
        self._append(bits + _BIT_SPANS)

    def escape_classes(self, escape_classes: np.ndarray) -> None:
        self._append(escape_classes + _CLASS_SPANS)

    def finish(self) -> np.ndarray:
        """All words, uint32, without zeros at the end (a decoder supplies them)."""
        self._flush()
        words: np.ndarray = self._coder.get_compressed()
        return words[: max(1, len(np.trim_zeros(words, "b")))]

    def _append(self, spans: np.ndarray) -> None:
        self._waiting.append(spans.astype(np.int32, copy=False))
        self._count += len(spans)
        if self._count >= _SPANS:
            self._flush()

    def _flush(self) -> None:
        models, positions = _symbol_models()
        spans = np.concatenate(self._waiting) if self._waiting else np.empty(0, dtype=np.int32)
        for i in range(0, len(spans), _SPANS):
            block = spans[i : i + _SPANS]
            self._coder.encode(positions.take(block), _TABLE, models.take(block, axis=0))
        self._waiting, self._count = [], 0


class Encoder(Coder):
    """Writes a stream."""

    def __init__(self) -> None:
        self._words = _WordEncoder()

    def finish(self) -> bytes:
        """The stream: 32-bit words, little-endian."""
        return bytes(self._words.finish().astype("<u4").tobytes())

    def _symbols(self, rows: np.ndarray, symbols: np.ndarray | None) -> np.ndarray:
        assert symbols is not None
        self._words.symbols(rows, symbols)
        return symbols

    def _escape_classes(self, classes: np.ndarray | None, count: int) -> np.ndarray:
        assert classes is not None
        self._words.escape_classes(classes)
        return classes

    def _bits(self, bits: np.ndarray | None, count: int) -> np.ndarray:
        assert bits is not None
        self._words.bits(bits)
        return bits


class Decoder(Coder):
    """Reads a stream, and raises FormatError, at ``place``, unless an encoder would write this very stream.

    To be sure of that, it encodes the symbols again and compares.
    """

    def __init__(self, data: bytes, place: Place) -> None:
        self._place = place
        if len(data) == 0 or len(data) % 4:
            raise place.error(f"coded stream has {len(data)} bytes, not a positive multiple of 4")
        if len(data) > 4 and not any(data[-4:]):
            last = Place(place.section, place.offset + len(data) - 4)
            raise last.error("coded stream ends with a zero word")
        self._stream = np.frombuffer(data, "<u4").astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(self._stream)
        self._words = _WordEncoder()

    def finish(self) -> None:
        """Raise FormatError unless this is the stream of its symbols, no more and no less."""
        if not np.array_equal(self._words.finish(), self._stream):
            raise self._place.error("coded stream does not end with its last symbol")

    def _symbols(self, rows: np.ndarray, symbols: np.ndarray | None) -> np.ndarray:
        symbols = np.empty(len(rows), dtype=np.int32)
        for i in range(0, len(rows), _CHUNK):
            weights = tables.weights().take(rows[i : i + _CHUNK], axis=0)
            symbols[i : i + _CHUNK] = self._decode(_TABLE, weights)
        self._words.symbols(rows, symbols)
        return symbols

    def _escape_classes(self, classes: np.ndarray | None, count: int) -> np.ndarray:
        classes = self._decode(_CLASS, count)
        self._words.escape_classes(classes)
        return classes

    def _bits(self, bits: np.ndarray | None, count: int) -> np.ndarray:
        bits = self._decode(_BIT, count)
        self._words.bits(bits)
        return bits

    def _decode(self, *arguments: object) -> np.ndarray:
        try:
            result: np.ndarray = self._coder.decode(*arguments)
        except AssertionError:  # the few values past the last quantile, which no encoder writes
            raise self._place.error("coded stream holds an impossible value") from None
        return result


class Meter(Coder):
    """Adds up the ideal code length, ``bits``, and writes nothing."""

    def __init__(self) -> None:
        self.bits = 0.0

    def _symbols(self, rows: np.ndarray, symbols: np.ndarray | None) -> np.ndarray:
        assert symbols is not None
        self.bits += float(tables.code_lengths()[rows, symbols].sum())
        return symbols

    def _escape_classes(self, classes: np.ndarray | None, count: int) -> np.ndarray:
        assert classes is not None
        self.bits += float((24 - np.log2(_CLASS_WEIGHTS[classes] + 1)).sum())
        return classes

    def _bits(self, bits: np.ndarray | None, count: int) -> np.ndarray:
        assert bits is not None
        self.bits += count
        return bits
