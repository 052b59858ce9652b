"""Hooks of mkdocs: README, format and change log are pages of the site too, though they stand elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "bitstream_spec.md": "bitstream_spec.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#]+)(#[^)]*)?(?=\))")
ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):(?=<code>)")


def on_files(files: Files, *, config: Any) -> Files:
    """Adds the pages that stand in the repository's own folder."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Links to pages lead to where the site has them, those to other files to the repository."""
    folder = ROOT if page.file.src_uri in PAGES.values() else ROOT / "docs"

    def target(match: re.Match[str]) -> str:
        path = (folder / match[1]).resolve().relative_to(ROOT).as_posix()
        own = PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        return (own or f"{config.repo_url}/blob/main/{path}") + (match[2] or "")

    return LINK.sub(target, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Roles in docstrings (``:func:`name```) are the name alone."""
    return ROLE.sub("", html)
