"""The example that has DD-Ranking judge a file, with a stand-in for that package: what it is given."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import rudcodec

EXAMPLE = Path(__file__).parents[1] / "examples" / "judge_by_dd_ranking.py"


class Score:
    """Takes what DD-Ranking's score of that name takes, version 0.2.0, and returns it."""

    def __init__(
        self, dataset: str, real_data_path: str, ipc: int, model_name: str, data_aug_func: str,
        aug_params: dict[str, float], im_size: tuple[int, int], step_size: int, device: str,
        random_data_format: str, eval_full_data: bool,
    ) -> None:  # fmt: skip
        self.settings = {"dataset": dataset, "folder": real_data_path, "ipc": ipc, "im_size": im_size}

    def compute_metrics(self, image_tensor: torch.Tensor, hard_labels: torch.Tensor) -> Any:
        return self.settings, image_tensor, hard_labels


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    package, metrics = ModuleType("ddranking"), ModuleType("ddranking.metrics")
    vars(metrics).update(LabelRobustScoreHard=Score, hard_label=ModuleType("hard_label"))
    monkeypatch.setitem(sys.modules, "ddranking", package)
    monkeypatch.setitem(sys.modules, "ddranking.metrics", metrics)
    return runpy.run_path(str(EXAMPLE))


def test_images_are_normalised_as_the_real_ones_and_in_order_of_class(
    example: dict[str, Any], rud: Path
) -> None:
    settings, images, labels = example["score"](str(rud), "CIFAR10", "real/", device="cpu")
    data = rudcodec.load(rud)
    assert settings == {"dataset": "CIFAR10", "folder": "real/", "ipc": 4, "im_size": (8, 8)}
    assert labels.tolist() == sorted(data.labels.tolist())
    mean, std = example["MEAN_STD"]["CIFAR10"]
    expected = (data.images[np.argsort(data.labels, kind="stable")] / 255 - mean) / std
    np.testing.assert_allclose(images.permute(0, 2, 3, 1).numpy(), expected, atol=1e-5)


def test_unequal_classes_are_refused(
    example: dict[str, Any], rud: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = rudcodec.load(rud)[:3]
    monkeypatch.setattr(rudcodec, "load", lambda file: some)
    with pytest.raises(SystemExit, match="as many images"):
        example["score"](str(rud), "CIFAR10", "real/", device="cpu")
