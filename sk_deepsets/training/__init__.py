"""The one bridge between sets and torch, and the only folder that imports skorch."""

from sk_deepsets.training._batches import SetBatch, SetBatches, SetDataset
from sk_deepsets.training._build import OPTIMIZERS, REGRESSION_LOSSES, Training, build_element_net, build_net
from sk_deepsets.training._device import find_device, random_numbers
from sk_deepsets.training._net import ClassifierNet, RegressorNet, SetNet, Split
from sk_deepsets.training._threads import threads_for

__all__ = [
    "OPTIMIZERS",
    "REGRESSION_LOSSES",
    "ClassifierNet",
    "RegressorNet",
    "SetBatch",
    "SetBatches",
    "SetDataset",
    "SetNet",
    "Split",
    "Training",
    "build_element_net",
    "build_net",
    "find_device",
    "random_numbers",
    "threads_for",
]
