"""Judges a .rud file by DD-Ranking's hard-label score: judge_by_dd_ranking.py FILE.rud CIFAR10 FOLDER

FOLDER has the real set as torchvision keeps it, or gets it. It is the file's images and their classes that
are judged, whatever labels there are beside: the soft-label score wants a teacher of its own. Written for
ddranking 0.2.0 (pip install ddranking), which wants a GPU; a fourth argument names another device.
"""

import sys
from typing import Any

import numpy as np
import torch
from ddranking.metrics import LabelRobustScoreHard, hard_label

import rudcodec

MEAN_STD = {  # of the real images as DD-Ranking normalises them
    "CIFAR10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "CIFAR100": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "TinyImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
DSA = {
    "flip": 0.5, "rotate": 15.0, "saturation": 2.0, "brightness": 1.0, "contrast": 0.5, "scale": 1.2,
    "crop": 0.125, "cutout": 0.5,
}  # fmt: skip


def score(file: str, dataset: str, folder: str, **options: Any) -> Any:
    """What DD-Ranking's ``compute_metrics`` returns; ``options`` are those of its score, such as device."""
    data = rudcodec.load(file)
    if len(set(data.counts)) > 1:
        sys.exit("DD-Ranking wants as many images of one class as of another")
    data = data[np.argsort(data.labels, kind="stable")]
    settings: dict[str, Any] = {
        "dataset": dataset, "real_data_path": folder, "im_size": data.images.shape[1:3],
        "ipc": data.counts[0], "random_data_format": "tensor", "model_name": "ConvNet-3", "step_size": 150,
        "data_aug_func": "dsa", "aug_params": DSA, "eval_full_data": True, **options,
    }  # fmt: skip
    mean, std = (torch.tensor(values)[:, None, None] for values in MEAN_STD[dataset])
    plain = data.torch(normalise=False)
    images = torch.stack([(plain[number][0] - mean) / std for number in range(len(data))])
    # 0.2.0 would fail in writing its table, whose columns are of unequal length, after hours; all is returned
    hard_label.save_results = lambda *_: None
    metric = LabelRobustScoreHard(**settings)
    return metric.compute_metrics(image_tensor=images, hard_labels=torch.from_numpy(data.labels))


if __name__ == "__main__":
    print(score(*sys.argv[1:4], device=(sys.argv[4:] or ["cuda"])[0]))
