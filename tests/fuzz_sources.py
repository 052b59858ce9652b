"""Fuzzing of all that reads image sets: ``python tests/fuzz_sources.py --seconds 60`` or ``make fuzz``.

Small sets of every kind are cut, flipped and spliced, get other numbers, and heads of tar entries others with
their checksums put right; trees of files get names from a list of odd ones. Each must end in images that fit
together or in a RudError of one printable line, within the time and memory that ``fuzz.py`` allows. What
fails is kept in ``out/fuzz``; exit code 1 then.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar, get_args

import fuzz
import numpy as np
from PIL import Image

from rudcodec import RudError
from rudcodec.data import Reading, load, splits
from rudcodec.data.reading import Mode
from rudcodec.data.splits import Split
from rudcodec.memory import peak_memory

T = TypeVar("T")

NAMES = (
    "cat", "dog", "train", "test", "val", "seg_train", "testset", "@eaDir", "__MACOSX", ".hidden",
    "labels.json", "..", ".", "", "a" * 300, "\x1b[31m", "e\u0301", "é", "CON", "x.png", "x.heic", "x.txt",
    "1.jpg", "\\", "C:",
    "images", "train2017", "0", "10", "2", "œ.png", "x\n.png", "pred",
)  # fmt: skip
NUMBERS = (
    0,
    1,
    2,
    127,
    255,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
KINDS = (
    "tree.zip", "tree.tar", "tree.tar.gz", "tree.tar.xz", "tree.tar.bz2", "set.npz", "packed.npz",
    "floats.npz", "train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "set.pt", "set.safetensors",
    "folder", "labels.csv", "metadata.jsonl", "shard.tar", "images.npy", "images_best.pt", "data_batch_1",
    "train.bin", *(["train_32x32.mat"] if find_spec("scipy") else []),
    *(["set.parquet", "set.arrow", "saved"] if find_spec("pyarrow") else []),
)  # fmt: skip
COMPANIONS: dict[str, dict[str, str]] = {
    "labels.csv": {f"{i}.png": f"{i}.png" for i in range(6)},
    "metadata.jsonl": {f"{i}.png": f"{i}.png" for i in range(6)},
    "images.npy": {"labels.npy": "labels.npy"},
    "images_best.pt": {"labels_best.pt": "labels_best.pt"},
    "data_batch_1": {
        **{f"data_batch_{i}": "data_batch_1" for i in range(2, 6)},
        "test_batch": "data_batch_1",
        "batches.meta": "batches.meta",
    },
    "train.bin": {
        "test.bin": "train.bin",
        "fine_label_names.txt": "names",
        "coarse_label_names.txt": "names",
    },
    "saved": {"state.json": "state.json", "dataset_info.json": "names"},
}
"""Files beside the damaged one, and the kinds they are; their folder is the source."""
FILE_OF = {"saved": "data-00000-of-00001.arrow"}
"""Names of files that aren't their kind's."""

FIELDS = ((0, 100), (100, 8), (124, 12), (156, 1), (157, 100), (257, 8), (345, 155))
"""Offset and size of what stands in the head of an entry of a tar."""

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tree.tar.gz": lambda data: gzip.compress(data, mtime=0),
    "tree.tar.bz2": bz2.compress,
    "tree.tar.xz": lzma.compress,
}


class Case:
    """One source on its way through :func:`rudcodec.data.load`; ``limited`` in time and memory."""

    def __init__(self, report: fuzz.Report, seed: int, number: int, limited: bool = True) -> None:
        self._random = np.random.default_rng((seed, number))
        self.kind = KINDS[number % len(KINDS)]
        self.data = self._made()
        self.name = f"{self.kind} {seed}-{number}, {len(self.data):,} bytes"
        self._report, self._limited = report, limited

    def run(self) -> str:
        """'decoded', or why it was refused. Raises for anything that must not happen."""
        with tempfile.TemporaryDirectory() as folder:
            source = self._put(Path(folder))
            fuzz.forget_peak()
            started = time.process_time()
            text = self._outcome(source)
            spent, memory = time.process_time() - started, peak_memory() / 1e6
        self._report.slowest.see(spent, self.name)
        self._report.largest.see(memory, self.name)
        if self._limited:
            assert spent < fuzz.SECONDS and memory < fuzz.MEGABYTES, f"{spent:.1f} s, {memory:.0f} MB"
        return text.replace(folder, "")

    def _outcome(self, source: Path) -> str:
        reading = Reading(
            self._pick((None, 1, 9)),
            self._pick(get_args(Mode)),
            self._pick((None, "red")),
            self._pick((False, True)),
        )
        try:
            found = load(source, self._pick(get_args(Split)), reading=reading)
            assert found.report is not None and len(found) == found.report.images
            for line in (*found.report.lines(), *found.report.bad):
                assert line.isprintable()
            assert splits(source)
        except RudError as error:
            message = str(error)
        else:
            return "decoded"
        assert message.isprintable() and 5 < len(message) < 2000
        return message[-60:]

    def _pick(self, choices: Sequence[T]) -> T:
        return choices[int(self._random.integers(len(choices)))]

    # ---- how a source is made

    def _made(self) -> bytes:
        data = self._tree() if self.kind.startswith(("tree", "folder")) else plain(self.kind)
        times = int(self._random.choice([0, 1, 1, 2, 5])) if self.kind != "folder" else 0
        pack = PACKERS.get(self.kind)
        late = int(self._random.integers(times + 1)) if pack else 0
        for _ in range(times - late):
            data = self._damaged(data)
        if pack:
            data = pack(data)
        for _ in range(late):
            data = self._damaged(data)
        return data

    def _tree(self) -> bytes:
        """An archive of pictures in class folders, some of which have odd names or contents."""
        files: dict[str, bytes] = {}
        odd = self._random.random() < 0.7
        for c in ("cat", "dog"):
            for i in range(3):
                files[f"{c}/{i}.png"] = picture(i)
        for _ in range(int(self._random.integers(1, 6)) if odd else 0):
            parts = self._random.choice(np.array(NAMES), int(self._random.integers(1, 5)))
            name = "/".join(parts) + str(self._random.choice(["", "/7.png", "/"]))
            files[name] = self._damaged(picture(7)) if self._random.random() < 0.5 else picture(7)
        return archived(files, self.kind, self._random)

    def _damaged(self, data: bytes) -> bytes:
        result = bytearray(data)
        random = self._random
        at = int(random.integers(len(result) + 1))
        if self.kind.startswith(("tree.tar", "shard.tar")) and random.random() < 0.5:
            return _other_head(result, random)
        match int(random.integers(6)):
            case 0:
                del result[at:]
            case 1 if at < len(result):
                result[at] ^= 1 << int(random.integers(8))
            case 2:
                number = int(random.choice(np.array(NUMBERS, dtype=np.uint64)))
                size = int(random.choice([1, 2, 4, 8]))
                result[at : at + size] = (number % (1 << 8 * size)).to_bytes(
                    size, random.choice(["big", "little"])
                )
            case 3:
                result[at:at] = result[: int(random.integers(200))]
            case 4:
                digits = str(int(random.choice(np.array(NUMBERS, dtype=np.uint64)))).encode()
                found = [i for i, byte in enumerate(result[:4000]) if 48 <= byte < 58]
                if found:
                    where = int(random.choice(found))
                    result[where : where + 1] = digits
            case _:
                result[at : at + int(random.integers(64))] = random.bytes(int(random.integers(64)))
        return bytes(result)

    def _put(self, folder: Path) -> Path:
        if self.kind == "folder":
            with zipfile.ZipFile(io.BytesIO(self.data)) as archive:
                for name in archive.namelist():
                    _write(folder / "set", name, archive.read(name))
            (folder / "set").mkdir(exist_ok=True)
            return folder / "set"
        if companions := COMPANIONS.get(self.kind):
            for name, kind in companions.items():
                (folder / name).write_bytes(plain(kind))
            (folder / FILE_OF.get(self.kind, self.kind)).write_bytes(self.data)
            return folder
        path = folder / self.kind
        path.write_bytes(self.data)
        if "idx" in self.kind:
            (folder / "train-labels-idx1-ubyte").write_bytes(plain("train-labels-idx1-ubyte"))
        return path


def _write(folder: Path, name: str, data: bytes) -> None:
    """A file at a place that may be impossible."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    if not parts:
        return
    path = folder.joinpath(*parts)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError:
        pass


