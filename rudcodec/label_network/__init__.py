"""Label networks: training them at a rate, and labelling images and views with them on a training device."""

from rudcodec.label_network.model import FloatLabelNetwork, to_network_input
from rudcodec.label_network.spec import LabelNetworkSpec, label_network_spec
from rudcodec.label_network.stream import ViewStream

__all__ = [
    "FloatLabelNetwork",
    "LabelNetworkSpec",
    "ViewStream",
    "label_network_spec",
    "to_network_input",
]
