"""The parameters of the estimators."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any

import torch
from sklearn.utils._param_validation import Interval, StrOptions

from sk_deepsets.estimators._architecture import ElementArchitecture, SetArchitecture, SharedArchitecture
from sk_deepsets.estimators._documented import parameter, with_parameters
from sk_deepsets.training import OPTIMIZERS

BATCH_SIZE = (Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}))


@with_parameters
class Data:
    """What the sets may be, and how they are prepared."""

    categorical_features: Any = parameter(
        "from_dtype",
        '"from_dtype", array-like, dict or None',
        """Which features of the elements are categories, whose embeddings are learned. ``"from_dtype"``: columns of a
        categorical or string dtype in DataFrames. array-like: names, positions or a mask, such as for ids below
        2**53 in an array of integers. None: no feature. A category that did not occur in ``fit`` has an embedding of
        zeros. Categories of the context are always found by dtype. Of several collections a dict of such choices, by
        the names of the collections.""",
        "array-like",
        dict,
        StrOptions({"from_dtype"}),
        None,
    )
    standardize: bool = parameter(
        True,
        "bool",
        """Whether to subtract the mean of each feature over all elements and divide by its standard deviation;
        likewise for context columns and regression targets.""",
        "boolean",
    )
    max_set_size: int | None = parameter(
        None,
        "int",
        """Size of the largest set accepted; larger sets are an error. A :class:`SetPadder` before the estimator can
        truncate them.""",
        Interval(Integral, 1, None, closed="left"),
        None,
    )
    empty_sets: str = parameter(
        "zero",
        '{"zero", "error"}',
        "How to treat empty sets: pool them to a vector of zeros (no element gets a prediction), or raise an error.",
        StrOptions({"zero", "error"}),
    )
    missing_sets: str = parameter(
        "error",
        '{"error", "empty"}',
        """How to treat missing sets (None, NaN, NA): raise an error, or read them as empty, for instance where a left
        join leaves rows without elements.""",
        StrOptions({"error", "empty"}),
    )


@with_parameters
class SetData(Data):
    """What the sets of the estimators with one prediction per set may be."""

    resample: bool = parameter(
        False,
        "bool",
        """Whether ``max_set_size`` is the size of a part of larger sets that is trained on: a new random one in each
        epoch. Evaluation, as that of held-out sets, and predictions are of all elements, in any number, as are
        scalings, and statistics of the set. Each of several collections is cut by itself. A sum is of as many elements
        as the set has, each of the part standing for several; the maximum of a part may be less than that of the set,
        and a ``module`` of your own sees the part alone.""",
        "boolean",
    )
    element_weight: str | int | dict | None = parameter(
        None,
        "str, int or dict",
        """A feature of the elements, by name or position, that weighs them in all pools and statistics of the set, and
        is not a feature of phi, such as the energies of particles in an energy flow network (Komiske, Metodiev and
        Thaler, 2019, "Energy flow networks: Deep sets for particle jets"): ``"sum"`` is sum_i w_i phi(x_i), ``"mean"``
        and ``"std"`` are weighted, ``"attention"`` and ``"pma"`` add log w_i to the scores. An element that is split
        into two with half of the weight each changes no prediction, to rounding; one of weight 0 does not count, and a
        set of such elements is treated as empty. The total weight takes the place of the size among the statistics.
        Weights must not be negative. Of several collections, a dict by collection. None: each element counts as
        one.""",
        str,
        Integral,
        dict,
        None,
    )


@with_parameters
class TrainingParameters:
    """How the model is trained."""

    optimizer: str | Callable = parameter(
        "adamw",
        '{"adam", "adamw", "sgd"} or callable',
        'By name, or a torch optimizer class. ``"sgd"`` has Nesterov momentum of 0.9.',
        StrOptions(set(OPTIMIZERS)),
        callable,
    )
    lr: float = parameter(
        5e-3,
        "float",
        """Initial learning rate. With early stopping it is multiplied by 0.3 each time the validation loss
        has not decreased for half of ``n_iter_no_change`` epochs, unless a skorch ``LRScheduler`` is among the
        callbacks.""",
        Interval(Real, 0, None, closed="neither"),
    )
    weight_decay: float = parameter(
        0.1, "float", "Weight decay; not applied to biases.", Interval(Real, 0, None, closed="left")
    )
    batch_size: int | str = parameter(
        "auto",
        'int or "auto"',
        """Number of sets in a mini-batch. ``"auto"``: about a sixteenth of the sets, 32 to 256; fewer, down to 8, if
        these have more than 16,384 elements in total.""",
        *BATCH_SIZE,
    )
    max_epochs: int = parameter(200, "int", "Maximum number of epochs.", Interval(Integral, 1, None, closed="left"))
    early_stopping: bool | str = parameter(
        "auto",
        'bool or "auto"',
        """Whether to hold out a part of the sets (the same share of each class), to stop when their loss has not
        decreased for ``n_iter_no_change`` epochs, and to restore the weights of the best epoch. ``"auto"``: with at
        least 1,000 targets, or with ``X_val``; with fewer, probabilities may be overconfident. The best epoch is
        restored whenever there are held-out sets; ``False`` then only means that all ``max_epochs`` are trained.
        An ensemble holds out one fold per member whatever the number of sets, and stops when the out-of-fold loss no
        longer improves.""",
        "boolean",
        StrOptions({"auto"}),
    )
    validation_fraction: float = parameter(
        0.1, "float", "Share of the training sets to hold out.", Interval(Real, 0, 1, closed="neither")
    )
    n_iter_no_change: int = parameter(
        10,
        "int",
        "Number of epochs without a new minimum of the validation loss after which training stops.",
        Interval(Integral, 1, None, closed="left"),
    )
    warm_start: bool = parameter(
        False,
        "bool",
        """Whether ``fit`` continues from the weights of the previous ``fit``. The parameters of the model must not
        change; those of the training may. The state of the optimizer is kept from one call to the next only with
        ``warm_start=True`` and in ``partial_fit``, which makes an estimator and its pickle about three times as
        large.""",
        "boolean",
    )
    callbacks: Sequence | None = parameter(
        None,
        "list of skorch callbacks",
        """Called as in skorch: ``fit`` uses these objects themselves, and each starts over in ``on_train_begin``.
        ``clone``, as in a cross-validation, makes new callbacks with the same parameters, so that a list that they
        fill, or an Optuna trial that they report to, is yours in each fit; scikit-learn takes the exception that prunes
        the trial for a failed fit, unless ``cross_val_score`` has ``error_score="raise"``. Scoring callbacks of an
        ensemble score its out-of-fold predictions, and any callback has it evaluated at every epoch, which takes
        longer. skorch's ``EarlyStopping`` ends a fit as usual; a KeyboardInterrupt that a callback of your own raises
        counts as Ctrl-C. With one net, a callback that watches ``valid_loss`` or scores held-out sets needs
        ``early_stopping=True`` or ``X_val``; in ``partial_fit``, which holds out nothing, such scores are left out.""",
        list,
        tuple,
        None,
    )
    checkpoint: str | PathLike | None = parameter(
        None,
        "str or Path",
        """A folder in which the state of the training is saved after each epoch, so that a fit that is killed loses at
        most one epoch. The next ``fit`` with the same data and parameters resumes there, on the CPU with the same
        result to the last bit. The file is deleted at the end of the fit; several fits, as in a grid search, can share
        a folder. Files are pickles: use a folder that only you can write to. Requires an int as ``random_state``.""",
        str,
        PathLike,
        None,
    )


@with_parameters
class Run:
    """Where and how the fit runs."""

    device: str | torch.device = parameter(
        "cpu",
        "str or torch.device",
        """The device to train on. ``"auto"``: the accelerator of this machine, if there is one, else the CPU; also the
        CPU with Apple's accelerator, which has no float64, in which sets are standardised.""",
        str,
        torch.device,
    )
    accelerator: Any = parameter(
        None,
        "accelerate.Accelerator",
        """Trains in several processes, such as one for each GPU of several machines, that ``accelerate launch`` or
        ``torchrun`` has started, each on the device of its own that the accelerator has in place of ``device``. All
        call ``fit`` with the same data and parameters. Each takes its own share of every mini-batch, so that
        ``batch_size`` is that of all together, and the losses are those of one process, to rounding; each then has the
        same fitted estimator. Process 0 alone shows the progress and writes the ``checkpoint``, which any
        number of processes resumes. Clones have the same accelerator; pickles have none, and predictions need none.
        Requires ``pip install "sk-deepsets[distributed]"``.""",
        object,
        None,
    )
    random_state: Any = parameter(
        None,
        "int, RandomState instance or None",
        """Controls the randomness of the initial weights, the batches, the dropout and the held-out sets. With an int,
        two fits on the CPU with the same number of threads are equal to the last bit, even in parallel threads or
        processes. The global random number generators of NumPy and torch are not changed.""",
        "random_state",
    )
    verbose: int = parameter(0, "int", "1: a progress bar for the fit. 2: a line for each epoch.", "verbose")


@with_parameters
class SetParameters(Run, TrainingParameters, SetData, SharedArchitecture, SetArchitecture):
    """The parameters of the estimators with one prediction per set (dataclass fields begin with the last base)."""


@with_parameters
class ElementParameters(Run, TrainingParameters, Data, SharedArchitecture, ElementArchitecture):
    """The parameters of the estimators with one prediction per element."""
