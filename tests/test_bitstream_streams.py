"""A coded stream is the only one of its symbols: what lies next to it is refused or means something else."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import reference_decoder
from golden_payloads import join, small_payload, split
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rudcodec import FormatError, bitstream
from rudcodec.bitstream import tables
from rudcodec.bitstream.coder import Decoder, Encoder
from rudcodec.bitstream.container import ANCILLARY, Place

Batch = list[tuple[int, int]]  # table row, difference


@cache
def frequencies() -> list[list[int]]:
    return reference_decoder.make_tables()


def encoded(batch: Batch) -> list[int]:
    """The words, as section 6 of the specification makes them."""
    low, span, n = 0, (1 << 64) - 1, 0

    def put(freq: list[int], j: int) -> None:
        nonlocal low, span, n
        scale = span >> 24
        low, span = low + scale * sum(freq[:j]), scale * freq[j]
        if span < 1 << 32:
            low, span, n = low << 32, span << 32, n + 1

    escaped = [d for _, d in batch if abs(d) > 23]
    for row, d in batch:
        put(frequencies()[row], 47 if abs(d) > 23 else d + 23)
    for d in escaped:
        put([1 << (23 - k) for k in range(16)] + [1 << 8], (abs(d) - 23).bit_length() - 1)
    for d in escaped:
        k = (abs(d) - 23).bit_length() - 1
        low_bits = abs(d) - 23 - (1 << k)
        for bit in [int(d < 0)] + [low_bits >> i & 1 for i in reversed(range(k))]:
            put([1 << 23, 1 << 23], bit)
    value = (low + (1 << 32) - 1) >> 32
    words = [value >> 32 * i & 0xFFFFFFFF for i in range(n, -1, -1)]
    while len(words) > 1 and words[-1] == 0:
        words.pop()
    return words


def packed(words: list[int]) -> bytes:
    return b"".join(word.to_bytes(4, "little") for word in words)


def decoded(words: list[int], rows: list[int]) -> list[int] | None:
    """Differences, or None if the stream is refused; both decoders have to agree."""
    try:
        decoder = Decoder(packed(words), Place("segment 0", 0))
        found: list[int] | None = decoder.code(np.array(rows, dtype=np.intp), None).tolist()
        decoder.finish()
    except FormatError:
        found = None
    try:
        stream = reference_decoder.Stream(packed(words), frequencies())
        slow: list[int] | None = stream.batch(rows)
        stream.finish()
    except ValueError:
        slow = None
    assert found == slow
    return found


def near(words: list[int]) -> list[list[int]]:
    """Streams that differ little, or by something that a decoder might not look at."""
    value, count = int.from_bytes(b"".join(w.to_bytes(4, "big") for w in words), "big"), len(words)
    moved = [value + step for step in (-(1 << 32), -2, -1, 1, 2, 1 << 32)]
    found = [
        [v >> 32 * i & 0xFFFFFFFF for i in range(count - 1, -1, -1)]
        for v in moved
        if 0 <= v < 1 << 32 * count
    ]
    found += [[*words, w] for w in (0, 1, 1 << 31, (1 << 32) - 1)]
    found += [[*words, 0, 0], [*words, 0, 1], [*words, 5, 5, 5], words[:-1]]
    return found


def differences() -> st.SearchStrategy[int]:
    largest = 23 + (1 << 17) - 1
    return st.one_of(
        st.integers(-3, 3),
        st.integers(-24, 24),
        st.integers(-largest, largest),
        st.sampled_from([-23, 23, largest]),
    )


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 511), differences()), min_size=1, max_size=25))
@example([(256, -23)])
@example([(256, -23)] * 20)
@example([(256 + 63, 0), *[(256, -23)] * 20])
@example([(256, 24)] * 6)
def test_streams_are_unique(batch: Batch) -> None:
    rows, values = [row for row, _ in batch], [d for _, d in batch]
    words = encoded(batch)
    encoder = Encoder()
    encoder.code(np.array(rows, dtype=np.intp), np.array(values, dtype=np.int32))
    assert encoder.finish() == packed(words)
    assert decoded(words, rows) == values
    for other in near(words):
        found = decoded(other, rows)
        assert found is None or encoded(list(zip(rows, found, strict=True))) == other
        assert found != values


@settings(max_examples=300)
@given(
    st.lists(st.integers(0, 511), min_size=1, max_size=12),
    st.lists(
        st.one_of(st.integers(0, (1 << 32) - 1), st.sampled_from([0, 1, (1 << 32) - 1])),
        min_size=1,
        max_size=4,
    ),
)
def test_what_is_accepted_is_what_an_encoder_writes(rows: list[int], words: list[int]) -> None:
    found = decoded(words, rows)
    if found is not None:
        assert encoded(list(zip(rows, found, strict=True))) == words


@pytest.mark.parametrize("change", [1, 2, 255])
def test_files_with_another_last_word_are_refused(change: int) -> None:
    """The pixels would be the same; there is one file for a payload."""
    whole = bitstream.encode(small_payload())
    sections = split(whole)
    outcomes = []
    for i in range(1, len(sections)):
        tag, body = sections[i]
        if tag >= ANCILLARY:
            continue
        last = int.from_bytes(body[-4:], "little") + change
        for changed in (
            body[:-4] + (last & 0xFFFFFFFF).to_bytes(4, "little"),
            body + bytes([change, 0, 0, 0]),
        ):
            with pytest.raises(FormatError) as caught:
                bitstream.decode_images(join([*sections[:i], (tag, changed), *sections[i + 1 :]]))
            outcomes.append(caught.value.reason)
    assert "coded stream does not end with its last symbol" in outcomes


def test_batches_of_any_size_make_one_stream() -> None:
    """Also such as are longer than what is handed to the range coder at once."""
    rng = np.random.default_rng(1)
    rows = rng.integers(0, tables.ROWS, 30_000)
    values = np.rint(rng.laplace(size=30_000) * 9).astype(np.int32)
    whole = Encoder()
    whole.code(rows, values)
    escapes = np.flatnonzero(np.abs(values) > tables.REACH)
    parts, start = Encoder(), 0
    for end in [*escapes + 1, 30_000]:  # escapes come behind their batch
        parts.code(rows[start:end], values[start:end])
        start = end
    for encoder, sizes in ((whole, [30_000]), (parts, np.diff([0, *escapes + 1, 30_000]))):
        decoder, at = Decoder(encoder.finish(), Place("segment 0", 0)), 0
        for size in sizes:
            np.testing.assert_array_equal(decoder.code(rows[at : at + size], None), values[at : at + size])
            at += size
        decoder.finish()
