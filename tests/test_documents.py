"""What the documents and the examples show works: their Python is run, their command lines are parsed."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
from conftest import stripes
from golden_payloads import layer, random_labels, random_payload
from PIL import Image

import rudcodec
from rudcodec import bitstream
from rudcodec.cli.main import main
from rudcodec.payload import Architecture, LabelLayer, Recipe

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile")),
    *sorted((ROOT / "docs").glob("*.md")),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a set ``cifar10/`` and a file ``cifar10.rud`` that has a label network."""
    monkeypatch.chdir(tmp_path)
    data = stripes(3)
    for number, (image, label) in enumerate(zip(data.images, data.labels, strict=True)):
        path = tmp_path / "cifar10" / data.classes[label] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    architecture = Architecture(8, 8, 3, (2, 1), (3,), (layer(3, relu=False),))
    recipe = Recipe(mean=(128,) * 3, std=(64,) * 3, augment=("flip",), steps=2, batch=4)
    images = random_payload(architecture, [(2, 2)], seed=1, classes=data.classes, recipe=recipe)
    bitstream.write(random_labels(images, (LabelLayer(4, "mean"),), seed=1), tmp_path / "cifar10.rud")
    return tmp_path


def with_settings(function: Callable[..., Any], **settings: Any) -> Callable[..., Any]:
    """The function, with some of its arguments replaced by quick ones."""

    def quick(*args: Any, **changes: Any) -> Any:
        return function(*args, **{**changes, **settings})

    return quick


PAGES = [str(path.relative_to(ROOT)) for path in DOCUMENTS if "```python" in path.read_text()]
WRITTEN = {
    "README.md": {"cifar10.rud"},
    "docs/quick_start.md": set(),
    "docs/python.md": {"small.rud", "synth", "synth.npz", "synth.tar", "again.npz"},
    "docs/sources.md": {"cifar10.rud", "cifar100.rud", "mine.rud"},
}


@pytest.mark.slow
@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("name", PAGES)
def test_python_in_documents(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs, with less training, and on small sets in place of those that would be downloaded."""
    pytest.importorskip("torch")
    datasets, torchvision = pytest.importorskip("datasets"), pytest.importorskip("torchvision.datasets")
    code = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL))
    short = {"bpc": 1500, "ipc": 2, "warmup": 2, "joint": 0, "tune": 2, "device": "cpu"}
    compress = with_settings(rudcodec.compress, **short)
    evaluate = with_settings(rudcodec.evaluate, steps=1, seeds=1, device="cpu")
    monkeypatch.setattr(rudcodec, "compress", compress, raising=False)
    monkeypatch.setattr(rudcodec, "evaluate", evaluate, raising=False)
    real = stripes(3)
    items = [
        (Image.fromarray(image), int(label)) for image, label in zip(real.images, real.labels, strict=True)
    ]
    monkeypatch.setattr(torchvision, "CIFAR100", lambda root: items)
    table = datasets.Dataset.from_dict(
        {"image": [image for image, _ in items], "label": [n for _, n in items]}
    )
    monkeypatch.setattr(datasets, "load_dataset", lambda name: {"train": table})
    (folder / "digits.rud").write_bytes((folder / "cifar10.rud").read_bytes())
    old = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    found: dict[str, Any] = {"images": real.images, "labels": real.labels}
    exec(compile(code, name, "exec"), found)
    assert name == "docs/sources.md" or found["data"].images.shape == (4, 8, 8, 3)
    written = {
        path.name for path in folder.iterdir() if path.is_dir() or path.read_bytes() != old.get(path.name)
    }
    assert written - {"cifar10"} == WRITTEN[name]
    for file in written & {"cifar10.rud", "small.rud", "cifar100.rud", "mine.rud"}:
        assert rudcodec.load(file).counts == (2, 2)


@pytest.mark.slow
@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("name", ["train_on_a_file", "make_a_file"])
def test_notebooks(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their cells run, one after another, with less training."""
    pytest.importorskip("torch")
    (folder / "digits.rud").write_bytes((ROOT / "examples" / "digits.rud").read_bytes())
    short = {"ipc": 2, "warmup": 2, "joint": 0, "tune": 2, "device": "cpu"}
    monkeypatch.setattr(rudcodec, "compress", with_settings(rudcodec.compress, **short), raising=False)
    monkeypatch.setattr(
        rudcodec, "evaluate", with_settings(rudcodec.evaluate, steps=1, seeds=1), raising=False
    )
    notebook = json.loads((ROOT / "examples" / f"{name}.ipynb").read_text())
    found: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), name, "exec"), found)
            assert not any(output["output_type"] == "error" for output in cell["outputs"])
    assert len(found["data"].classes) == 10
    assert name == "train_on_a_file" or rudcodec.load("threes_and_eights.rud").classes == ("3", "8")


