"""The layers of the encoders for one set, in NumPy from the weights alone."""

import numpy as np
from scipy.special import softmax

from sk_deepsets.nn import ENCODERS

KINDS = tuple(ENCODERS)


def run_layer(kind, weights, prefix, elements):
    """The output of a layer of an encoder for the elements (n, d) of a set, before the activation."""

    def linear(name, rows):
        bias = weights.get(f"{prefix}{name}.bias", 0)
        return rows @ weights[f"{prefix}{name}.weight"].T + bias

    if kind == "elementwise":
        return elements @ weights[prefix + "weight"].T + weights[prefix + "bias"]
    hidden = linear("Lambda", elements)
    if kind == "equivariant":
        return hidden + linear("Gamma", elements.max(axis=0, keepdims=True))
    points = softmax(linear("score", hidden), axis=0).T @ hidden
    keys, values = np.split(linear("recall", points + np.maximum(linear("mix", points), 0)), 2, axis=1)
    return hidden + softmax(hidden @ keys.T / np.sqrt(hidden.shape[1]), axis=1) @ values
