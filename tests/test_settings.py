"""Settings: one schema for the command line, Python, checks and documentation."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rudcodec.cli.main import main
from rudcodec.errors import SettingError
from rudcodec.options import parse_option
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
