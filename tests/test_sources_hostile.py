"""Sources that are made to take memory or time, or to end in a traceback: each ends in one line."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import png
from test_data import encoded, put, refusal, tarred, tones, toy, zipped

from rudcodec import control_groups
from rudcodec.data import Reading, load

MEGABYTES = 600
"""A process may grow by so much while it refuses a source."""


def entry(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, **more: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


def packed(path: Path, *entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> Path:
    with tarfile.open(path, "w:gz", format=form) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return path


def bounded(source: Path, split: str = "all") -> str:
    """The refusal, by a process that may not grow by more than MEGABYTES."""
    code = (
        "import resource, sys; from rudcodec import data, DataError\n"
        "if sys.argv[1].endswith('.pt'): import torch\n"
        "if sys.argv[1].endswith('.parquet'): import pyarrow.parquet\n"
        "have = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        f"resource.setrlimit(resource.RLIMIT_AS, (have + ({MEGABYTES} << 20),) * 2)\n"
        "try: data.load(sys.argv[1], sys.argv[2])\n"
        "except DataError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(source), split]
    environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"}  # others reserve addresses in advance
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0 and done.stderr == "", done.stderr[-2000:]
    assert done.stdout.count("\n") == 1, done.stdout
    return done.stdout


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@linux
@pytest.mark.parametrize("parts", [2_000, 100_000])
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_deep_and_long_paths(tmp_path: Path, parts: int, form: int) -> None:
    source = packed(tmp_path / "deep.tar.gz", (entry("a/" * parts + "x.png"), b""), form=form)
    text = bounded(source)
    assert "lies in more than 16 folders" in text or "characters, more than 4,096" in text
    assert len(text) < 1000


def test_a_tar_that_ends_between_entries(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(2):
            (tmp_path / "set" / name / f"{number}.png").write_bytes(png(np.zeros((4, 4), np.uint8)))
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.add(tmp_path / "set", "set")
        end = archive.offset
    assert len(load(tmp_path / "set.tar", "all")) == 4
    with (tmp_path / "set.tar").open("r+b") as file:
        file.truncate(end)
    with pytest.warns(RuntimeWarning, match="set.tar: ends without the mark of a tar's end"):
        assert len(load(tmp_path / "set.tar", "all")) == 4


@linux
@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_name_of_gigabytes(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "name.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(entry("long", 4 << 30, kind).tobuf(tarfile.GNU_FORMAT))
        for _ in range(64):
            file.write(bytes(1 << 20))
    assert "the name of an entry takes more than 1 MiB" in bounded(path)


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
def test_gigabytes_in_a_few_bytes(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Refused by what its head says, before they are unpacked."""
    path = tmp_path / "few.tar.packed"
    path.write_bytes(pack(entry("a/1.png", 4 << 30).tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)))
    assert "would unpack to more than" in bounded(path)


def test_names_upon_names(tmp_path: Path) -> None:
    path = tmp_path / "names.tar"
    path.write_bytes(entry("x", 0, tarfile.GNUTYPE_LONGNAME).tobuf(tarfile.GNU_FORMAT) * 5000)
    assert f"{path}: " in refusal(path, "all")


@linux
def test_a_link_to_a_file_with_holes(tmp_path: Path) -> None:
    """Its size is that of the link, nothing; what it leads to claims gigabytes."""
    holes = entry("a/1.png", 0, tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT)
    head = bytearray(holes)
    head[386:398] = b"%011o\0" % 0  # one hole, then the real size
    head[483:495] = b"%011o\0" % (4 << 30)
    head[148:156] = b"        "
    head[148:156] = b"%06o\0 " % sum(head)
    link = entry("b/2.png", 0, tarfile.LNKTYPE, linkname="a/1.png").tobuf(tarfile.GNU_FORMAT)
    path = tmp_path / "holes.tar"
    path.write_bytes(bytes(head) + link + bytes(1024))
    assert "1.png is stored as a file with holes" in bounded(path)


