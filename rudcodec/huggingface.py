"""A decoded set as Hugging Face ``datasets`` has it. Needs that package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rudcodec.export.png import png
from rudcodec.optional import load_optional

if TYPE_CHECKING:
    from rudcodec.synthetic import SyntheticSet


def as_dataset(data: SyntheticSet) -> Any:
    """See :meth:`rudcodec.SyntheticSet.hf`."""
    datasets: Any = load_optional("datasets")
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(data.classes))}
    columns: dict[str, Any] = {
        "image": [{"bytes": png(image), "path": None} for image in data.images],
        "label": data.labels.tolist(),
    }
    if data.probs is not None:
        features["probs"] = datasets.Sequence(datasets.Value("float32"), length=len(data.classes))
        columns["probs"] = data.probs.tolist()
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))
