"""A set as a Parquet table, which Hugging Face ``datasets`` loads with its images and class names."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from rudcodec.export.contents import Contents
from rudcodec.export.formats import FileFormat
from rudcodec.export.png import png
from rudcodec.optional import load_optional

_ROWS = 1000  # at a time


def write(contents: Contents, file: BinaryIO) -> None:
    """Write the columns ``image`` (PNG), ``label`` and, if there are soft labels, ``probs``.

    The table's metadata tells ``datasets`` what they are; under ``rudcodec`` it has classes and recipe as
    JSON.
    """
    arrow = load_optional("pyarrow")
    schema = _schema(contents, arrow)
    with load_optional("pyarrow.parquet").ParquetWriter(file, schema) as table:
        for batch in contents.batches:
            for start in range(0, len(batch.images), _ROWS):
                rows = slice(start, start + _ROWS)
                columns: dict[str, Any] = {
                    "image": [{"bytes": png(image), "path": None} for image in batch.images[rows]],
                    "label": batch.labels[rows],
                }
                if batch.probs is not None:
                    columns["probs"] = list(batch.probs[rows])
                table.write_table(arrow.table(columns, schema))


def _schema(contents: Contents, arrow: Any) -> Any:
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": {"names": list(contents.classes), "_type": "ClassLabel"},
    }
    fields = [
        ("image", arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])),
        ("label", arrow.int64()),
    ]
    if contents.has_probs:
        number = {"dtype": "float32", "_type": "Value"}
        features["probs"] = {"feature": number, "length": len(contents.classes), "_type": "Sequence"}
        fields.append(("probs", arrow.list_(arrow.float32(), len(contents.classes))))
    metadata = {"huggingface": json.dumps({"info": {"features": features}}), "rudcodec": contents.about()}
    return arrow.schema(fields, metadata)


FORMAT = FileFormat(
    "parquet", ".parquet", write, 256, 6, packages=("pyarrow.parquet",)
)  # fmt: skip
