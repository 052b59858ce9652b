"""Fuzzing of everything that reads .rud files: ``python tests/fuzz.py --seconds 60`` or ``make fuzz``.

Golden files are cut, flipped, spliced and merged; their sections and fields are edited with lengths and
checksums put right; and files are made up whose valid fields ask for as much as they may. Each must end in
images or in a RudError that names section and offset, within 5 seconds of CPU time and 1 GB. Prints how many
were rejected, how many decoded, and the slowest and the largest. What fails is kept in ``out/fuzz``; exit
code 1 then.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # else its threads' waiting counts as time

import numpy as np
from hostile_files import make

from rudcodec import FormatError, RudError, bitstream
from rudcodec.memory import peak_memory
from rudcodec.payload import Payload

FEW = 500  # images
SHOWN = 3  # failures with a traceback
SECONDS = 5.0  # of CPU time, for a file under a MB
MEGABYTES = 1000
KEPT = Path(__file__).parent.parent / "out" / "fuzz"
SECTIONS = ("section", "file", "head", "model", "labels", "segment", "ancillary section", "merged file")


@dataclass
class Peak:
    """The largest value seen, and of what."""

    value: float = 0.0
    case: str = "none"

    def see(self, value: float, case: str) -> None:
        if value > self.value:
            self.value, self.case = value, case


@dataclass
class Report:
    """What came of the cases so far; times and memory are of single calls."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: Peak = field(default_factory=Peak)
    largest: Peak = field(default_factory=Peak)

    def __str__(self) -> str:
        total, decoded, failed = self.outcomes.total(), self.outcomes["decoded"], self.outcomes["failed"]
        return (
            f"{total:,} cases: {total - decoded - failed:,} rejected, {decoded:,} decoded, "
            f"{failed:,} failed; "
            f"slowest {self.slowest.value:.2f} s ({self.slowest.case}), "
            f"largest {self.largest.value:.0f} MB ({self.largest.case})"
        )


class Subject(Protocol):
    """What is fuzzed: one case."""

    name: str
    data: bytes

    def run(self) -> str:
        """How the case ended well. Raises for anything that must not happen."""


