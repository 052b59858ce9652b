"""The ``.rud`` format: Payload to bytes, bytes to Payload, Payload to pixels. Specified in
``bitstream_spec.md``.

Needs numpy and constriction only.
"""

from rudcodec.bitstream.codec import (
    check_limits,
    decode,
    decode_images,
    encode,
    hard_labels,
    read,
    synthesize,
    write,
)
from rudcodec.bitstream.container import read_bytes, write_bytes
from rudcodec.bitstream.description import Description, Part, Row, code_length, describe

__all__ = [
    "Description",
    "Part",
    "Row",
    "check_limits",
    "code_length",
    "decode",
    "decode_images",
    "describe",
    "encode",
    "hard_labels",
    "read",
    "read_bytes",
    "synthesize",
    "write",
    "write_bytes",
]
