"""SetPadder: sets as padded arrays with masks, and back."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from sk_deepsets.preprocessing._features import SetTransformer, check_features
from sk_deepsets.sets import PaddedSets, RaggedSets, check_sets


class SetPadder(SetTransformer, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Pad sets to one size, with a mask that tells elements from padding.

    The estimators of this package take unpadded sets. A ``SetPadder`` makes padded arrays for other code (a torch
    module of your own, an exported model, another library), and truncates very large sets.

    Parameters
    ----------
    max_set_size : int, default=None
        Size to pad to. None: the size of the largest set passed to ``transform``.
    truncate : {"random", "first"}, default=None
        What to do with a set larger than ``max_set_size``: keep its first elements, or a random selection of them
        in their order. None: such a set is an error.
    pad_value : float, default=0.0
        Value of the padding.
    random_state : int, RandomState instance or None, default=None
        Controls the random selection. An int gives the same selection in every call.

    Attributes
    ----------
    n_features_in_ : int
        Number of features of an element.
    feature_names_in_ : ndarray of shape (``n_features_in_``,)
        Names of the features, if the sets are DataFrames whose column names are strings.

    See Also
    --------
    PaddedSets : What ``transform`` returns.

    Examples
    --------
    >>> from sk_deepsets import SetPadder
    >>> padded = SetPadder(max_set_size=3).fit_transform([[[1.0], [2.0]], [[3.0]]])
    >>> padded.values[..., 0]
    array([[1., 2., 0.],
           [3., 0., 0.]])
    >>> padded.mask.astype(int)
    array([[1, 1, 0],
           [1, 0, 0]])

    In front of a torch module:

    >>> import torch
    >>> from sk_deepsets.nn import DeepSetsInvariant
    >>> x, mask = torch.tensor(padded.values, dtype=torch.float32), torch.tensor(padded.mask)
    >>> DeepSetsInvariant(1, [8], [8], output_dim=1)(x, mask).shape
    torch.Size([2, 1])
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's name and form
        "max_set_size": [Interval(Integral, 1, None, closed="left"), None],
        "truncate": [StrOptions({"random", "first"}), None],
        "pad_value": [Real],
        "random_state": ["random_state"],
    }
    _takes_nan = False

    def __init__(
        self,
        max_set_size: int | None = None,
        truncate: str | None = None,
        pad_value: float = 0.0,
        *,
        random_state: Any = None,
    ) -> None:
        self.max_set_size = max_set_size
        self.truncate = truncate
        self.pad_value = pad_value
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> SetPadder:
        """Learn the number and the names of the features.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.
        y : ignored

        Returns
        -------
        self : SetPadder
        """
        sets = check_sets(X)
        self.check_sizes(sets)
        check_features(self, sets, reset=True)
        return self

    def transform(self, X: Any) -> PaddedSets:
        """Pad sets.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.

        Returns
        -------
        PaddedSets
            With ``values (n_sets, m, n_features)`` and ``mask (n_sets, m)``.

        Raises
        ------
        ValueError
            For a set larger than ``max_set_size`` when ``truncate`` is None.
        """
        check_is_fitted(self)
        sets = check_sets(X, ensure_min_elements=0)
        sets = check_features(self, sets, reset=False)
        if self.truncate is None:
            self.check_sizes(sets)
        elif self.max_set_size is not None:
            sets = self._cut(sets, self.max_set_size)
        return PaddedSets.from_ragged(sets, self.max_set_size, self.pad_value)

    def inverse_transform(self, X: PaddedSets) -> RaggedSets:
        """Remove the padding.

        Parameters
        ----------
        X : PaddedSets

        Returns
        -------
        RaggedSets
        """
        check_is_fitted(self)
        if not isinstance(X, PaddedSets):
            raise TypeError(f"inverse_transform takes PaddedSets, but got {type(X).__name__}.")
        return check_features(self, X.to_ragged(), reset=False)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the features of an element, which padding leaves as they are."""
        check_is_fitted(self)
        return _check_feature_names_in(self, input_features)

    def set_output(self, *, transform: str | None = None) -> SetPadder:
        """Do nothing: sets stay sets, whatever container a pipeline asks its tables to be in."""
        return self

    def check_sizes(self, sets: RaggedSets) -> None:
        """Raise if a set is too large and nothing says how to cut it."""
        if self.max_set_size is None or self.truncate is not None:
            return
        too_large = np.flatnonzero(sets.sizes > self.max_set_size)
        if len(too_large):
            number = too_large[0]
            raise ValueError(
                f"Set {number} has {sets.sizes[number]} elements, but max_set_size={self.max_set_size} "
                f"(larger: {len(too_large):,} of {len(sets):,} sets). Raise max_set_size, or cut the sets first with "
                'SetPadder(max_set_size=..., truncate="random") or truncate="first".'
            )

    def _cut(self, sets: RaggedSets, most: int) -> RaggedSets:
        """The same sets with at most so many elements each."""
        segments = sets.segments
        rank = np.arange(len(segments))
        if self.truncate == "random":
            # rank the elements of each set by a random key; the lowest ranks stay, in their old order
            key = check_random_state(self.random_state).random_sample(len(segments))
            rank[np.lexsort((key, segments))] = np.arange(len(segments))
        kept = rank - sets.offsets[segments] < most
        offsets = np.append(0, np.minimum(sets.sizes, most).cumsum())
        return sets._with(elements=sets.elements[kept], offsets=offsets, rows=None)
