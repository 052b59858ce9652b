"""``rudcodec verify``: is a .rud file whole, and does it decode here to the pixels its encoder saw?"""

from __future__ import annotations

import json

import click

from rudcodec.errors import RudError
from rudcodec.text import shown

from .commands import command, is_quiet
from .values import Input, naming, read_input


@command("verify", "Check a file's checksums and decoded pixels.")
@click.argument("files", metavar="FILE...", type=Input(), nargs=-1, required=True)
@click.option("--strict", is_flag=True, help="Refuse what may take more than seconds to decode.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def verify(files: tuple[str, ...], strict: bool, as_json: bool) -> None:
    """Check all checksums of each FILE (- is standard input), decode it, and check its pixels' digest.

    Exit code 2 if any FILE fails. --strict is for files of strangers: large sets fail, too.
    """
    from rudcodec import bitstream

    results = []
    for file in files:
        error = None
        try:
            data = read_input(file)
            with naming(file):
                bitstream.decode_images(data, strict=strict)
        except RudError as reason:
            error = str(reason)
        results.append({"file": file, "ok": error is None, "error": error})
        if not as_json and not (error is None and is_quiet()):
            click.echo(f"{shown(file)}: ok" if error is None else f"rudcodec: {error}", err=error is not None)
    if as_json:
        click.echo(json.dumps(results, indent=1))
    if not all(result["ok"] for result in results):
        raise click.exceptions.Exit(2)
