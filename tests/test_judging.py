"""What judging says of itself, and mistakes that are found before long work, not after it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import small_payload
from golden_payloads import random_labels

from rudcodec import bitstream
from rudcodec.cli.main import main
from rudcodec.payload import LabelLayer, Recipe

torch = pytest.importorskip("torch")
QUICK = ("--seeds", "1", "--width", "4", "--steps", "2", "--device", "cpu")


@pytest.fixture
def real(tmp_path: Path) -> Path:
    path = tmp_path / "real.npz"
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    names = np.array(["ant", "bee", "cicada"])
    np.savez(path, images=images, labels=np.arange(60) % 3, classes=names)
    return path


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A file with a label network."""
    payload = random_labels(small_payload(segments=40), (LabelLayer(4, "mean"),), seed=1)
    path = tmp_path / "labelled.rud"
    bitstream.write(payload, path)
    return path


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], prog_name="rudcodec")


def mistake(result: Result) -> str:
    """The one line that a user's mistake gets, behind what was read until then."""
    assert result.exit_code == 2 and result.stdout == "" and "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--real", "nosuch"], "nosuch: no such file"),
        (["--split", "test"], "test"),
        (["--set", "batch=0"], "batch must be above zero"),
        (["--set", "lr=1e39"], "lr must be no more than"),
        (["--seeds", "99999999999999999999"], "99999999999999999999 is not in the range"),
        (["--nets", "mlp,lenet"], "lenet can't take images of 8x8"),
    ],
)
def test_curves_find_mistakes_before_they_compress(tmp_path: Path, options: list[str], text: str) -> None:
    out = tmp_path / "curve"
    quick = ["--bpc", "900", "--set", "warmup=2", "--set", "joint=0", "--set", "utility=none"]
    assert text in mistake(run("curve", "digits", *quick, "--steps", "2", "-o", f"{out}/", *options))
    assert not list(tmp_path.rglob("*.rud*"))


@pytest.mark.parametrize("command", ["eval", "compare", "curve", "experts", "compress"])
@pytest.mark.parametrize("name", ["tpu", "cuda:x", "auto:0", "cuda:"])
def test_devices_that_are_none(rud: Path, real: Path, command: str, name: str) -> None:
    """All commands know the same ones."""
    words: dict[str, list[str | Path]] = {
        "eval": [rud, "--real", real],
        "compare": [rud, rud, "--real", real],
        "curve": [rud, "--real", real],
        "experts": [real, rud.parent / "experts"],
        "compress": [real, rud.parent / "out.rud"],
    }
    said = mistake(run(command, *words[command], "--device", name))
    assert f"{name!r} is none of auto, cpu, cuda, mps, xpu" in said and "read" not in said