def _other_head(data: bytearray, random: np.random.Generator) -> bytes:
    """The head of an entry of a tar changed in one field, its checksum put right."""
    at = 512 * int(random.integers(max(1, len(data) // 512)))
    head = data[at : at + 512]
    if len(head) < 512:
        return bytes(data)
    field, size = FIELDS[int(random.integers(len(FIELDS)))]
    if field == 124:
        number = int(random.choice(np.array(NUMBERS, dtype=np.uint64)))
        head[field : field + size] = b"\x80" + number.to_bytes(11, "big")
    elif field == 156:
        head[field : field + size] = bytes([random.choice(list(b"0123456789LKSxgDMNVA\0"))])
    else:
        name = str(random.choice(np.array(NAMES))).encode()[:size]
        head[field : field + size] = name.ljust(size, b"\0")
    head[148:156] = b"        "
    head[148:156] = b"%06o\0 " % sum(head)
    data[at : at + 512] = head
    return bytes(data)


@cache
def picture(tone: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (6, 4), (tone,) * 3).save(file, "PNG")
    return file.getvalue()


def archived(files: dict[str, bytes], kind: str, random: np.random.Generator, links: float = 0.1) -> bytes:
    """An archive of files; of a tar's entries, a share of ``links`` are links or folders instead."""
    result = io.BytesIO()
    if "tar" not in kind:
        with zipfile.ZipFile(
            result, "w", random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
        ) as archive:
            for name, data in files.items():
                archive.writestr(name or "x", data)
        return result.getvalue()
    form = int(random.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    with tarfile.open(fileobj=result, mode="w", format=form) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            if random.random() < links:
                entry.type, entry.size = random.choice([tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE]), 0
                entry.linkname = str(random.choice(list(files)))
            tar.addfile(entry, io.BytesIO(data))
    return result.getvalue()


@cache
def plain(kind: str) -> bytes:
    """A small set of a kind."""
    images, labels = (
        np.arange(12 * 48, dtype=np.uint16).astype(np.uint8).reshape(12, 4, 4, 3),
        np.arange(12) % 2,
    )
    file = io.BytesIO()
    if kind == "set.npz":
        np.savez(file, images=images, labels=labels, classes=np.array(["ant", "bee"]))
    elif kind == "packed.npz":
        np.savez_compressed(file, x_train=images, y_train=labels, x_test=images, y_test=labels.astype(str))
    elif kind == "floats.npz":
        np.savez(file, images=images / 255, labels=np.eye(2)[labels], mean=np.zeros(3), std=np.ones(3))
    elif "images-idx" in kind:
        data = bytes((0, 0, 8, 3, 0, 0, 0, 12, 0, 0, 0, 4, 0, 0, 0, 4)) + images[..., 0].tobytes()
        return gzip.compress(data, mtime=0) if kind.endswith("gz") else data
    elif "labels-idx" in kind:
        return bytes((0, 0, 8, 1, 0, 0, 0, 12)) + labels.astype(np.uint8).tobytes()
    elif kind == "set.pt":
        import torch

        torch.save({"images": torch.tensor(images), "labels": torch.tensor(labels)}, file)
    elif kind.endswith("_best.pt"):
        import torch

        torch.save(torch.tensor(images / 255 if "images" in kind else np.eye(2)[labels] + 0.1), file)
    elif kind.endswith(".npy"):
        np.save(file, images if "images" in kind else labels)
    elif kind.endswith(".png"):
        return picture(int(kind[0]))
    elif kind == "labels.csv":
        return b"filename,label,split\n" + b"".join(b"%d.png,%d,train\n" % (i, i % 2) for i in range(6))
    elif kind == "metadata.jsonl":
        return b"".join(b'{"file_name": "%d.png", "label": "%s"}\n' % (i, b"ab"[i % 2 :]) for i in range(6))
    elif kind == "names":
        return b"ant\nbee\n"
    elif kind == "shard.tar":
        files = {f"{i}.png": picture(i) for i in range(6)} | {f"{i}.cls": b"%d" % (i % 2) for i in range(6)}
        return archived(files, kind, np.random.default_rng(0), links=0)
    elif kind in ("data_batch_1", "batches.meta"):
        batch = {b"data": np.zeros((4, 3072), np.uint8), b"labels": [0, 1, 0, 1]}
        return pickle.dumps(batch if "data" in kind else {b"label_names": [b"ant", b"bee"]}, 2)
    elif kind == "train.bin":
        return (
            bytes([0, 0, *range(256), *bytes(2816)])
            + bytes([0, 1, *bytes(3072)])
            + bytes([1, 0])
            + bytes(3072)
        )
    elif kind == "state.json":
        return b'{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}'
    elif kind in ("set.parquet", "set.arrow", "saved"):
        return arrow_table(kind == "set.parquet", kind == "set.arrow")
    elif kind == "train_32x32.mat":
        from scipy.io import savemat

        savemat(file, {"X": images.transpose(1, 2, 3, 0), "y": labels[:, None] + 1}, do_compression=True)
    else:
        from safetensors.numpy import save

        return bytes(save({"images": images, "labels": labels}))
    return file.getvalue()


def arrow_table(is_parquet: bool, is_file: bool) -> bytes:
    """A small set as ``datasets`` writes it: Parquet, an Arrow file, or an Arrow stream."""
    import pyarrow as pa
    from pyarrow import ipc, parquet

    features = {"image": {"_type": "Image"}, "label": {"names": ["ant", "bee"], "_type": "ClassLabel"}}
    rows = [{"image": {"bytes": picture(i), "path": None}, "label": i % 2} for i in range(6)]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    schema = pa.schema({"image": kind, "label": pa.int64()})
    schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    table = pa.Table.from_pylist(rows, schema)
    file = io.BytesIO()
    if is_parquet:
        parquet.write_table(table, file)
    else:
        with (ipc.new_file if is_file else ipc.new_stream)(file, schema) as writer:
            writer.write_table(table)
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(fuzz.main(Case, "image sets", ".source"))
