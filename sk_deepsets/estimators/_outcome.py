"""The outcome of a training: warnings, and an error for predictions that are not finite."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sk_deepsets.training import SetDataset


def advice_for(estimator):
    """What to do when training diverges."""
    return "Lower lr." if estimator.standardize else "Lower lr, or set standardize=True."


def warn_of_training(estimator, training, stacklevel):
    """Warn of a training that diverged, whose loss exploded, or that ended too early.

    Parameters
    ----------
    estimator : estimator
        As fitted.
    training : Training
    stacklevel : int
        As in :func:`warnings.warn`: 1 is the caller of this function.
    """
    said = []
    if training.diverged:
        said.append(
            f"Training diverged: the loss of epoch {estimator.n_iter_} is not finite. {advice_for(estimator)} The "
            f"weights of epoch {estimator.best_iteration_} are kept."
        )
    elif training.blew_up is not None:
        said.append(
            f"Training failed: its loss is {training.blew_up:.3g}, far above that of a constant prediction. "
            f"{advice_for(estimator)}"
        )
    if training.unfinished:
        said.append(f"The validation loss was still falling after {estimator.max_epochs} epochs: raise max_epochs.")
    for text in said:
        warnings.warn(text, ConvergenceWarning, stacklevel=stacklevel + 1)


def check_finite(outputs, sets, estimator, name=""):
    """What a net gives for sets, or for their elements, if it is finite; otherwise an error that names the first set.

    Parameters
    ----------
    outputs : ndarray of shape (n_sets, n_outputs) or (n_elements, n_outputs)
    sets : RaggedSets
    estimator : estimator
    name : str
        What follows X in the message.
    """
    wrong = ~np.isfinite(outputs).all(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        number = sets.locate(row)[0] if estimator._target.of_elements else row
        raise ValueError(
            f"The output for set {number} of X{name} is not finite: the values of this set are far beyond those of "
            f"others, or training diverged. {advice_for(estimator)}"
        )
    return outputs


def check_losses(estimator, sets, weight=None, name=""):
    """Raise for the first set whose output, or its square, is beyond float32, unless that is so for all sets."""
    with np.errstate(over="ignore"):
        squares = np.square(estimator.net_.forward(SetDataset(sets)).numpy())
    left_out = np.zeros(len(sets), dtype=bool) if weight is None else weight == 0
    left_out = left_out[sets.segments] if estimator._target.of_elements else left_out
    if np.isfinite(squares[~left_out]).any():
        squares[left_out] = 0
        check_finite(squares, sets, estimator, name)
