"""Names of devices. Needs no torch, so that the command line can refuse a wrong one at once."""

from __future__ import annotations

from rudcodec.errors import SettingError

AUTO = "auto"
# Those of torch, whose own list can't be had without importing it.
DEVICES = (AUTO, "cpu", "cuda", "mps", "xpu", "hpu", "mtia", "xla")


def check_device(name: str) -> None:
    """Raise SettingError for a name that no device of torch's can have; ``cuda:1`` is the second one."""
    kind, colon, number = name.partition(":")
    is_numbered = number.isascii() and number.isdigit() and kind != AUTO
    if kind not in DEVICES or (colon and not is_numbered):
        raise SettingError(f"device: {name!r} is none of {', '.join(DEVICES)}, nor one such as cuda:1")
