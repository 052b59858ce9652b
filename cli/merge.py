"""``rudcodec merge``: one .rud file out of several."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import click

from rudcodec.text import counted, shown

from .commands import command
from .outputs import Destination, check_outputs, force_flag, write_file
from .values import Input, naming, read_input


@command("merge", "Put the images of several .rud files into one.")
@click.argument("files", metavar="FILE...", type=Input(), nargs=-1, required=True)
@click.option("-o", "--out", metavar="OUT", type=Destination(), required=True, help="The new file.")
@force_flag
def merge(files: tuple[str, ...], out: Path, force: bool) -> None:
    """Put the images of several .rud files into one.

    One FILE may be -, standard input; OUT may be -, standard output. Nothing is decoded or encoded anew.
    Classes of the same name become one class. The recipe is that of the first FILE. The images must have one
    size, and the files one kind of labels.
    """
    from rudcodec import bitstream

    check_outputs([out], force)
    for file, times in Counter(files).items():
        if times > 1 and file != "-":  # which can't be read twice
            message = f"{shown(file)} is given {times} times: OUT has its images as often"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
    contents = []
    for file in files:
        contents.append(read_input(file))
        with naming(file):
            bitstream.parse(contents[-1])
    merged = bitstream.merge(contents, [shown(file) for file in files])
    write_file(merged, out, f", out of {counted(len(files), 'file')}")