def test_hard_links_are_read_and_others_refused(tmp_path: Path) -> None:
    data = encoded(9)
    good = packed(
        tmp_path / "good.tar.gz",
        (entry("a/1.png", len(data)), data),
        (entry("b/2.png", 0, tarfile.LNKTYPE, linkname="./a/1.png"), b""),
    )
    assert tones(load(good, "all")) == [9, 9]
    for name, link, why in (
        ("nothing", entry("b/2.png", 0, tarfile.LNKTYPE, linkname="a/3.png"), "is a link to nothing"),
        ("itself", entry("b/2.png", 0, tarfile.LNKTYPE, linkname="b/2.png"), "is a link to nothing"),
        ("out", entry("b/2.png", 0, tarfile.LNKTYPE, linkname="../x.png"), "points out of the archive"),
        ("soft", entry("b/2.png", 0, tarfile.SYMTYPE, linkname="../a/1.png"), "is a symbolic link"),
    ):
        source = packed(tmp_path / f"{name}.tar.gz", (entry("a/1.png", len(data)), data), (link, b""))
        assert why in refusal(source, "all")


@pytest.mark.parametrize("size", [1 << 40, (1 << 63) - 1, 1 << 70, -1])
def test_sizes_beyond_all_numbers(tmp_path: Path, size: int) -> None:
    head = bytearray(entry("a/x.png").tobuf(tarfile.GNU_FORMAT))
    head[124:136] = (b"\xff" if size < 0 else b"\x80") + (size % (1 << 88)).to_bytes(11, "big")
    head[148:156] = b"        "
    head[148:156] = b"%06o\0 " % sum(head)
    path = tmp_path / "size.tar"
    path.write_bytes(bytes(head) + bytes(2048))
    assert f"{path}: " in refusal(path, "all")


