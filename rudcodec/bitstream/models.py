"""The MODEL section: which images its networks are for, how these look, and their parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rudcodec.bitstream import limits
from rudcodec.bitstream.container import Fields
from rudcodec.payload import Architecture, ImageShape, SynthesisLayer, grouped_classes

CODER = 1  # contexts, tables and networks as bitstream_spec.md has them
_ONE, _EACH, _LISTED = range(3)  # sharing


@dataclass(frozen=True)
class ModelFields:
    """A model without its parameters.

    Attributes:
        architecture: of its networks.
        classes: the class of each group of networks; None: one group for all classes.
        ymax: the largest magnitude of a latent.
    """

    architecture: Architecture
    classes: tuple[int, ...] | None
    ymax: int

    @cached_property
    def class_set(self) -> frozenset[int] | None:
        """The classes that may have images; None: all."""
        return None if self.classes is None else frozenset(self.classes)

    @property
    def share(self) -> str:
        """What a group of networks is for: the images of the whole ``dataset``, or of a ``class``."""
        return "dataset" if self.classes is None else "class"

    @property
    def num_groups(self) -> int:
        return 1 if self.classes is None else len(self.classes)


def code_model(fields: Fields, shape: ImageShape, classes: int, model: ModelFields | None) -> ModelFields:
    """Code all fields in front of the parameters; ``classes``: their number in the file."""
    coder = fields.byte("image coder", CODER if model else 0, 0, 255)
    if coder != CODER:
        raise fields.fail(f"image coder {coder} is unknown, must be {CODER}")
    groups = _code_sharing(fields, classes, model)
    architecture = _code_architecture(fields, shape, model.architecture if model else None)
    ymax = fields.number("largest latent", model.ymax if model else 0, 0, limits.LATENT)
    return ModelFields(architecture, groups, ymax)


def _code_sharing(fields: Fields, classes: int, model: ModelFields | None) -> tuple[int, ...] | None:
    listed = model.classes if model else None
    in_order = grouped_classes("class", classes)
    sharing = _ONE if listed is None else _EACH if listed == in_order else _LISTED
    sharing = fields.byte("sharing", sharing, _ONE, _LISTED)
    if sharing != _LISTED:
        return in_order if sharing == _EACH else None
    count = fields.number("number of groups", len(listed) if listed else 0, 1, classes)
    return code_distinct(fields, "class of a group", count, classes, listed)


def code_distinct(
    fields: Fields, name: str, count: int, limit: int, values: tuple[int, ...] | None
) -> tuple[int, ...]:
    """Code so many numbers below ``limit``, none of them twice."""
    coded: dict[int, None] = {}
    for i in range(count):
        number = fields.number(name, values[i] if values else 0, 0, limit - 1)
        if number in coded:
            raise fields.fail(f"{name} is {number} twice")
        coded[number] = None
    return tuple(coded)


def _code_architecture(fields: Fields, shape: ImageShape, architecture: Architecture | None) -> Architecture:
    levels = fields.byte("number of levels", len(architecture.grids) if architecture else 0, 1, limits.LEVELS)
    grids: list[int] = []
    for i in range(levels):
        max_components = grids[-1] if grids else limits.COMPONENTS
        components = architecture.grids[i] if architecture else 0
        grids.append(fields.byte(f"components of level {i}", components, 1, max_components))
    hidden = architecture.context_hidden if architecture else ()
    depth = fields.byte("hidden context layers", len(hidden), 0, limits.CONTEXT_LAYERS)
    hidden = tuple(
        fields.number(f"width of context layer {i}", neurons, 1, limits.CONTEXT_WIDTH)
        for i, neurons in enumerate(hidden or (0,) * depth)
    )
    layers: list[SynthesisLayer] = []
    in_channels = sum(grids)
    count = len(architecture.synthesis) if architecture else 0
    count = fields.byte("synthesis layers", count, 1, limits.SYNTHESIS_LAYERS)
    for i in range(count):
        layer = architecture.synthesis[i] if architecture else None
        last = shape.channels if i == count - 1 else None
        layers.append(_code_layer(fields, layer, i, in_channels, last))
        in_channels = layers[-1].out_channels
    return Architecture(*shape, tuple(grids), hidden, tuple(layers))


def _code_layer(
    fields: Fields, layer: SynthesisLayer | None, index: int, in_channels: int, last: int | None
) -> SynthesisLayer:
    """``last``: the channels that the last layer must have, None for the others."""
    name = f"synthesis layer {index}"
    out_channels = fields.number(
        f"channels of {name}", layer.out_channels if layer else 0, 1, limits.SYNTHESIS_WIDTH
    )
    if last is not None and out_channels != last:
        raise fields.fail(f"last synthesis layer has {out_channels} channels, must have {last}")
    if layer and layer.kernel not in (1, 3):
        raise fields.fail(f"kernel of {name} is {layer.kernel}, must be 1 or 3")
    shape = (layer.kernel == 3) + 2 * layer.relu + 4 * layer.residual if layer else 0
    shape = fields.byte(f"shape of {name}", shape, 0, 7)
    if last is not None and shape & 2:
        raise fields.fail("last synthesis layer must have no ReLU")
    if shape & 4 and (index == 0 or out_channels != in_channels):
        raise fields.fail(f"{name} can't be residual: it is the first, or changes the number of channels")
    return SynthesisLayer(out_channels, 3 if shape & 1 else 1, bool(shape & 2), bool(shape & 4))
