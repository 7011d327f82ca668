"""The one bridge between sets and torch, and the only folder that imports skorch."""

from sk_deepsets.training._batch import SetBatch
from sk_deepsets.training._batches import SetBatches, auto_batch_size
from sk_deepsets.training._build import OPTIMIZERS, RANKING_LOSSES, REGRESSION_LOSSES, build_net
from sk_deepsets.training._by_element import attention, integrated_gradients, leave_one_out
from sk_deepsets.training._checkpoint import atomic_write, checkpoint_path
from sk_deepsets.training._dataset import SetDataset
from sk_deepsets.training._ensemble_selector import EnsembleSelector
from sk_deepsets.training._net import ClassifierNet, RegressorNet, SetNet, Split
from sk_deepsets.training._processes import Processes, find_processes
from sk_deepsets.training._runtime import RandomNumbers, as_global_generator, find_device, plain_torch, threads_for
from sk_deepsets.training._selector import BestEpoch, EpochSelector
from sk_deepsets.training._train import DivergedError, Training, train
from sk_deepsets.training._user_callbacks import CallbackLike, clone_callbacks
from sk_deepsets.training._user_module import ModuleEnsemble, ModuleStack, PaddedModule

__all__ = [
    "OPTIMIZERS",
    "RANKING_LOSSES",
    "REGRESSION_LOSSES",
    "BestEpoch",
    "CallbackLike",
    "ClassifierNet",
    "DivergedError",
    "EnsembleSelector",
    "EpochSelector",
    "ModuleEnsemble",
    "ModuleStack",
    "PaddedModule",
    "Processes",
    "RandomNumbers",
    "RegressorNet",
    "SetBatch",
    "SetBatches",
    "SetDataset",
    "SetNet",
    "Split",
    "Training",
    "as_global_generator",
    "atomic_write",
    "attention",
    "auto_batch_size",
    "build_net",
    "checkpoint_path",
    "clone_callbacks",
    "find_device",
    "find_processes",
    "integrated_gradients",
    "leave_one_out",
    "plain_torch",
    "threads_for",
    "train",
]
