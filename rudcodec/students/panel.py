"""The students that judge a set."""

from __future__ import annotations

from dataclasses import dataclass, field

from rudcodec.students.keeping import StudentKeeper
from rudcodec.students.spec import StudentSpec


@dataclass(frozen=True)
class Panel:
    """The students that judge a set: of each kind as many as there are seeds.

    Attributes:
        specs: the kinds of students; where one has to stand for all, it is the first.
        seeds: of weights, order and augmentation.
        keeper: trains them.
    """

    specs: tuple[StudentSpec, ...] = (StudentSpec(),)
    seeds: range = range(3)
    keeper: StudentKeeper = field(default_factory=StudentKeeper)
