"""Documents as a whole: every link leads somewhere, and the site is built from them without a complaint."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for folder in (".", "docs", "experiments", "examples")
    for path in (ROOT / folder).glob("*.md")
    if path.is_file()
)
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")


def anchors(path: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(path: Path) -> list[str]:
    """The links of a page that lead to no file, or to no heading of one."""
    text = re.sub(r"`[^`\n]*`", "", path.read_text(encoding="utf-8"))
    broken = []
    for match in LINK.finditer(text):
        link = match[1] or match[2]
        name, _, anchor = link.partition("#")
        if re.match(r"https://\S+\.\S+|mailto:", link):
            continue
        target = (path.parent / name).resolve() if name else path
        from_docstring = target.name == "api.md"  # whose headings the site alone has
        if not target.exists() or (anchor and not from_docstring and anchor not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert broken_links(path) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A b\n[x](#a-b) [x](page.md#a-b) [x](https://a.org) [y](#no) [y](no.md) ![y](http://a.org)\n"
    )
    assert broken_links(page) == ["#no", "no.md", "http://a.org"]


def test_toml_in_documents() -> None:
    blocks = [
        (path.name, text)
        for path in DOCUMENTS
        for text in re.findall(
            r"^```toml\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        )
    ]
    assert len(blocks) >= 2
    for name, text in blocks:
        assert tomllib.loads(text), name


@pytest.mark.slow
def test_the_site_is_built_without_a_complaint(tmp_path: Path) -> None:
    if not (find_spec("mkdocs") and find_spec("material") and find_spec("mkdocstrings")):
        pytest.skip("needs the site's packages: pip install '.[docs]'")
    pytest.importorskip("torch")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    api = (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
    for name in ("rudcodec.load", "rudcodec.distill.compress", "rudcodec.synthetic.SyntheticSet.batches"):
        assert f'id="{name}"' in api
    home = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert (
        'href="quick_start/"' in home and "github.com/rudcodec/rudcodec/blob/main/examples/README.md" in home
    )