@linux
def test_an_xz_that_wants_gigabytes(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        archive.addfile(entry("a/x.png", 1 << 20), io.BytesIO(bytes(1 << 20)))
    data = bytearray(lzma.compress(inner.getvalue(), filters=filters))
    at = data.index(b"\x21\x01", 12)  # LZMA2, one byte of properties: its dictionary
    data[at + 2] = 39  # 3 GiB
    size = 4 * (data[12] + 1)
    crc = struct.pack("<I", zlib.crc32(data[12 : 12 + size - 4]))
    data[12 + size - 4 : 12 + size] = crc
    (tmp_path / "x.tar.xz").write_bytes(data)
    assert f"{tmp_path / 'x.tar.xz'}: not an image set, but an xz file" in bounded(tmp_path / "x.tar.xz")


@pytest.mark.parametrize("streams", [1, 3])
def test_xz_of_several_streams_is_read(tmp_path: Path, streams: int) -> None:
    whole = tarred(tmp_path / "x.tar", toy("", 30, 30)).read_bytes()
    cuts = [len(whole) * i // streams for i in range(streams + 1)]
    parts = (lzma.compress(whole[a:b]) + bytes(8) for a, b in pairwise(cuts))
    (tmp_path / "y.tar.xz").write_bytes(b"".join(parts))
    assert load(tmp_path / "y.tar.xz", "all").ipc_counts() == (30, 30)


def test_zip_of_newer_versions_and_other_methods(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", toy())
    whole = path.read_bytes()
    data = bytearray(whole)
    data[data.index(b"PK\1\2") + 6] = 99
    path.write_bytes(data)
    assert f"{path}: the archive needs a newer or another program to unpack" in refusal(path, "all")
    data = bytearray(whole)
    for mark, at in ((b"PK\1\2", 10), (b"PK\3\4", 8)):
        data[data.index(mark) + at] = 97
    path.write_bytes(data)
    assert "cat/000.png needs a newer or another program to unpack" in refusal(path, "all")


def test_a_zip_of_large_claims(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a/x.png", "w", force_zip64=True) as file:
            for _ in range(257):
                file.write(bytes(1 << 20))
        archive.writestr("b/x.png", encoded(1))
    assert "a/x.png is larger than 256 MiB" in refusal(path, "all")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/" * 40 + "x.png", b"")
    assert "lies in more than 16 folders" in refusal(path, "all")


def test_links_on_disk(tmp_path: Path) -> None:
    source = put(tmp_path / "set", toy())
    (source / "cat" / "loop.png").symlink_to("loop.png")
    assert "cat/loop.png can't be read: " in refusal(source, "all")
    assert load(source, "all", reading=Reading(skip_bad=True)).ipc_counts() == (12, 25)
    for name in ("x", "x.npz", "x.pt", "x.zip"):
        (tmp_path / name).symlink_to(name)
        assert "not a file or folder" in refusal(tmp_path / name, "all")
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    assert "not a file or folder" in refusal(tmp_path / "zero.npz", "all")


def test_two_ways_back_up_end_soon(tmp_path: Path) -> None:
    """Each level doubles what is there."""
    source = put(tmp_path / "set", toy())
    for name in ("cat", "dog"):
        (source / name / "again").symlink_to(source)
    assert "is a link to a folder that it lies in" in refusal(source, "all")


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    source = put(tmp_path / "set", toy())
    os.mkfifo(source / "dog" / "pipe.png")
    assert "dog/pipe.png is no ordinary file" in refusal(source, "all")


@pytest.mark.parametrize("name", ["tree.MAX_FOLDERS", "bounds.MAX_ENTRIES", "bounds.MAX_PATHS"])
@pytest.mark.parametrize("pack", [zipped, tarred, lambda at, files: put(at.with_suffix(""), files)])
def test_all_together_is_bounded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pack: Callable[..., Path]
) -> None:
    files = {f"{c}/{d}/{i}.png": encoded(1) for c in "ab" for d in "xyz" for i in range(9)}
    source = pack(tmp_path / "x.tar", files)
    assert load(source, "all").ipc_counts() == (27, 27)
    monkeypatch.setattr(f"rudcodec.data.{name}", 7)
    text = refusal(source, "all")
    assert "more than " in text and "folders; make it several sets" in text


# ---- arrays and tensors


@linux
@pytest.mark.parametrize("shape", [(4, 1 << 20, 1 << 20), (1 << 40, 8, 8)])
def test_an_npz_of_large_claims(tmp_path: Path, shape: tuple[int, ...]) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "s.npz", "w") as file:
        file.writestr("images.npy", head.getvalue() + bytes(100))
        labels = io.BytesIO()
        np.save(labels, np.arange(4) % 2)
        file.writestr("labels.npy", labels.getvalue())
    assert "images can't be read: the entry is damaged or cut short" in bounded(tmp_path / "s.npz")


def test_an_npz_larger_than_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "s.npz", images=np.zeros((4, 500, 500), np.uint8), labels=np.arange(4) % 2)
    monkeypatch.setattr(os, "sysconf", lambda name: 1000)
    text = refusal(tmp_path / "s.npz", "all")
    assert "images would need 0.0 GiB, there are 0.0 here; keep fewer images in one file" in text


@linux
def test_an_npz_larger_than_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "s.npz", images=np.zeros((4, 500, 500), np.uint8), labels=np.arange(4) % 2)
    monkeypatch.setattr(control_groups, "_MOUNT", tmp_path)
    monkeypatch.setattr(control_groups, "_GROUPS", tmp_path / "groups")
    (tmp_path / "groups").write_text("0::/job\n")
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "memory.max").write_text("max")
    assert load(tmp_path / "s.npz", "all").ipc_counts() == (2, 2)
    (tmp_path / "job" / "memory.max").write_text("900000")  # of which nothing need be used
    assert "images would need 0.0 GiB, there are 0.0 here" in refusal(tmp_path / "s.npz", "all")


