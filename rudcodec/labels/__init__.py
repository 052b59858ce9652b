"""Label networks: training them at a rate, and labelling views with them on a training device."""

from rudcodec.labels.network import LabelNet
from rudcodec.labels.soft import soft_bits, soft_labels_by, with_soft_labels
from rudcodec.labels.stream import ViewStream
from rudcodec.labels.training import LabelPlan, plan_for, train_label_network

__all__ = [
    "LabelNet",
    "LabelPlan",
    "ViewStream",
    "plan_for",
    "soft_bits",
    "soft_labels_by",
    "train_label_network",
    "with_soft_labels",
]
