"""The outcome of a training: warnings, and an error for predictions that are not finite."""

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from sk_deepsets.nn import Ensemble
from sk_deepsets.training import SetDataset


def advice_for(estimator):
    """What to do when training diverges."""
    advice = "Lower lr." if estimator.standardize else "Lower lr, or set standardize=True."
    if not _has_own_module(estimator):
        return advice
    return f"{advice} A module must be finite for an empty set or collection: divide by mask.sum(1).clamp(min=1)."


def _has_own_module(estimator):
    """Whether the net is a user's."""
    return estimator.get_params(deep=False).get("module") is not None


def _describe_empty(estimator, encoder, sets):
    """What a module meets that is empty, by the number of the set, such as "is empty in the collection 'visits'"."""
    empty, names = encoder.find_empty(sets)
    # the package's own nets are finite for a collection that is empty
    numbers = np.flatnonzero((empty.any if _has_own_module(estimator) else empty.all)(axis=1))
    found = {}
    for number in numbers.tolist():
        where = [name for name, is_empty in zip(names, empty[number], strict=False) if is_empty]
        which = f" in the collection{'s' * (len(where) > 1)} {' and '.join(map(repr, where))}"
        found[number] = "is empty" + which * (len(where) < len(names))
    return found


def warn_of_training(estimator, training, note, stacklevel):
    """Warn of a training that diverged, whose loss exploded, or that ended too early, and of a further note.

    Parameters
    ----------
    estimator : estimator
        As fitted.
    training : Training
    note : str or None
    stacklevel : int
        As in :func:`warnings.warn`: 1 is the caller of this function.
    """
    texts = []
    if training.diverged:
        texts.append(
            f"Training diverged: the loss of epoch {estimator.n_iter_} is not finite. {advice_for(estimator)} The "
            f"weights of epoch {estimator.best_iteration_} are kept."
        )
    elif training.exploded_loss is not None:
        texts.append(
            f"Training failed: its loss is {training.exploded_loss:.3g}, far above that of a constant prediction. "
            f"{advice_for(estimator)}"
        )
    if training.unfinished:
        texts.append(f"The validation loss was still falling after {estimator.max_epochs} epochs: raise max_epochs.")
    for text in texts:
        warnings.warn(text, ConvergenceWarning, stacklevel=stacklevel + 1)
    if note is not None:
        warnings.warn(note, UserWarning, stacklevel=stacklevel + 1)


def nothing_held_out(estimator, net, target, plan, groups):
    """What to warn of where a fit was to evaluate held-out sets, but there are none; None where all is well.

    Parameters
    ----------
    estimator : estimator
        Fitted without ``X_val``.
    net : SetNet
    target : Target
    plan : FitPlan
    groups : ndarray of shape (n_sets,) or None
    """
    has_members = isinstance(net.module_, Ensemble)
    if plan.fold is not None or len(plan.held_out) or not (has_members or estimator.early_stopping is True):
        return None
    n_sets, more = len(plan.trained), "sets"
    facts = f"{n_sets} set{'s' * (n_sets != 1)}"
    if groups is not None:
        sizes, more = np.unique(groups[plan.trained], return_counts=True)[1], "groups"
        facts += f" in {len(sizes)} group{'s' * (len(sizes) != 1)}, the largest of {sizes.max()}"
    way_out = f"Give more {more}{' with all classes' * (target.classes is not None)}, or X_val and y_val"
    if has_members:
        return (
            f"n_members={estimator.n_members}, but no sets can be held out of their training ({facts}). All members "
            "were trained on all sets, and count the same: nothing decided when to stop, probabilities may be "
            f"overconfident, and there is no oof_score_. {way_out}."
        )
    return (
        f"early_stopping=True has no effect: no sets can be held out ({facts}, "
        f"validation_fraction={estimator.validation_fraction}), and nothing decided when to stop. {way_out}, or a "
        "larger validation_fraction; or set early_stopping=False."
    )


def check_finite(outputs, sets, estimator, encoder, per_element=False, name=""):
    """What a net gives for sets, or for their elements, if it is finite; otherwise an error that names the first set.

    Parameters
    ----------
    outputs : ndarray of shape (n_sets, n_outputs) or (n_elements, n_outputs)
    sets : RaggedSets
    estimator : estimator
    encoder : SetEncoder or CollectionsEncoder
        Which made the sets.
    per_element : bool
        Whether the outputs are those of the elements.
    name : str
        What follows X in the message.
    """
    wrong = ~np.isfinite(outputs).all(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        number = sets.locate(row)[0] if per_element else row
        empty = _describe_empty(estimator, encoder, sets[[number]])
        if empty:
            raise ValueError(
                f"Set {number} of X{name} {empty[0]}, and the output of the module for it is not finite: where all of "
                "the mask is False, divide by mask.sum(1).clamp(min=1), and give a maximum or a softmax a finite "
                'value; or let empty_sets="error" refuse such sets.'
            )
        raise ValueError(
            f"The output for set {number} of X{name} is not finite: the values of this set are far beyond those of "
            f"others, or training diverged. {advice_for(estimator)}"
        )
    return outputs


def check_losses(net, target, sets, estimator, encoder, weight=None, name=""):
    """Raise for the first set whose output, or its square, is beyond float32, unless that is so for all sets."""
    with np.errstate(over="ignore"):
        squares = np.square(net.forward(SetDataset(sets)).numpy())
    left_out = np.zeros(len(sets), dtype=bool) if weight is None else weight == 0
    left_out = left_out[sets.segments] if target.per_element else left_out
    if np.isfinite(squares[~left_out]).any():
        squares[left_out] = 0
        check_finite(squares, sets, estimator, encoder, target.per_element, name)
    _check_gradient_for_empty_set(net, sets, _describe_empty(estimator, encoder, sets), name)


def _check_gradient_for_empty_set(net, sets, empty, name):
    """Raise if the output for an empty set has no finite gradient, as behind ``torch.where`` it easily has not."""
    if not empty:
        return
    number, where = next(iter(empty.items()))
    padded = [number, int(sets.sizes.argmax())]  # beside a larger set, as in training
    (batch, _), *_ = net.get_iterator(SetDataset(sets[padded]))
    weights = [weight for weight in net.module_.parameters() if weight.requires_grad]
    with torch.enable_grad():
        output = net.infer(batch)[:1]
        gradients = torch.autograd.grad(output.sum(), weights, allow_unused=True) if output.requires_grad else []
    if not all(gradient is None or gradient.isfinite().all() for gradient in gradients):
        raise ValueError(
            f"Set {number} of X{name} {where}, and the gradient of the module for it is not finite: divide by "
            "mask.sum(1).clamp(min=1), and take roots and logarithms of positive numbers only, before any torch.where; "
            'or let empty_sets="error" refuse such sets.'
        )
