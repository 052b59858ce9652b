"""The ``.rud`` format: Payload to bytes, bytes to Payload, Payload to pixels. Specified in
``bitstream_spec.md``.

Needs numpy and constriction only.
"""

from rudcodec.bitstream.codec import (
    check_limits,
    encode,
    encoded_size,
    hard_labels,
    labels_bytes,
    labels_size,
    paid_segments,
    synthesize,
    write,
)
from rudcodec.bitstream.description import Description, Part, Row, code_length, describe
from rudcodec.bitstream.extraction import extract
from rudcodec.bitstream.files import File, opened, read_bytes
from rudcodec.bitstream.labelnet import logits, probabilities
from rudcodec.bitstream.layout import Outline, parse
from rudcodec.bitstream.merging import merge
from rudcodec.bitstream.reading import decode, decode_images, read, salvage, stream
from rudcodec.bitstream.recovery import recover
from rudcodec.bitstream.soft import soft_labels
from rudcodec.bitstream.truncation import Truncation, truncate

__all__ = [
    "Description",
    "File",
    "Outline",
    "Part",
    "Row",
    "Truncation",
    "check_limits",
    "code_length",
    "decode",
    "decode_images",
    "describe",
    "encode",
    "encoded_size",
    "extract",
    "hard_labels",
    "labels_bytes",
    "labels_size",
    "logits",
    "merge",
    "opened",
    "paid_segments",
    "parse",
    "probabilities",
    "read",
    "read_bytes",
    "recover",
    "salvage",
    "soft_labels",
    "stream",
    "synthesize",
    "truncate",
    "write",
]