@pytest.mark.parametrize("name", ["train_on_rud", "train_on_views"])
def test_examples(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(sys, "argv", [name, "cifar10.rud", "cifar10/"])
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
    assert re.match(r"accuracy \d+\.\d %", capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "package"),
    [("train_resnet18", "torchvision"), ("train_lightning", "lightning"), ("train_timm", "timm")],
)
def test_examples_with_other_packages(name: str, package: str, folder: Path) -> None:
    """In processes of their own, as users run them: these packages warn of torch's newest version."""
    if find_spec(package) is None:
        pytest.skip(f"examples/{name}.py needs {package}: pip install {package}")
    line = [sys.executable, str(ROOT / "examples" / f"{name}.py"), "cifar10.rud", "cifar10/"]
    result = subprocess.run(line, capture_output=True, text=True, timeout=200, check=False)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^accuracy \d+\.\d %", result.stdout, re.MULTILINE)


def test_training_a_resnet18_takes_six_lines() -> None:
    """Between the imports and what only measures it."""
    text = (ROOT / "examples" / "train_resnet18.py").read_text()
    training = text.split("import rudcodec\n\n")[1].split("\n\n")[0]
    assert len(training.splitlines()) == 6
    assert textwrap.indent(training, "    ") in (ROOT / "docs" / "python.md").read_text()


def command_lines(text: str) -> Iterator[list[str]]:
    """Each ``rudcodec ...`` that stands in a line of its own or in backticks, as words.

    Torchrun's count as well. What is left out (``...``) is left out, with the option whose value it is.
    """
    program = r"(?:\$\(BIN\)/)?rudcodec|torchrun [^`\n]*?-m -- rudcodec\.cli"
    own_line = rf"^(?:    |\t)(?:{program}) (.*?)(?:  +#.*)?$"
    in_backticks = rf"`(?:{program}) ([^`]+)`"
    for match in re.finditer(rf"{own_line}|{in_backticks}", text, re.MULTILINE):
        words = shlex.split(match[1] or match[2])
        while "..." in words:
            at = words.index("...")
            del words[at - words[at - 1].startswith("-") : at + 1]
        yield words


LINES = [
    pytest.param(words, id=f"{path.name}: {' '.join(words)}")
    for path in DOCUMENTS
    for words in command_lines(path.read_text())
    if len(words) > 1
]


@pytest.mark.parametrize("words", LINES)
def test_command_lines(words: list[str]) -> None:
    """The command and its options exist, and their values are of the right kind; nothing is run."""
    pytest.importorskip("torch")
    words = ["2" if word in ("N", "X") else word for word in words]
    command = main.commands[words[0]]
    command.make_context(words[0], words[1:])


def test_command_lines_are_found_and_checked() -> None:
    """The check above sees the README's and the other documents', and notices an option that isn't there."""
    assert sum(1 for _ in command_lines((ROOT / "README.md").read_text())) >= 5
    assert len(LINES) > 50
    (words,) = command_lines("    rudcodec info --bytes x.rud   # no such option\n")
    with pytest.raises(click.NoSuchOption):
        main.commands[words[0]].make_context(words[0], words[1:])
    assert list(command_lines("by `rudcodec eval\nx.rud --real SRC --split ...`")) == [
        ["eval", "x.rud", "--real", "SRC"]
    ]


def test_how_it_works_names_every_part_of_the_code() -> None:
    text = (ROOT / "docs" / "how_it_works.md").read_text()
    named = set(re.findall(r"`(?:\w+/)?([\w.]+)`", text[text.index("## In the code") :]))
    parts = {path.name for path in (ROOT / "rudcodec").iterdir() if not path.name.startswith("_")}
    assert parts - {"py.typed"} <= named
