"""Installs a wheel alone in clean environments, and decodes with it: python tests/check_wheel.py WHEEL

Each Python that is found (3.11 and newer; or those named behind it) gets the oldest numpy that the package
admits, where that has a wheel for it, and the newest. Needs the package index.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
NEWEST_OF_OLDEST_NUMPY = (3, 12)  # numpy 1.26 has no wheels for later Pythons

DECODE = """
import hashlib, importlib.util, json, pathlib, sys
import numpy, rudcodec
assert pathlib.Path(rudcodec.__file__).is_relative_to(sys.prefix), rudcodec.__file__
assert importlib.util.find_spec("torch") is None
golden, out = map(pathlib.Path, sys.argv[1:])
pixels = json.loads((golden / "manifest.json").read_text())["pixels"]
for name, expected in pixels.items():
    images = rudcodec.load(golden / f"{name}.rud").images
    assert hashlib.sha256(images.tobytes()).hexdigest() == expected, name
for form in ("set.npz", "set.tar", "set"):
    rudcodec.decompress(golden / "example.rud", out / form)
print(f"Python {sys.version.split()[0]}, numpy {numpy.__version__}: {len(pixels)} golden files decoded")
"""


def main(wheel: Path, names: list[str]) -> None:
    """Check each Python; stops at the first failure."""
    pythons = names or [name for minor in range(11, 20) if _version(name := f"python3.{minor}")]
    if not pythons:
        sys.exit("there is no Python 3.11 or newer")
    with TemporaryDirectory() as folder:
        for number, python in enumerate(pythons):
            oldest = _version(python) <= NEWEST_OF_OLDEST_NUMPY
            for numpy in ["numpy==1.26.*"] * oldest + ["numpy"]:
                _check(python, wheel, numpy, Path(folder) / f"{number}-{numpy[-1]}")


def _check(python: str, wheel: Path, numpy: str, folder: Path) -> None:
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    own, out = folder / "bin" / "python", folder / "out"
    out.mkdir()
    install = [str(own), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, str(wheel), numpy], check=True)
    golden = ROOT / "tests" / "golden"
    subprocess.run([str(own), "-W", "error", "-c", DECODE, str(golden), str(out)], check=True, cwd=folder)
    command = [str(folder / "bin" / "rudcodec"), "verify", str(golden / "example.rud")]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    shutil.rmtree(folder)


def _version(python: str) -> tuple[int, ...]:
    """Its version, such as (3, 12); empty if it can't be run."""
    try:
        code = "import sys; print(*sys.version_info[:2])"
        text = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(map(int, text.split()))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
