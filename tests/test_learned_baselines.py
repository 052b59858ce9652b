"""compressai's models as baselines: untrained ones of few channels, where their weights would be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import small_payload
from rate_points import rate_points

from rudcodec import bitstream
from rudcodec.baselines import PictureBudget, real_images
from rudcodec.baselines.codecs import LEARNED, check_codec, weights_of
from rudcodec.baselines.learned_codecs import find_weights
from rudcodec.baselines.picture_codec import LearnedName
from rudcodec.cli.main import main
from rudcodec.data import LabelledImages
from rudcodec.errors import BudgetError, SettingError

torch = pytest.importorskip("torch")
NAMES = ("ant", "bee", "cicada")


@pytest.fixture(scope="session")
def zoo() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("compressai", reason="compressai is not installed: pip install '.[compressai]'")
        import compressai.zoo.image

    return compressai.zoo.image


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def save_untrained(zoo: Any, folder: Path, name: LearnedName, quality: int, *channels: int) -> Path:
    """An untrained model under the name that the published one has."""
    torch.manual_seed(quality)
    model = zoo.model_architectures[name](*channels)
    model.update()
    path = folder / str(zoo.model_urls[name]["mse"][quality]).rpartition("/")[2]
    torch.save(model.state_dict(), path)
    return path


@pytest.fixture
def insects() -> LabelledImages:
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    return LabelledImages(images, np.repeat(np.arange(3), 10), NAMES, "insects")


@pytest.mark.parametrize("name", LEARNED)
def test_published_weights_are_found_by_name(zoo: Any, cache: Path, name: LearnedName) -> None:
    urls = zoo.model_urls[name]
    for metric in urls:
        for url in urls[metric].values():
            (cache / url.rpartition("/")[2]).touch()
    assert {q: path.name for q, path in find_weights(name).items()} == {
        q: url.rpartition("/")[2] for q, url in urls["mse"].items()
    }


@pytest.mark.parametrize("name", LEARNED)
def test_every_model_codes_and_decodes(zoo: Any, cache: Path, name: LearnedName) -> None:
    save_untrained(zoo, cache, name, 2, *((8,) if name.startswith("cheng") else (8, 8)))
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    (point,) = rate_points(images, name)
    assert (point.quality, point.subsampling) == (2, "4:4:4")
    assert point.size > 0 and point.bpp == 8 * point.size / (6 * 64)
    assert 4 < point.psnr < 20


@pytest.mark.parametrize("channels", [1, 3])
def test_the_strings_of_the_entropy_coder_count(zoo: Any, cache: Path, channels: int) -> None:
    path = save_untrained(zoo, cache, "bmshj2018-factorized", 3, 8, 8)
    images = np.random.default_rng(0).integers(0, 256, (2, 60, 40, channels), dtype=np.uint8)
    data = LabelledImages(images, np.arange(2), ("a", "b"), "two")
    (found,) = real_images(data, PictureBudget("bmshj2018-factorized", 10**6, (1,)), seed=0)
    assert (found.quality, found.uncounted) == (3, path.stat().st_size)
    assert found.images.shape == images.shape and found.images.dtype == np.uint8

    model = zoo.model_architectures["bmshj2018-factorized"].from_state_dict(torch.load(path)).eval()
    column = np.pad(images.reshape(120, 40, channels), ((0, 8), (0, 24), (0, 0)), mode="edge")
    pixels = torch.from_numpy(column.transpose(2, 0, 1)[None] / np.float32(255)).expand(1, 3, 128, 64)
    with torch.no_grad():
        coded = model.compress(pixels)
        expected = model.decompress(**coded)["x_hat"][0, :, :120, :40].clamp(0, 1) * 255
    assert found.size == len(coded["strings"][0][0])
    expected = expected.mean(0, keepdim=True) if channels == 1 else expected
    difference = found.images.reshape(120, 40, channels) - expected.permute(1, 2, 0).numpy()
    assert np.abs(difference).max() < 0.51


def test_only_qualities_that_are_there_are_tried(zoo: Any, cache: Path, insects: LabelledImages) -> None:
    for quality, channels in ((2, 4), (5, 16)):
        save_untrained(zoo, cache, "bmshj2018-factorized", quality, 8, channels)
    name: LearnedName = "bmshj2018-factorized"
    low, high = rate_points(insects.images, name)
    assert (low.quality, high.quality) == (2, 5) and low.size < high.size
    with pytest.raises(SettingError, match="no weights of bmshj2018-factorized for quality 3, only for 2, 5"):
        rate_points(insects.images, name, (3,))
    enough = real_images(insects, PictureBudget(name, 10**6, (10,)), 0)
    assert [found.quality for found in enough] == [5]
    less = real_images(insects, PictureBudget(name, enough[0].size - 1, (10,)), 0)
    assert [found.quality for found in less] == [2]
    with pytest.raises(
        BudgetError, match="10 bytes are too few for 10 images per class as bmshj2018-factorized"
    ):
        real_images(insects, PictureBudget(name, 10, (10,)), 0)


def test_eval_says_what_does_not_count(
    zoo: Any, cache: Path, insects: LabelledImages, tmp_path: Path
) -> None:
    path = save_untrained(zoo, cache, "bmshj2018-factorized", 1, 8, 4)
    file, source = tmp_path / "set.rud", tmp_path / "insects.npz"
    bitstream.write(small_payload(segments=40), file)
    np.savez(source, images=insects.images, labels=insects.labels, classes=NAMES)
    quick = ["--real", str(source), "--seeds", "1", "--steps", "2", "--width", "4", "--device", "cpu"]
    command = ["eval", str(file), *quick, "--baseline", "bmshj2018-factorized"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "real images, bmshj2018-factorized q1" in result.stdout
    last = result.stdout.splitlines()[-1]
    assert last == f"not counted: the weights of bmshj2018-factorized q1, {path.stat().st_size:,} bytes"
    row = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)["rows"][-1]
    assert (row["codec"], row["uncounted_bytes"]) == ("bmshj2018-factorized", path.stat().st_size)
    assert row["bytes"] <= file.stat().st_size


@pytest.mark.parametrize("content", ["cut", "garbage", "other"])
def test_damaged_weights_are_one_line(zoo: Any, cache: Path, insects: LabelledImages, content: str) -> None:
    path = save_untrained(zoo, cache, "bmshj2018-hyperprior", 1, 8, 8)
    if content == "other":
        torch.save({"weight": torch.zeros(3)}, path)
    else:
        path.write_bytes(path.read_bytes()[:-99] if content == "cut" else b"<html>404</html>")
    with pytest.raises(SettingError, match=r"pth\.tar: holds no weights of bmshj2018-hyperprior; delete it"):
        real_images(insects, PictureBudget("bmshj2018-hyperprior", 10**6, (1,)), 0)


def test_absent_weights_are_named_and_never_downloaded(zoo: Any, cache: Path, rud: Path) -> None:
    with pytest.raises(SettingError) as caught:
        check_codec("cheng2020-anchor")
    text = str(caught.value)
    assert text.startswith(f"no weights of cheng2020-anchor are in {cache}, and none are downloaded unasked")
    command = text.partition('python -c "')[2].rstrip('"')
    function = command.split()[3]
    assert function == zoo.cheng2020_anchor.__name__ and "range(1, 7)" in command
    result = CliRunner().invoke(
        main, ["eval", str(rud), "--real", "digits", "--baseline", "cheng2020-anchor"]
    )
    assert result.exit_code == 2 and "no weights of cheng2020-anchor" in result.stderr
    assert result.stderr.count("\n") == 1 and list(cache.iterdir()) == []


def test_without_compressai_it_says_how_to_get_it(
    cache: Path, monkeypatch: pytest.MonkeyPatch, rud: Path
) -> None:
    there = {"compressai": None}
    monkeypatch.setattr("rudcodec.optional.find_spec", lambda name: there.get(name, name))
    result = CliRunner().invoke(main, ["eval", str(rud), "--real", "digits", "--baseline", "mbt2018"])
    assert result.exit_code == 2
    assert result.stderr == (
        "rudcodec: compressai is missing, which mbt2018 (for Python 3.11 and 3.12) needs: "
        "pip install 'rudcodec[compressai]'\n"
    )


def test_encoding_and_other_baselines_do_not_import_it(zoo: Any) -> None:
    """compressai's import takes seconds."""
    program = (
        "import sys, rudcodec.distill, rudcodec.comparison; from rudcodec.data import load;"
        "from rudcodec.baselines import PictureBudget, real_images;"
        "real_images(load('digits', 'train'), PictureBudget('jpeg', 3000, (2,)), 0);"
        "print(sorted({'compressai', 'torch'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert result.stdout == "['torch']\n"


@pytest.mark.slow
def test_curves_are_what_the_plots_of_compressai_read(zoo: Any, tmp_path: Path) -> None:
    from compressai.utils.plot.__main__ import parse_json_file

    script = Path(__file__).parents[1] / "benchmarks" / "rate_distortion.py"
    command = [sys.executable, str(script), "digits", "--ipc", "1", "--codec", "jpeg", "--codec", "avif"]
    curves = ["--bpc", "1500", "--curves", str(tmp_path)]
    subprocess.run([*command, *curves], check=True, capture_output=True, timeout=600)
    assert sorted(path.name for path in tmp_path.glob("*.json")) == [
        "avif.json",
        "jpeg.json",
        "rudcodec.json",
    ]
    for name in ("rudcodec", "avif", "jpeg"):
        curve = parse_json_file(tmp_path / f"{name}.json", "psnr")
        assert curve["name"] == name and len(curve["xs"]) == len(curve["ys"]) == 1
        assert 0 < curve["xs"][0] <= 1500 / 64 and curve["ys"][0] > 15


def test_more_weights_are_another_baseline(zoo: Any, cache: Path) -> None:
    assert weights_of("mbt2018") == weights_of("avif") == []
    files = [save_untrained(zoo, cache, "bmshj2018-factorized", quality, 8, 4).name for quality in (2, 5)]
    assert weights_of("bmshj2018-factorized") == files
