"""Settings in a file: TOML, and what --log wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rudcodec.cli.main import main
from rudcodec.errors import SettingError
from rudcodec.settings import Settings
from rudcodec.settings_file import parse_settings_file

TOML = """
preset = "fast"
bpc = "50k"      # or 50000
labels = "hard"
flip = false

[mm]
runs = 2
"""


def test_toml() -> None:
    given = parse_settings_file(TOML)
    assert given == {
        "preset": "fast",
        "bpc": 50_000,
        "labels": "hard",
        "flip": False,
        "utility_options": {"mm.runs": 2},
    }
    assert Settings.preset(**given).warmup == 60


def test_floats_of_toml_may_be_whole_numbers() -> None:
    given = parse_settings_file("label_views = 1e6\nbalance = 2.5\n[mm]\nsteps = 6e2\n")
    assert given == {"label_views": 1_000_000, "balance": 2.5, "utility_options": {"mm.steps": 600}}
    assert Settings(**given).label_views == 1_000_000
    with pytest.raises(SettingError, match=r"label_views: 0\.5 is not a whole number"):
        parse_settings_file("label_views = 0.5")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("bpc = ", "is not TOML"),
        ("seed = 1" + "0" * 400, "seed: a number of hundreds of digits; it must be below"),
        ("seed = 1" + "0" * 5000, "is not TOML"),
        ("seed = " + "[" * 100_000, "is not TOML"),
        ('{"settings": ' + "[" * 100_000, "line 1 is not JSON"),
        ("warmups = 3", "there is no setting 'warmups'; is it 'warmup'?"),
        ("bpc = 'lots'", "bpc: 'lots' is not a number"),
        ("seed = -1", "seed: -1; it must be at least 0"),
        ("bytes = 1000", "there is no setting 'bytes', only bpc, lmbda, ipc"),
        ("[nn]\nruns = 3", "[nn]: no utility is called so"),
        ('{"stage": "joint"}\n', "has no settings"),
        ('{"settings": \n', "line 1 is not JSON"),
        ('{"settings": {"warmups": 3}}', "is it 'warmup'?"),
    ],
)
def test_what_is_no_file_of_settings(text: str, complaint: str) -> None:
    with pytest.raises(SettingError, match=re.escape(complaint)):
        parse_settings_file(text)


def test_the_example_in_the_documents() -> None:
    page = (Path(__file__).parents[1] / "docs" / "compress.md").read_text()
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    settings = Settings.preset(**parse_settings_file(text))
    assert (settings.warmup, settings.joint, settings.utility_options) == (400, 60, {"mm.runs": 8})


def test_a_log_gives_the_last_settings() -> None:
    first, last = Settings(bpc=10), Settings(bpc=20, utility="dm", utility_options={"dm.width": "8"})
    records: list[dict[str, Any]] = [
        {"settings": first.as_dict()},
        {"stage": "joint", "step": 3},
        {"settings": last.as_dict()},
    ]
    text = "".join(json.dumps(record) + "\n" for record in records)
    assert Settings(**parse_settings_file(text)) == last


def test_a_log_without_a_budget_has_none_again() -> None:
    record = {"settings": {"bpc": 5000.0, "lmbda": 0.01, "ipc": 3}}
    assert parse_settings_file(json.dumps(record)) == {"lmbda": 0.01, "ipc": 3}


def test_wrong_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    for text, complaint in (("bpc = -3", "bpc: -3"), ("warmup = 0.5", "warmup: 0.5"), ("set = 3", "'set'")):
        file.write_text(text)
        result = CliRunner().invoke(main, ["compress", "digits", str(tmp_path / "a"), "--config", str(file)])
        assert result.exit_code == 2 and complaint in result.stderr and result.stderr.count("\n") == 1
    result = CliRunner().invoke(main, ["compress", "digits", "a", "--config", str(tmp_path / "absent")])
    assert result.exit_code == 2 and "absent" in result.stderr