def test_students_train_where_sets_are_compressed(
    rud: Path, real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def pick(name: str) -> object:
        asked.append(name)
        return torch.device("cpu")

    monkeypatch.setattr("rudcodec.students.trainer.pick_device", pick)
    result = run("eval", rud, "--real", real, *QUICK, "--device", "mps:0")
    assert result.exit_code == 0, result.stderr
    assert {*asked} == {"mps:0"}


def test_networks_are_tried_before_any_is_trained(rud: Path, real: Path) -> None:
    result = run("eval", rud, "--real", real, *QUICK, "--nets", "convnet,lenet")
    assert "lenet can't take images of 8x8" in mistake(result)
    assert "student 1" not in result.stderr


def test_what_was_changed_of_a_recipe_is_said(rud: Path, real: Path, tmp_path: Path) -> None:
    options = ("--real", real, *QUICK, "--set", "lr=.5", "--set", "augment=crop,flip", "--set", "batch=.004k")
    said = run("eval", rud, *options)
    assert said.exit_code == 0, said.stderr
    assert "changed of the file's recipe: lr=0.5, augment=crop,flip, batch=4, steps=2\n" in said.stdout
    facts = json.loads(run("eval", rud, *options, "--json").stdout)
    assert facts["changes"] == {"lr": 0.5, "augment": ["crop", "flip"], "batch": 4, "steps": 2}
    page = tmp_path / "page.html"
    assert run("curve", rud, *options, "--baseline", "none", "-o", page).exit_code == 0
    assert "was changed: lr=0.5, augment=crop,flip, batch=4, steps=2" in page.read_text()


@pytest.mark.filterwarnings("default:.*changes nothing")
def test_what_changes_nothing_of_views_is_said(labelled: Path, real: Path) -> None:
    options = ("--real", real, *QUICK, "--set", "cutmix=255", "--set", "augment=")
    result = run("eval", labelled, *options)
    assert result.exit_code == 0
    assert "augment, cutmix changes nothing: its students see views" in result.stderr


def test_a_file_of_one_class_has_no_student(rud: Path, real: Path, tmp_path: Path) -> None:
    assert run("extract", rud, tmp_path / "one.rud", "--class", "ant").exit_code == 0
    result = run("eval", tmp_path / "one.rud", "--real", real, *QUICK)
    assert "the file has one class, ant: a classifier needs at least two classes" in mistake(result)


@pytest.mark.slow
def test_pages_say_how_long_each_kind_was_trained(labelled: Path, real: Path, tmp_path: Path) -> None:
    data = bitstream.decode(labelled.read_bytes())
    assert data.network is not None
    recipe = Recipe((128,) * 3, (64,) * 3, (), "adamw", 1003, 2)
    bitstream.write(replace(data, recipe=recipe), labelled)
    page = tmp_path / "page.html"
    options = ("--seeds", "1", "--nets", "mlp", "--device", "cpu", "--baseline", "none")
    assert run("curve", labelled, "--real", real, *options, "-o", page).exit_code == 0
    text = page.read_text()
    assert "1,000 steps (the files" in text and "1,003 steps (files)" in text


def test_each_number_stands_with_what_it_is_of(labelled: Path, real: Path) -> None:
    result = run("eval", labelled, "--real", real, *QUICK, "--nets", "convnet,mlp", "--baseline", "jpeg")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    (network,) = [line for line in lines if line.startswith("its label network itself: ")]
    assert network.endswith(" bytes") and "%" in network
    differences = [line for line in lines if " points over real images" in line]
    assert len(differences) == 2
    assert all(" (ConvNet-3 w4), " in line and " (MLP) points" in line for line in differences)


@pytest.mark.parametrize(("split", "warns"), [("train", True), ("all", True), ("val", False)])
def test_splits_that_files_are_made_from(rud: Path, real: Path, split: str, warns: bool) -> None:
    for command in (("eval", rud), ("compare", rud, rud)):
        result = run(*command, "--real", real, *QUICK, "--split", split)
        assert result.exit_code == 0, result.stderr
        assert (f"--split {split} has images that the file was made from" in result.stderr) == warns


@pytest.mark.parametrize(
    "flag", ["--seeds 3", "--steps 2", "--set lr=3", "--split val", "--device cpu", "--skip-bad", "--cache x"]
)
def test_flags_of_students_go_with_real_images(rud: Path, flag: str) -> None:
    """Without these none are trained; a flag that gives a default's value is one, too."""
    name, *value = flag.split()
    said = mistake(run("compare", rud, rud, name, *value))
    assert f"{name} is of --real: say on which images" in said
    assert "changes" not in json.loads(run("compare", rud, rud, "--json", "-v").stdout)


def test_images_of_other_classes_are_not_compared(rud: Path, tmp_path: Path) -> None:
    payload = bitstream.decode(rud.read_bytes())
    bitstream.write(replace(payload, classes=("dog", "eel", "fly")), tmp_path / "other.rud")
    facts = json.loads(run("compare", rud, tmp_path / "other.rud", "--json").stdout)
    assert facts["psnr"] is None and not facts["equal"]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("list.toml", 'preset = ["fast"]', "preset: ['fast'] is not a text"),
        ("log.json", '{"settings": {"utility_options": 5}}', "utility_options: 5 is not a table"),
        ("log.json", '{"settings": {"metadata": [1]}}', "metadata: [1] is not a table"),
    ],
)
def test_settings_of_wrong_types(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    result = run("compress", "digits", tmp_path / "out.rud", "--config", file)
    assert mistake(result) == f"rudcodec: {file}: {complaint}"


def test_settings_of_windows_editors(tmp_path: Path) -> None:
    file = tmp_path / "fast.toml"
    file.write_bytes(b"\xef\xbb\xbfpreset = 'nonsense'\n")
    result = run("compress", "digits", tmp_path / "out.rud", "--config", file)
    assert "'nonsense' is none of fast, balanced, best" in mistake(result)


def test_numbers_without_end_are_refused(tmp_path: Path) -> None:
    result = run("experts", "digits", tmp_path / "experts", "--lr", "inf")
    assert "'inf' is not a finite number" in mistake(result)
    result = run("compress", "digits", tmp_path / "out.rud", "--checkpoint-every", "nan")
    assert "'nan' is not a finite number" in mistake(result)
    file = tmp_path / "settings.toml"
    file.write_text(f"ipc = {10**400}\n")
    result = run("compress", "digits", tmp_path / "out.rud", "--bpc", "800", "--config", file)
    assert "ipc: a number of hundreds of digits; it must be finite" in mistake(result)
    file.unlink()
    assert not list(tmp_path.iterdir())


def test_a_report_does_not_go_to_standard_output(rud: Path, real: Path, tmp_path: Path) -> None:
    result = run("curve", rud, "--real", real, "-o", "-")
    assert mistake(result) == "rudcodec: a report is files or a folder, and doesn't go to standard output"


@pytest.mark.slow
def test_a_run_that_was_not_begun_does_not_go_on(tmp_path: Path) -> None:
    """Foreign files are no logs; the log of a run that had come to no checkpoint is begun anew."""
    notes, out = tmp_path / "notes.txt", tmp_path / "out.rud"
    notes.write_text("my notes\n")
    options = ("--bytes", "1kB", "--resume", "--set", "warmup=2", "--set", "joint=0", "--set", "tune=2")
    result = run("compress", "digits", out, *options, "--set", "utility=none", "--log", notes)
    assert "notes.txt: exists already" in mistake(result) and notes.read_text() == "my notes\n"
    log = tmp_path / "log.json"
    log.write_text('{"settings": {"bpc": 800.0}}\n')
    result = run("compress", "digits", out, *options, "--set", "utility=none", "--log", log)
    assert result.exit_code == 0, result.stderr
    assert f"begins anew: no unfinished run in {out}.run\n" in result.stderr
    assert log.read_text().count('"settings"') == 1


@pytest.mark.filterwarnings("default:the file has only")
def test_files_of_some_classes_are_judged_on_the_images_of_these(
    tmp_path: Path, real: Path, labelled: Path
) -> None:
    part, known = tmp_path / "part.rud", tmp_path / "known.npz"
    assert run("extract", labelled, part, "--class", "ant", "--class", "cicada").exit_code == 0
    with np.load(real) as arrays:
        rows = np.isin(arrays["labels"], (0, 2))
        np.savez(
            known,
            images=arrays["images"][rows],
            labels=arrays["labels"][rows] // 2,
            classes=["ant", "cicada"],
        )
    judging = ("--split", "all", *QUICK, "--baseline", "none", "--json")
    whole = run("eval", part, "--real", real, *judging)
    alone = run("eval", part, "--real", known, *judging)
    assert (whole.exit_code, alone.exit_code) == (0, 0)
    said = "the file has only ant, cicada: 2 of 3 classes; other real images are left out"
    assert whole.stderr.count(said) == 1 and said not in alone.stderr
    facts = [json.loads(result.stdout) for result in (whole, alone)]
    students = [[row["results"][0] for row in of_one["rows"] if row["results"]] for of_one in facts]
    seen = [[(one["real_images"], one["accuracies"]) for one in of_one] for of_one in students]
    assert seen[0] == seen[1] and seen[0][0][0] == 40 and facts[0]["classes"] == ["ant", "cicada"]


@pytest.mark.filterwarnings("default:the file has only")
def test_a_split_without_the_classes_of_a_file_is_refused(tmp_path: Path, labelled: Path) -> None:
    real = tmp_path / "others.npz"
    images = np.zeros((8, 8, 8, 3), np.uint8)
    np.savez(real, images=images, labels=np.arange(8) % 2 + 2, classes=["ant", "bee", "cicada", "drone"])
    part = tmp_path / "part.rud"
    assert run("extract", labelled, part, "--class", "ant", "--class", "bee").exit_code == 0
    result = run("eval", part, "--real", real, "--split", "all", *QUICK, "--baseline", "none")
    assert mistake(result).endswith("has no image of the classes ant, bee")


def test_files_of_other_classes_are_not_compared_by_students(
    tmp_path: Path, real: Path, labelled: Path
) -> None:
    part = tmp_path / "part.rud"
    assert run("extract", labelled, part, "--class", "ant", "--class", "bee").exit_code == 0
    words = ("--real", real, "--split", "all", *QUICK)
    for command in (("compare", labelled, part), ("curve", labelled, part, "-o", tmp_path / "curve")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = run(*command, *words)
        assert "accuracies on different classes don't compare (cicada is in one of them only)" in mistake(
            result
        )
    assert not (tmp_path / "curve").exists()


def test_rows_of_a_comparison_have_names_of_their_own(labelled: Path) -> None:
    rows = json.loads(run("compare", labelled, labelled, "--json").stdout)["rows"]
    names = [row["name"] for row in rows]
    assert len({*names}) == len(names) and all(name == name.strip() for name in names)
    assert {"bytes", "bytes, images", "images", "recipe, images"} <= {*names}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which takes nothing")
@pytest.mark.parametrize("name", ["eval", "compare"])
def test_what_could_not_be_written_is_kept(name: str, labelled: Path, real: Path, tmp_path: Path) -> None:
    """Students may have taken hours; the same command takes them from the cache."""
    words = [name, labelled, *([labelled] if name == "compare" else []), "--real", real, *QUICK]
    command = [sys.executable, "-m", "rudcodec.cli", *map(str, words), "--nets", "mlp", "--json"]
    environment = os.environ | {"RUDCODEC_CACHE": str(tmp_path / "cache")}
    with Path("/dev/full").open("w") as full:
        first = subprocess.run(command, check=False, stdout=full, stderr=subprocess.PIPE, env=environment)
    assert (first.returncode, first.stderr.decode().count("Traceback")) == (2, 0)
    assert "no space left on device" in first.stderr.decode()
    second = subprocess.run(command, check=True, capture_output=True, env=environment)
    assert "going on from there" in second.stderr.decode()
    assert "student 1/" not in second.stderr.decode()
    assert json.loads(second.stdout)["rows"]
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_names_that_are_not_utf8_reach_reports(labelled: Path, real: Path, tmp_path: Path) -> None:
    odd = labelled.with_name(os.fsdecode(b"a\xff.rud"))
    try:
        labelled.rename(odd)
        folder = real.rename(real.with_name(os.fsdecode(b"r\xe9.npz")))
    except OSError:
        pytest.skip("the file system takes no such names")
    outputs = [tmp_path / f"out.{suffix}" for suffix in ("tsv", "html", "png", "svg")]
    targets = [word for path in outputs for word in ("-o", path)]
    result = run("curve", odd, "--real", folder, *QUICK, "--nets", "mlp", "--baseline", "none", *targets)
    assert result.exit_code == 0, result.stderr
    assert "a\\udcff.rud" in outputs[0].read_text() and "r\\udce9" in outputs[1].read_text()
    assert all(path.stat().st_size for path in outputs)


def test_quiet_commands_warn_of_images_that_the_file_was_made_from(rud: Path, real: Path) -> None:
    result = run("eval", "-q", rud, "--real", real, *QUICK, "--split", "all")
    assert result.exit_code == 0 and "warning: --split all has images that the file" in result.stderr
