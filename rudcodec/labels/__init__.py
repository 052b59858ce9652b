"""Label networks: training them at a rate, and labelling views with them on a training device."""

from rudcodec.labels.network import LabelNet
from rudcodec.labels.stream import ViewStream
from rudcodec.labels.training import LabelPlan, plan_for, train_label_network

__all__ = ["LabelNet", "LabelPlan", "ViewStream", "plan_for", "train_label_network"]
