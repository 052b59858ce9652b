"""The metadata is in pyproject.toml; here is what can't be said there: packages found, one that is mapped,
and README.md with links that also work where it is shown away from the repository."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = "https://github.com/rudcodec/rudcodec/blob/main/"
PICTURES = "https://raw.githubusercontent.com/rudcodec/rudcodec/main/"


def readme() -> str:
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    text = re.sub(r"(!\[[^]]*\]\()(?!https?:)", rf"\1{PICTURES}", text)
    return re.sub(r"(\]\()(?!https?:|#)", rf"\1{HERE}", text)


setup(
    packages=[*find_packages(include=["rudcodec", "rudcodec.*"]), "rudcodec.cli"],
    package_dir={"rudcodec.cli": "cli"},
    long_description=readme(),
    long_description_content_type="text/markdown",
)
