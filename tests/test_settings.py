"""Settings: one schema for the command line, Python, checks and documentation."""

from __future__ import annotations

import re
import runpy
import typing
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from click.testing import CliRunner

import rudcodec
from rudcodec.cli.main import main
from rudcodec.data.reading import Reading
from rudcodec.errors import DataError, SettingError
from rudcodec.options import parse_option
from rudcodec.overrides import Overrides, check_names
from rudcodec.plugins import LABEL_MODES, UTILITIES
from rudcodec.settings import Settings, parse_settings

DOCS = Path(__file__).parents[1] / "docs"


def test_the_documentation_is_that_of_the_program() -> None:
    pytest.importorskip("torch")
    text = runpy.run_path(str(DOCS / "make_settings.py"))["text"]()
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("bpc", "50k", 50_000.0),
        ("bpc", "1e5", 100_000.0),
        ("lmbda", "0.02", 0.02),
        ("lmbda", "none", None),
        ("ipc", "12", 12),
        ("joint", "0", 0),
        ("flip", "false", False),
        ("share", "class", "class"),
        ("label_views", "1.5M", 1_500_000),
    ],
)
def test_texts_have_values(name: str, text: str, value: Any) -> None:
    assert parse_option(Settings, name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("warmups", "3", "there is no setting 'warmups'; is it 'warmup'?"),
        ("warmup", "2.5", "warmup: '2.5' is not a whole number"),
        ("warmup", "many", "warmup: 'many' is not a number"),
        ("flip", "maybe", "flip: 'maybe' is neither true nor false"),
    ],
)
def test_texts_that_are_no_values(name: str, text: str, message: str) -> None:
    with pytest.raises(SettingError, match=message.replace("?", r"\?")):
        parse_option(Settings, name, text)


def test_options_of_utilities_stand_apart() -> None:
    changes = parse_settings([("warmup", "7"), ("mm.runs", "2"), ("mm.steps", "3")])
    assert changes == {"warmup": 7, "utility_options": {"mm.runs": "2", "mm.steps": "3"}}
    assert "mm.runs=2" in str(Settings(bpc=1000, **changes))


def test_mappings_of_any_kind_become_dictionaries() -> None:
    given = MappingProxyType({"licence": "CC0"})
    assert Settings(metadata=given).as_dict()["metadata"] == {"licence": "CC0"}
    assert Settings(utility_options=MappingProxyType({"mm.runs": 2})).utility_options == {"mm.runs": 2}


def test_joint_epochs_of_a_distilled_set_need_a_utility() -> None:
    with pytest.raises(SettingError, match="joint: a distilled set is coded as it is"):
        Settings.preset("fast", distilled=True, bpc=1000, joint=5)
    assert Settings.preset("fast", distilled=True, bpc=1000, joint=5, utility="gm").joint == 5


def test_names_are_those_of_the_registries() -> None:
    assert LABEL_MODES.names()[:3] == ("hard", "soft", "network")
    assert UTILITIES.names()[:4] == ("mm", "dm", "gm", "tm")
    help_text = CliRunner().invoke(main, ["compress", "--help-all"]).stdout
    for flag in ("--bpc", "--lmbda", "--labels", "--utility", "--share", "--seed", "--flip / --no-flip"):
        assert flag in help_text


def test_devices_are_texts_or_those_of_torch() -> None:
    torch = pytest.importorskip("torch")
    assert Settings(device=torch.device("cuda", 1)) == Settings(device="cuda:1")


def test_compress_reads_sources_as_it_is_told(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(DataError, match="has no class eleven"):
        rudcodec.compress("digits", tmp_path / "out.rud", bpc=2000, reading=Reading(classes=("eleven",)))


def test_settings_as_keyword_arguments_are_all_there() -> None:
    assert typing.get_type_hints(Overrides) == typing.get_type_hints(Settings)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bcp", "there is no setting 'bcp'; is it 'bpc'?"),
        ("lambda_", "there is no setting 'lambda_'; is it 'lmbda'?"),
        ("checkpoint", "there is no setting 'checkpoint'; is it 'checkpoints'?"),
        ("xyzzy", "there is no setting 'xyzzy'"),
    ],
)
def test_an_argument_with_another_name_is_refused_at_once(name: str, text: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(SettingError) as caught:
        rudcodec.compress(tmp_path / "none", tmp_path / "out.rud", **{name: 1})  # type: ignore[arg-type]
    assert str(caught.value) == text
    check_names(["bpc", "joint"], [])


@pytest.mark.slow
def test_type_checkers_know_the_settings(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    pytest.importorskip("torch")
    good = 'import rudcodec\nrudcodec.compress("a", "b.rud", bpc=800, joint=3, flip=None)\n'
    bad = (
        'import rudcodec\nrudcodec.compress("a", "b.rud", bcp=800)\nrudcodec.compress("a", "b", joint="3")\n'
    )
    (tmp_path / "good.py").write_text(good)
    (tmp_path / "bad.py").write_text(bad)
    root = DOCS.parent
    files = [str(tmp_path / "good.py"), str(tmp_path / "bad.py")]
    options = [f"--config-file={root / 'pyproject.toml'}", f"--cache-dir={root / '.mypy_cache'}"]
    output, _, code = api.run(["--follow-imports=silent", *options, *files])
    lines = [line for line in output.splitlines() if ": error: " in line]
    assert code == 1 and len(lines) == 2 and all("bad.py" in line for line in lines), output
    assert 'Unexpected keyword argument "bcp"' in lines[0] and '"joint"' in lines[1]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"balance": 1e39}, "balance: 1e+39; it must be below 1e+30"),
        ({"lmbda": 1e308}, "lmbda: 1e+308; it must be below 1e+30"),
        ({"utility_options": {"mm.width": 10**9}}, "mm.width: 1,000,000,000; it must be at most 65,536"),
    ],
)
def test_numbers_that_nothing_can_be_computed_by(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingError, match=re.escape(text)):
        Settings(**wrong)


@pytest.mark.parametrize("options", [5, ["mm.runs"], {1: 2}])
def test_options_of_utilities_have_names(options: Any) -> None:
    with pytest.raises(SettingError, match="utility_options must be a dictionary by names"):
        Settings(utility_options=options)
