"""The contents of a file: its networks, decoded once, and its segments, decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from rudcodec.bitstream.coder import Decoder
from rudcodec.bitstream.container import Place
from rudcodec.bitstream.files import Source
from rudcodec.bitstream.labels import code_parameters, shapes
from rudcodec.bitstream.latents import SegmentCoder, code_latents
from rudcodec.bitstream.layout import Outline
from rudcodec.bitstream.networks import Networks
from rudcodec.bitstream.soft import code_soft
from rudcodec.bitstream.weights import code_group
from rudcodec.errors import FormatError
from rudcodec.payload import LabelNetwork, Model, Payload, Segment, SoftLabels


class Contents:
    """A file whose outline is known. Raises FormatError when its networks are malformed."""

    def __init__(self, data: Source, outline: Outline) -> None:
        self.outline = outline
        self._data = data
        self.models = tuple(read_model(data, outline, i) for i in range(len(outline.models)))
        self.network = self._read_label_network()
        self.networks = Networks(self.models, [fields.ymax for fields in outline.model_fields])

    def payload(self, segments: Iterable[Segment]) -> Payload:
        """The payload with these segments."""
        outline = self.outline
        return Payload(
            outline.classes,
            self.models,
            tuple(segments),
            outline.recipe,
            self.network,
            outline.soft,
            outline.metadata,
        )

    def digest(self, number: int) -> tuple[Place, int]:
        """The digest of a segment's pixels, and where it is."""
        start = self.outline.segments[number].digest
        stored = int.from_bytes(self._data[start : start + 4], "little")
        return Place(f"segment {number}", start), stored

    def segments(self, numbers: Collection[int]) -> dict[int, Segment | FormatError]:
        """Decode segments together. For each, the segment, or the error that says why it can't be decoded."""
        results: dict[int, Segment | FormatError] = {}
        decoders: dict[int, Decoder] = {}
        segments: dict[int, SegmentCoder] = {}
        soft: dict[int, SoftLabels] = {}
        for i in numbers:
            outline = self.outline.segments[i]
            place = Place(f"segment {i}", outline.digest + 4)
            try:
                decoders[i] = Decoder(self._data[place.offset : outline.section.end], place)
                if self.outline.soft is not None:
                    own_classes, classes = outline.fields.labels, len(self.outline.classes)
                    soft[i] = code_soft(decoders[i], self.outline.soft, own_classes, classes, None, place)
                segments[i] = SegmentCoder(decoders[i], outline.fields, place)
            except FormatError as error:
                results[i] = error
        latents = code_latents(self.networks, list(segments.values()))
        for (i, segment), grids in zip(segments.items(), latents, strict=True):
            if isinstance(grids, FormatError):
                results[i] = grids
                continue
            try:
                decoders[i].finish()
                fields = segment.fields
                results[i] = Segment(fields.counts, grids, soft.get(i), fields.model, fields.order)
            except FormatError as error:
                results[i] = error
        return {i: results[i] for i in numbers}

    def _read_label_network(self) -> LabelNetwork | None:
        """The label network of a file, None if it has none."""
        outline = self.outline.labels
        if outline is None or not isinstance(outline.labels, LabelNetwork):
            return None
        network, place = outline.labels, Place("labels", outline.stream)
        coder = Decoder(self._data[outline.stream : outline.section.end], place)
        layer_shapes = shapes(network.layers, self.outline.image_shape, len(self.outline.classes))
        parameters = code_parameters(coder, layer_shapes, None, place)
        coder.finish()
        return replace(network, parameters=parameters, views=self.outline.ancillary.views)


def read_model(data: Source, outline: Outline, number: int) -> Model:
    """A model of a file, with its networks. Raises FormatError when these are malformed."""
    model = outline.models[number]
    place, fields = Place(f"model {number}", model.stream), model.fields
    coder = Decoder(data[model.stream : model.section.end], place)
    groups = tuple(code_group(coder, fields.architecture, None, place) for _ in range(fields.num_groups))
    coder.finish()
    return Model(fields.architecture, groups, fields.classes)