def test_matlab_numbers_take_more_than_a_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    savemat = pytest.importorskip("scipy.io").savemat
    monkeypatch.setattr(os, "sysconf", lambda name: 100)
    images = np.zeros((20, 20, 10), np.uint8)
    for kind, fits in ((np.uint8, True), (np.int16, True), (np.float32, False), (np.float64, False)):
        savemat(tmp_path / "s.mat", {"images": images.astype(kind), "labels": np.arange(10, dtype=np.uint8)})
        if fits:
            assert len(load(tmp_path / "s.mat", "all")) == 10
        else:
            assert "s.mat: its images need 0.0 GiB, there are 0.0" in refusal(tmp_path / "s.mat", "all")


@linux
def test_a_tensor_that_stores_one_number(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    images = torch.zeros(1).expand(10_000, 3, 181, 181)
    torch.save({"images": images, "labels": torch.arange(10_000) % 2}, tmp_path / "stride.pt")
    text = bounded(tmp_path / "stride.pt")
    assert "images has 982,830,000 numbers but stores 1: it is an expanded view" in text


def test_tensors_of_other_kinds(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    plain = torch.rand(4, 3, 2, 2)
    kinds = {
        "holds a sparse tensor; save it .to_dense()": plain.to_sparse(),
        "holds a tensor without values, only a shape (device meta)": plain.to("meta"),
        "images has complex numbers; a picture has real ones": plain.to(torch.complex64).conj(),
    }
    for why, odd in kinds.items():
        torch.save({"images": odd, "labels": torch.arange(4) % 2}, tmp_path / "x.pt")
        assert f"x.pt: {why}" in refusal(tmp_path / "x.pt", "all")
    with pytest.warns(UserWarning, match="quantize|TypedStorage"):
        torch.save({"images": torch.quantize_per_tensor(plain, 0.1, 0, torch.quint8)}, tmp_path / "x.pt")
    assert "holds a quantized tensor" in refusal(tmp_path / "x.pt", "all")
    negated = torch.conj(torch.complex(plain, -plain)).imag  # a view with its sign kept aside
    assert negated.is_neg()
    torch.save({"images": negated, "labels": torch.arange(4) % 2}, tmp_path / "x.pt")
    assert load(tmp_path / "x.pt", "all").images.shape == (4, 2, 2, 3)


def test_a_pt_that_is_packed_or_old(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"images": torch.zeros(4, 3, 64, 64), "labels": torch.arange(4) % 2}, tmp_path / "x.pt")
    with (
        zipfile.ZipFile(tmp_path / "x.pt") as whole,
        zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as file,
    ):
        for name in whole.namelist():
            file.writestr(name, whole.read(name))
    assert "as torch.save writes it, but a compressed zip" in refusal(tmp_path / "packed.pt", "all")
    tarred(tmp_path / "old.tar", toy()).rename(tmp_path / "old.pt")
    assert "old.pt: not a file of tensors, but a truncated tar" in refusal(tmp_path / "old.pt", "all")


def test_safetensors_of_other_kinds(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    save = pytest.importorskip("safetensors.torch").save_file
    half = torch.zeros(4, 3, 2, 2).bfloat16()
    save({"images": half, "labels": torch.arange(4) % 2}, tmp_path / "x.safetensors")
    text = refusal(tmp_path / "x.safetensors", "all")
    assert "images holds numbers of type BF16; save it as float32" in text
    images = torch.zeros(4, 3, 2, 2, dtype=torch.uint8)
    save({"images": images, "labels": torch.arange(4) % 2, "logits": half}, tmp_path / "x.safetensors")
    assert len(load(tmp_path / "x.safetensors", "all")) == 4
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    assert "not a file of tensors, or a damaged one" in refusal(tmp_path / "x.safetensors", "all")


@pytest.mark.parametrize("head", [b"\0" * 40, b"{'descr': (" * 8, b"(" * 5000, b"  x\n y", b"{'shape': 1}"])
def test_an_npz_whose_heads_are_no_heads(tmp_path: Path, head: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "s.npz", "w") as file:
        for name in ("images.npy", "labels.npy"):
            file.writestr(name, b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + bytes(100))
    assert "images can't be read: the entry is damaged" in refusal(tmp_path / "s.npz", "all")


def test_safetensors_whose_list_is_none(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    for head in (b'{"a": 5}', b"[]", b"5", b'{"images": {}}', b"[" * 3000, b'{"a": {"dtype": {"a": 1}}}'):
        (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(head)) + head)
        assert "not a file of tensors, or a damaged one" in refusal(tmp_path / "x.safetensors", "all")


# ---- files of other libraries


def test_a_parquet_that_repeats_a_large_picture(tmp_path: Path) -> None:
    """One picture of 20 MB stands in the file; a hundred thousand rows name it."""
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'rudcodec[hf]'")
    from pyarrow import parquet

    rows = 100_000
    picture = pa.DictionaryArray.from_arrays(
        np.zeros(rows, np.int32), pa.array([bytes(20 << 20)], pa.binary())
    )
    table = pa.table({"image": picture, "label": np.arange(rows) % 2})
    parquet.write_table(table, tmp_path / "a.parquet", store_schema=False)
    assert (tmp_path / "a.parquet").stat().st_size < 10 << 20
    assert "row 0 is not a picture, but data of no known kind" in bounded(tmp_path / "a.parquet")


def test_a_parquet_of_many_rows(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'rudcodec[hf]'")
    from pyarrow import parquet

    rows = 3_000_000
    table = pa.table({"image": pa.nulls(rows, pa.binary()), "label": np.zeros(rows, np.int8)})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert "more than 2,097,152 rows; make it several files" in bounded(tmp_path / "a.parquet")


def test_npy_and_mat_of_large_claims(tmp_path: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "|u1", "fortran_order": False, "shape": (1 << 40, 32, 32, 3)}
    )
    (tmp_path / "images.npy").write_bytes(head.getvalue() + bytes(1000))
    np.save(tmp_path / "labels.npy", np.zeros(4, np.int64))
    assert "it is damaged or cut short" in bounded(tmp_path / "images.npy")
    scipy_io = pytest.importorskip("scipy.io")
    scipy_io.savemat(tmp_path / "a.mat", {"X": np.zeros((4, 4, 3, 7), np.uint8), "y": np.zeros(7, np.uint8)})
    data = bytearray((tmp_path / "a.mat").read_bytes())
    at = data.index(struct.pack("<4i", 4, 4, 3, 7))
    data[at : at + 4] = struct.pack("<i", 1 << 30)
    (tmp_path / "a.mat").write_bytes(data)
    assert "not a MATLAB file that can be read (damaged)" in bounded(tmp_path / "a.mat")


def test_a_table_of_long_labels(tmp_path: Path) -> None:
    files = {"0.png": encoded(0), "labels.csv": b"filename,label\n0.png," + b"x" * (70 << 20)}
    assert "labels.csv is larger than 64 MiB" in bounded(put(tmp_path / "a", files))
    files["labels.csv"] = b"filename,label\n0.png," + b"x" * (1 << 20)
    assert "field larger than field limit" in bounded(put(tmp_path / "b", files))
    files["labels.csv"] = b'"filename,label' + b"[" * (1 << 20)
    assert "labels.csv, line 1: " in bounded(put(tmp_path / "c", files))
    del files["labels.csv"]
    files["metadata.jsonl"] = b"[" * (1 << 20)
    assert "metadata.jsonl, line 1: is no JSON object" in bounded(put(tmp_path / "d", files))


def test_a_link_that_stands_for_a_class_is_not_passed_over(tmp_path: Path) -> None:
    on_disk = put(tmp_path / "disk", toy())
    (on_disk / "bird").symlink_to("nowhere")
    data = encoded(9)
    in_tar = packed(
        tmp_path / "set.tar.gz",
        *((entry(f"{name}/1.png", len(data)), data) for name in ("cat", "dog")),
        (entry("bird", 0, tarfile.SYMTYPE, linkname="cat"), b""),
    )
    for source in (on_disk, in_tar):
        assert "bird/ lies among the class folders but has no images" in refusal(source, "all")
        assert load(source, "all", reading=Reading(skip_bad=True)).classes == ("cat", "dog")
