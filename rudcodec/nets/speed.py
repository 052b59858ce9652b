"""Making networks fast by number format, memory and compiler. Results differ by rounding only."""

from __future__ import annotations

import ctypes
import functools
import logging
import platform
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, ParamSpec, TypeVar

import torch

from rudcodec.progress import activity

# How many reads of memory an intermediate result may cost before the compiler stores it: with the compiler's
# own threshold the gradients of norms are slow (experiments/2026-11-cost.md).
_COMPILER_OPTIONS: dict[str, Any] = {"realize_reads_threshold": 16}

# Training images x pixels x width from which on torch.compile earns its time back (see experiments/).
_COMPILE_FROM = 100_000 * 32 * 32 * 128

P = ParamSpec("P")
T = TypeVar("T")


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; elsewhere it is emulated, slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    probes = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
    return device.type == "cpu" and any(probe is not None and probe() for probe in probes)


def computes_on(device: torch.device) -> str:
    """What a device is, as far as results depend on it: with another one they are others."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    numbers = "bfloat16" if has_fast_bf16(device) else "float32"
    return f"cpu ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, {numbers})"


@contextmanager
def autocast(device: torch.device) -> Iterator[None]:
    """bf16 autocast where the hardware has it, else float32."""
    torch.clear_autocast_cache()  # within a caller's autocast it would keep weights as they once were
    with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device)):
        yield


@functools.cache
def keep_freed_memory() -> None:
    """Make glibc keep large freed blocks instead of returning them to the kernel; a no-op on other platforms.

    Each activation of a training step is otherwise mapped, zeroed page by page, and unmapped again, which is
    a good part of a small ConvNet's step on CPU. The process then keeps its peak memory.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(-4, 0)  # M_MMAP_MAX: no block of its own mapping
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: never shrink the heap


def has_compiler(device: torch.device) -> bool:
    """Whether torch.compile has what it needs: a C++ compiler for CPU, Triton for CUDA."""
    if device.type == "cuda":
        from importlib.util import find_spec

        return find_spec("triton") is not None
    return device.type == "cpu" and any(shutil.which(name) for name in ("g++", "clang++"))


def repays_compiling(work: float, device: torch.device, factor: float = 1.0) -> bool:
    """Whether compiling saves more time than it takes, and there is a compiler.

    ``work``: images trained on x pixels x width of a ConvNet; ``factor``: how many times as long as the
    training of a ConvNet it takes.
    """
    return work * factor >= _COMPILE_FROM and has_compiler(device)


def compiled(function: Callable[P, T], dynamic: bool = False) -> Callable[P, T]:
    """``torch.compile(function)``, for fixed shapes unless ``dynamic``.

    Falls back to ``function``, with one warning, if its first call fails. Compile what computes the loss: a
    failure then comes before any weight has changed.
    """
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # "No CUDA runtime is found"
    fast = torch.compile(function, dynamic=dynamic, options=_COMPILER_OPTIONS)
    return _Compiled(function, fast, dynamic)


class _Compiled(Generic[P, T]):
    """A compiled function; the plain one once the compiler has failed."""

    def __init__(self, plain: Callable[P, T], fast: Callable[P, T], dynamic: bool) -> None:
        self._plain, self._function = plain, fast
        self._dynamic = dynamic
        self._proven = False
        self._shapes: set[tuple[object, ...]] = set()  # the compiler works anew for others

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        shapes = () if self._dynamic else tuple(getattr(arg, "shape", None) for arg in args)
        if shapes in self._shapes:
            return self._function(*args, **kwargs)
        self._shapes.add(shapes)
        with activity("compiling"):
            return self._compile(*args, **kwargs)

    def _compile(self, *args: P.args, **kwargs: P.kwargs) -> T:
        if self._proven:
            return self._function(*args, **kwargs)
        try:
            result = self._function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  (a compiler can fail with anything)
            reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            warnings.warn(f"torch.compile failed, running without it: {reason}", RuntimeWarning, stacklevel=2)
            self._function = self._plain
            result = self._plain(*args, **kwargs)
        self._proven = True
        return result
