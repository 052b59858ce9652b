"""Fuzzing that looks for new paths: ``python tests/fuzz_coverage.py -max_total_time=60``, or any of
libFuzzer's options.

With atheris (``pip install atheris``), which sees which lines of rudcodec a file reaches. It begins with the
golden files; sections are changed behind right lengths and checksums, or all bytes as they are. Judged as in
``fuzz.py``; what fails is kept in ``out/fuzz``. Without atheris it says so, and does nothing.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

try:
    import atheris  # type: ignore[import-untyped, unused-ignore]
except ModuleNotFoundError:
    print("atheris is not installed: no fuzzing that is guided by coverage (pip install atheris)")
    sys.exit(0)

with atheris.instrument_imports(include=["rudcodec"]):
    import rudcodec.bitstream  # noqa: F401

import fuzz
from golden_payloads import join, split
from hostile_files import FOLDER, victims

REPORT = fuzz.Report()


def mutated(data: bytes, size: int, seed: int) -> bytes:
    """One section's body changed by libFuzzer, lengths and checksums put right; or all of the file."""
    rng = random.Random(seed)
    try:
        sections = split(data)
    except IndexError:
        sections = []
    if not sections or join(sections) != data or rng.random() < 0.1:
        return bytes(atheris.Mutate(data, size))
    i = rng.randrange(len(sections))
    tag, body = sections[i]
    sections[i] = (tag, bytes(atheris.Mutate(body, len(body) + 64)))
    if rng.random() < 0.05:
        sections.insert(rng.randrange(len(sections)), rng.choice(split(rng.choice(victims()))))
    return join(sections)[:size]


def judge(data: bytes) -> None:
    case = fuzz.Case(REPORT, "coverage", data, len(data), limited=False)
    try:
        case.run()
    except BaseException:
        fuzz.KEPT.mkdir(parents=True, exist_ok=True)
        (fuzz.KEPT / f"coverage-{abs(hash(data)):x}.rud").write_bytes(data)
        raise


def main() -> None:
    with tempfile.TemporaryDirectory() as corpus:
        options = ["-max_len=20000", "-timeout=60", f"-artifact_prefix={corpus}/", *sys.argv[1:]]
        for path in FOLDER.glob("*.rud"):
            (Path(corpus) / path.name).write_bytes(path.read_bytes())
        atheris.Setup([sys.argv[0], *options, corpus], judge, custom_mutator=mutated)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
