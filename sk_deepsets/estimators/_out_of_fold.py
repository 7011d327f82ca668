"""Predictions for the training sets, by members that were not trained on them."""

import numpy as np

from sk_deepsets.sets import RaggedSets
from sk_deepsets.training import SetDataset


def learn_out_of_fold(fitted, outputs, encoded, sample_weight, plan):
    """Out-of-fold predictions, flat, and their score, or None; a target that learns from outputs does so before.

    Parameters
    ----------
    fitted : Fitted
    outputs : Tensor of shape (n_sets, n_outputs) or (n_elements, n_outputs), or None
        Out-of-fold outputs.
    encoded : Encoded
    sample_weight : ndarray of shape (n_sets,) or None
    plan : FitPlan
    """
    target = fitted.target
    if target.learns_from_outputs:
        target.learn_from(_training_outputs(fitted, outputs, encoded), encoded)
    return None if fitted.has_seen_all else _predictions(outputs.numpy(), target, encoded, sample_weight, plan)


def _training_outputs(fitted, out_of_fold, encoded):
    """Outputs for the training sets that have a weight, as far as possible of members that were not trained on them."""
    outputs = np.full((len(encoded.sets), fitted.target.output_dim), np.nan)
    if not fitted.has_seen_all:
        outputs = out_of_fold.numpy().copy()
    missing = np.isnan(outputs[:, 0]) & (True if encoded.weight is None else encoded.weight > 0)
    if missing.any():
        outputs[missing] = fitted.net.forward(SetDataset(encoded.sets).subset(np.flatnonzero(missing))).numpy()
    return outputs


def _predictions(outputs, target, encoded, weight, plan):
    """Out-of-fold predictions and their score, from outputs of the sets, or of their elements, (n, n_outputs)."""
    sets, predicted = encoded.sets, plan.fold >= 0
    rows = predicted[sets.segments] if target.per_element else predicted
    # of these sets, which element belongs to which is all that is needed: the elements may be larger than memory
    offsets = np.concatenate([[0], sets.sizes[predicted].cumsum()])
    part, part_outputs = RaggedSets(np.empty((offsets[-1], 0)), offsets), outputs[rows]
    answers = target.answers(part_outputs, part)
    prediction = np.full((len(outputs), *answers.shape[1:]), np.nan)
    prediction[rows] = answers
    part_weight = None if weight is None else weight[predicted]
    return prediction, target.score(encoded.values[rows], part_outputs, part_weight, part)
