"""A decoded set as class folders of PNG files, which any framework reads."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rudcodec.errors import DataError
from rudcodec.names import LABELS_FILE, folder_names, on_disk
from rudcodec.output import check_folder

if TYPE_CHECKING:
    from rudcodec.synthetic import SyntheticSet


def save_folders(data: SyntheticSet, folder: str | os.PathLike[str]) -> None:
    """Write ``folder/<class>/NNNNN.png`` and ``folder/labels.json``.

    The class folders sort into the order of the class numbers. In labels.json, ``classes`` and ``folders``
    are the names of classes and of their folders by number, ``class_of`` and ``folder_of`` lead from one
    name to the other, and ``labels`` has the class number of each file.

    The folder appears only when complete. Raises DataError if it exists and isn't an empty folder, or can't
    be written.
    """
    target = Path(folder)
    check_folder(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise DataError(f"{target}: can't be created ({error.strerror})") from None
    try:
        _write(data, temporary)
        temporary.chmod(0o755)
        temporary.replace(target)
    except OSError as error:
        raise DataError(f"{target}: can't be written ({error.strerror})") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(data: SyntheticSet, folder: Path) -> None:
    from PIL import Image

    names = folder_names(data.classes)
    for name in names:
        (folder / on_disk(name)).mkdir()
    files: dict[str, int] = {}
    seen = [0] * len(names)
    for image, label in zip(data.images, data.labels.tolist(), strict=True):
        path = f"{names[label]}/{seen[label]:05d}.png"
        seen[label] += 1
        Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(folder / on_disk(path))
        files[path] = label
    text: dict[str, Any] = {
        "classes": list(data.classes),
        "folders": names,
        "class_of": dict(zip(names, data.classes, strict=True)),
        "folder_of": dict(zip(data.classes, names, strict=True)),
        "size_bytes": data.size,
        "bits_per_class": data.bpc,
        "recipe": data.recipe and asdict(data.recipe),
        "labels": files,
    }
    if data.probs is not None:
        soft = [[round(float(p), 4) for p in row] for row in data.probs]
        text |= {"temperature": data.temperature, "probs": dict(zip(files, soft, strict=True))}
    (folder / LABELS_FILE).write_text(json.dumps(text, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