class Case:
    """One file on its way through all that reads files, strictly; ``limited`` in time and memory.

    ``number``: chooses what else is tried with it.
    """

    def __init__(self, report: Report, name: str, data: bytes, number: int, limited: bool = True) -> None:
        self.data = data
        self.name = f"{name}, {len(data):,} bytes"
        self._report = report
        self._limited = limited
        self._thorough = number % 4 == 0
        self._ipc = 1 + number % 3

    def run(self) -> str:
        """'decoded', or why it was rejected. Raises for anything that must not happen."""
        data = self.data
        whole = self._call(lambda: bitstream.decode_images(data, strict=True))
        if not isinstance(whole, FormatError):
            payload, images = whole
            assert images.dtype == np.uint8
            assert (
                len(images)
                == len(bitstream.hard_labels(payload))
                == sum(sum(s.counts) for s in payload.segments)
            )
            streamed = self._call(lambda: [part[1] for part in bitstream.stream(data)])
            assert np.array_equal(np.concatenate(streamed), images)
            soft = self._call(bitstream.soft_labels, payload)
            assert soft is None or soft.shape == (len(images), len(payload.classes))
            if payload.network is not None and len(images):
                found = self._call(bitstream.logits, payload.network, images[:1])
                assert found.dtype == np.int64 and found.shape == (1, len(payload.classes))
        elif not self._thorough:
            return whole.reason
        saved = self._call(lambda: bitstream.salvage(data, strict=True))
        smaller = self._call(lambda: bitstream.truncate(data, ipc=self._ipc))
        if isinstance(whole, FormatError):
            if not isinstance(saved, RudError):
                for error in saved[2]:
                    self._judge(error)
            return whole.reason
        assert not saved[2] and np.array_equal(saved[1], images)
        self._rearrange(payload, images)
        if not isinstance(smaller, RudError):
            first = self._call(bitstream.decode_images, smaller.data)[1]
            assert np.array_equal(first, images[: len(first)]) and len(first) == smaller.images
        return "decoded"

    def _rearrange(self, payload: Payload, images: np.ndarray) -> None:
        """Merge the file with itself, which may be too much, and take half of its images out."""
        twice = self._call(bitstream.merge, [self.data, self.data])
        if not isinstance(twice, RudError):
            merged, pixels = self._call(bitstream.decode_images, twice)
            assert np.array_equal(pixels, np.concatenate([images, images]))
            assert merged.classes == payload.classes and merged.recipe == payload.recipe
        if not 0 < len(images) < FEW:
            return
        own = bitstream.hard_labels(payload)
        first = np.array([k not in own[:i] for i, k in enumerate(own)])
        assert np.array_equal(bitstream.decode_images(bitstream.extract(self.data, ipc=1))[1], images[first])

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The result, or the RudError raised; within the limits."""
        forget_peak()
        started = time.process_time()
        result: Any
        try:
            result = function(*arguments)
        except RudError as error:
            self._judge(error)
            result = error
        spent, memory = time.process_time() - started, peak_memory() / 1e6
        self._report.slowest.see(spent, self.name)
        self._report.largest.see(memory, self.name)
        if self._limited and len(self.data) < 10**6:
            assert spent < SECONDS and memory < MEGABYTES, f"{spent:.1f} s, {memory:.0f} MB"
        return result

    def _judge(self, error: RudError) -> None:
        text = str(error)
        assert "\n" not in text
        if isinstance(error, FormatError):
            assert error.section.startswith(SECTIONS) and error.section in text
            assert 0 <= error.offset <= len(self.data) or (error.section, error.offset) == ("merged file", -1)


def generated(report: Report, seed: int, number: int, limited: bool = True) -> Case:
    """The case of a seed and a number; its name begins with its kind."""
    kind, data = make(seed, number)
    return Case(report, f"{kind} {seed}-{number}", data, number, limited)


def forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def hang(*_: object) -> None:
    raise AssertionError("more than 60 s of CPU time")


def main(make_case: Callable[[Report, int, int], Subject], what: str, ending: str) -> int:
    """Fuzz by the command line's options, with cases of a seed and a number; the exit code."""
    parser = argparse.ArgumentParser(description=f"Fuzz the reading of {what}.")
    parser.add_argument("--seconds", type=float, default=60, help="how long (default 60)")
    parser.add_argument("--cases", type=int, default=1 << 60, help="at most so many")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: from the clock")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    report = Report()
    started = shown = time.monotonic()
    signal.signal(signal.SIGPROF, hang)
    for number in range(options.first, options.first + options.cases):
        case = make_case(report, options.seed, number)
        signal.setitimer(signal.ITIMER_PROF, 60)
        try:
            outcome = case.run()
        except KeyboardInterrupt:
            break
        except BaseException:  # noqa: BLE001  (constriction's PanicException isn't an Exception)
            outcome = "failed"
            KEPT.mkdir(parents=True, exist_ok=True)
            (KEPT / f"{options.seed}-{number}{ending}").write_bytes(case.data)
            trace = traceback.format_exc() if report.outcomes["failed"] < SHOWN else ""
            print(f"FAILED: {case.name}\n{trace}", flush=True)
        signal.setitimer(signal.ITIMER_PROF, 0)
        report.outcomes[re.sub(r"-?\d+", "#", outcome)] += 1
        now = time.monotonic()
        if now - shown > 60:
            print(report, flush=True)
            shown = now
        if now - started > options.seconds:
            break
    print(report)
    for outcome, count in report.outcomes.most_common(25):
        print(f"{count:9,}  {outcome}")
    return 1 if report.outcomes["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(generated, ".rud files", ".rud"))
