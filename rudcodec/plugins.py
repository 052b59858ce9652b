"""Things that are chosen by name: those this package has, and those other packages add by entry points."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from rudcodec.errors import SettingError


@dataclass(frozen=True)
class Registry:
    """One kind of thing, such as students. Nothing is imported before it is loaded by its name.

    Attributes:
        group: the entry points' group; a package adds to it in its ``pyproject.toml``.
        builtins: this package's own, in the order in which they are listed: what each name stands for, as
            ``"module:attribute"``, just as an entry point says it. No entry point can replace one.
    """

    group: str
    builtins: Mapping[str, str] = field(default_factory=dict)
    _added: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def add(self, name: str, target: str) -> None:
        """Let this process know a name, too, for what is in a script rather than in an installed package.

        ``target`` is ``"module:attribute"``. Built-in names can't be replaced.
        """
        self._added[name] = target

    def names(self) -> tuple[str, ...]:
        """All that can be loaded: built-in ones, those added, then those of installed packages, sorted."""
        return tuple(dict.fromkeys((*self.builtins, *self._added, *_installed(self.group))))

    def load(self, name: str) -> Any:
        """Import what a name stands for.

        Raises:
            SettingError: the name is unknown, or the package that offers it can't be imported.
        """
        if name in self.builtins:
            return EntryPoint(name, self.builtins[name], self.group).load()
        if name not in self.names():
            raise SettingError(f"{name!r} is none of {', '.join(self.names())} (entry points {self.group})")
        added = self._added.get(name)
        point = EntryPoint(name, added, self.group) if added else _installed(self.group)[name]
        try:
            return point.load()
        except Exception as error:  # importing another package's code can fail with anything
            raise SettingError(
                f"{name}: {point.value} can't be loaded ({type(error).__name__}: {error})"
            ) from error

    def load_class(self, name: str, base: type) -> Any:
        """The same of a name that stands for a class. Raises SettingError also where it is no class that can
        be made an instance of, derived from ``base``."""
        loaded = self.load(name)
        if not inspect.isclass(loaded) or not issubclass(loaded, base) or inspect.isabstract(loaded):
            raise SettingError(f"{name} must be a whole subclass of {base.__module__}.{base.__qualname__}")
        return loaded

    def origin(self, name: str) -> str:
        """What tells another package's code of a name from what it was before: a checksum of its module.
        Nothing for this package's own, which its version tells; nor where the source isn't to be seen.

        Raises SettingError, as :meth:`load`.
        """
        if name in self.builtins:
            return ""
        loaded = self.load(name)
        source = getattr(sys.modules.get(getattr(loaded, "__module__", "")), "__file__", None)
        try:
            return hashlib.sha256(Path(source).read_bytes()).hexdigest()[:16] if source else ""
        except OSError:
            return ""


@cache  # looks through all installed packages
def _installed(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group by name, sorted; where two packages offer a name, the first one found."""
    points: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        points.setdefault(point.name, point)
    return dict(sorted(points.items()))


UTILITIES = Registry(
    "rudcodec.utilities",
    {
        "mm": "rudcodec.utility.mm:MomentMatching",
        "dm": "rudcodec.utility.dm:DistributionMatching",
        "gm": "rudcodec.utility.gm:GradientMatching",
        "tm": "rudcodec.utility.tm:TrajectoryMatching",
    },
)
"""Subclasses of :class:`rudcodec.utility.Utility`."""

LABEL_MODES = Registry(
    "rudcodec.label_modes",
    {
        "hard": "rudcodec.labels.hard:HardLabels",
        "soft": "rudcodec.labels.soft:TeacherLabels",
        "network": "rudcodec.labels.network:NetworkLabels",
    },
)
"""Subclasses of :class:`rudcodec.labels.LabelMode`."""

NETS = Registry(
    "rudcodec.nets",
    {
        "convnet": "rudcodec.nets.convnet:ConvNet.as_published",
        "alexnet": "rudcodec.nets.classic:alexnet",
        "vgg11": "rudcodec.nets.classic:vgg11",
        "resnet18": "rudcodec.nets.classic:resnet18",
        "lenet": "rudcodec.nets.classic:lenet",
        "mlp": "rudcodec.nets.classic:mlp",
        "vit": "rudcodec.nets.vit:ViT",
    },
)
"""Students' networks: functions of (channels, classes, (height, width)) that return a module."""
