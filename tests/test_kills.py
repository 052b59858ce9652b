"""A run that is killed at any moment, again and again, still makes the same file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import stripes

pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="forks a loaded torch")]

# Imports once, then forks a child for each attempt: a start takes no time, so that kills hit the work.
RUNS = """
import json, os, random, signal, sys, time
from rudcodec.cli.main import main
from rudcodec.distill import schedules
from pathlib import Path

schedules.PRETRAINING_STEPS = 30  # it has as many checkpoints to be killed behind as other stages
KILLS, options = json.loads(sys.argv[1])
whole, out = map(Path, sys.argv[2:])

def begun(path, *more):
    child = os.fork()
    if child == 0:
        sys.stdout = open(os.devnull, "w")
        main(["compress", *options, str(path), *more])
    return child

def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

since = time.monotonic()
assert ended(begun(whole)) == 0
duration = time.monotonic() - since
draw = random.Random(0)
kills = finished = 0
while True:
    child = begun(out, "--resume")
    if kills < KILLS:
        time.sleep(draw.uniform(0, duration / 2))
        os.kill(child, signal.SIGKILL)
    code = ended(child)
    kills += code == -signal.SIGKILL
    assert code in (0, -signal.SIGKILL), code
    # one that is killed behind its last act has finished, too
    if code == 0 or (out.exists() and not Path(f"{out}.run").exists()):
        assert out.read_bytes() == whole.read_bytes()
        finished += 1
        if kills == KILLS:
            break
        out.unlink()
print(json.dumps([kills, finished]))
"""


@pytest.mark.parametrize(("labels", "kills"), [("hard", 13), ("network", 7)])
def test_twenty_kills(tmp_path: Path, labels: str, kills: int) -> None:
    source, results = tmp_path / "stripes.npz", tmp_path / "results"
    results.mkdir()
    data = stripes()
    np.savez(source, images=data.images, labels=data.labels, classes=np.array(data.classes))
    settings = {"warmup": 20, "joint": 8, "tune": 2, "label_views": 30_000}
    changes = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    options = [str(source), "--bpc", "9k", "--ipc", "2", "--labels", labels, "--checkpoint-every", "0.05"]
    command = [sys.executable, "-c", RUNS, json.dumps([kills, [*options, *changes]])]
    found = subprocess.run(
        [*command, results / "whole.rud", results / "out.rud"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    killed, finished = json.loads(found.stdout)
    assert killed == kills and finished >= 1
    assert {path.name for path in results.iterdir()} == {"whole.rud", "out.rud"}
