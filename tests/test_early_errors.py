"""A mistake in arguments or paths is said before torch, which takes seconds, is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")  # else that it is missing is the first thing to be said

_HEAVY = ("torch", "torchvision", "compressai", "sklearn", "scipy")
_CODE = f"""
import sys
from rudcodec.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print(end.code, *sorted({{*{_HEAVY!r}}} & set(sys.modules)))
"""

_EXISTING = "small.rud"
MISTAKES = [
    ("compress absent.zip out.rud", "absent.zip"),
    ("compress cifar10 out.rud", "cifar10: no whole train split"),
    ("compress digits small.rud", "exists already"),
    ("compress digits no/out.rud", "there is no folder"),
    ("compress digits - --resume", "--resume needs a file as OUT"),
    ("compress digits out.rud --bpc lots", "'lots' is not a number"),
    ("compress digits out.rud --bpc 0", "above 0"),
    ("compress digits out.rud --bpc 5k --bytes 5kB", "give one budget"),
    ("compress digits out.rud --labels hardd", "is it 'hard'"),
    ("compress digits out.rud --utility mn", "none of auto, none, mm"),
    ("compress digits out.rud --device cudaa", "'cudaa' is none of"),
    ("compress digits out.rud --preset slow", "'slow' is not one of"),
    ("compress digits out.rud --set warmups=3", "is it 'warmup'"),
    ("compress digits out.rud --set mm.run=3", "is it 'mm.runs'"),
    ("compress digits out.rud --set mm.runs=none", "mm.runs"),
    ("compress digits out.rud --set dm.width=9", "the utility is 'mm'"),
    ("compress digits out.rud --seeds 3", "--seed"),
    ("compress digits out.rud --config absent.toml", "absent.toml"),
    ("compress digits out.rud --background nocolour", "background"),
    ("compres digits out.rud", "compres"),
    ("eval absent.rud --real digits", "absent.rud"),
    ("eval small.rud --real absent.zip", "absent.zip"),
    ("eval small.rud --real digits --nets resnet19", "'resnet19' is not one of"),
    ("eval small.rud --real digits --set lrr=3", "'lrr'"),
    ("eval small.rud --real digits --baseline png", "'png' is not one of"),
    ("eval small.rud --real digits --baseline mbt2018", "mbt2018"),  # no compressai, or no weights
    ("experts absent.zip folder", "absent.zip"),
    ("experts digits folder --count 0", "--count"),
    ("truncate small.rud small.rud --ipc 2", "exists already"),
    ("decompress small.rud .", "not an empty folder"),
]


@pytest.mark.parametrize(("line", "complaint"), MISTAKES)
def test_it_comes_before_torch(rud: Path, line: str, complaint: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _CODE, *line.split()],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=rud.parent,
        env={"PATH": "", "RUDCODEC_DATA": str(rud.parent / "sets"), "TORCH_HOME": str(rud.parent / "torch")},
    )
    assert complaint in result.stderr and result.stderr.count("\n") == 1, result.stderr
    assert result.stdout == "2\n"
    assert [path.name for path in rud.parent.iterdir()] == [_EXISTING]
