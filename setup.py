"""The metadata is in pyproject.toml; only this can't be said there: packages found and one that is mapped."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["rudcodec", "rudcodec.*"]), "rudcodec.cli"],
    package_dir={"rudcodec.cli": "cli"},
)
