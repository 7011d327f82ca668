"""How sets become numbers: what ``fit`` learns of their features, sizes and columns, and other sets like them."""

import copy
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from sk_deepsets.preprocessing import (
    CollectionsEncoder,
    SetEncoder,
    SetPadder,
    check_features,
    columns_of,
    fitted_names,
)
from sk_deepsets.sets import RaggedSets, SetCollections, check_collections, check_sets


@dataclass(frozen=True, eq=False)
class SetReader:
    """Reads one collection."""

    padder: SetPadder
    encoder: SetEncoder
    columns: list[str] | None
    """The names of the columns of the table that the sets came in"""

    @classmethod
    def learn(cls, sets, columns, categorical_features, element_weight, estimator):
        """How sets like these are read, and the sets as numbers."""
        padder = SetPadder(max_set_size=estimator.max_set_size if estimator._part_size() is None else None)
        # what its fit does, without looking at every value once more
        sets = check_features(padder, sets, reset=True)
        check_sizes(sets, padder, estimator)
        encoder = SetEncoder(categorical_features, element_weight).fit(sets)
        return cls(padder, encoder, columns), encoder.transform(sets)

    @property
    def features(self) -> dict[str, Any]:
        """Number and names of the features of an element, as attributes of an estimator."""
        features = {"n_features_in_": self.padder.n_features_in_}
        names = fitted_names(self.padder)
        return features if names is None else features | {"feature_names_in_": names}

    @property
    def widths(self) -> int:
        """Number of features that phi takes: what weighs the elements is none."""
        return self.padder.n_features_in_ - (self.encoder.weight_column is not None)

    def read(self, X, estimator) -> RaggedSets:
        """Sets of any form, like those of ``fit``, as numbers."""
        sets = check_sets(X, dtype=None, ensure_min_elements=0, missing_sets=estimator.missing_sets)
        return self.read_sets(sets, columns_of(X), estimator)

    def read_sets(self, sets, columns, estimator) -> RaggedSets:
        """The same for sets that are checked already."""
        known = copy.copy(estimator)  # scikit-learn compares the features in the name of the estimator
        known.n_features_in_, known.feature_names_in_ = self.padder.n_features_in_, fitted_names(self.padder)
        sets = check_features(known, sets, reset=False)
        if not len(sets.elements) and None not in (columns, self.columns) and {*columns} != {*self.columns}:
            raise ValueError(
                f"X has the columns {columns}, and no elements in any; in fit it had the columns {self.columns}."
            )
        check_sizes(sets, self.padder, estimator)
        return self.encoder.transform(sets)


@dataclass(frozen=True, eq=False)
class CollectionsReader:
    """Reads several collections as one set for each row."""

    readers: dict[str, SetReader]
    encoder: CollectionsEncoder
    features: dict[str, Any]
    columns: list[str] | None

    @classmethod
    def learn(cls, given, columns, estimator):
        """How collections like these are read, and one set for each row as numbers."""
        categorical, readers, encoded = estimator.categorical_features, {}, {}
        if not (categorical is None or isinstance(categorical, str | dict)):
            raise ValueError(
                f"X has the collections {[*given.collections]}: expected categorical_features as a dict by collection, "
                f"such as {{{next(iter(given.collections))!r}: ['kind']}}, but got {categorical!r:.80}."
            )
        chosen = categorical if isinstance(categorical, dict) else dict.fromkeys(given.collections, categorical)
        unknown = [name for name in chosen if name not in given.collections]
        if unknown:
            raise ValueError(f"categorical_features names {unknown}; the collections are {[*given.collections]}.")
        weights = estimator._element_weight() or {}
        if not isinstance(weights, dict) or not {*weights} <= {*given.collections}:
            raise ValueError(
                f"X has the collections {[*given.collections]}: expected element_weight as a dict by collection, such "
                f"as {{{next(iter(given.collections))!r}: 'energy'}}, but got {weights!r:.80}."
            )
        for name, sets in given.collections.items():
            with _named(name):
                readers[name], encoded[name] = SetReader.learn(
                    sets, None, chosen.get(name), weights.get(name), estimator
                )
        widths = {name: sets.n_features for name, sets in encoded.items()}
        context = _context_alone(given)
        encoders = {name: reader.encoder for name, reader in readers.items()}
        encoder = CollectionsEncoder(encoders, widths, SetEncoder().fit(context))
        features = {
            "n_features_in_": given.n_features,
            "feature_names_in_": np.array(given.feature_names, dtype=object),
        }
        return cls(readers, encoder, features, columns), encoder.join(encoded, context, given.index)

    @property
    def padder(self) -> dict[str, SetPadder]:
        """Those of the collections."""
        return {name: reader.padder for name, reader in self.readers.items()}

    @property
    def widths(self) -> dict[str, int]:
        """Numbers of features, by collection."""
        return {name: reader.widths for name, reader in self.readers.items()}

    def read(self, X, estimator) -> RaggedSets:
        """See :class:`SetReader`; collections are matched by their names."""
        given = check_collections(X, dtype=None, ensure_min_elements=0, missing_sets=estimator.missing_sets)
        found = [*given.collections] if isinstance(given, SetCollections) else []
        if found != [*self.readers]:
            missing = [name for name in self.readers if name not in found]
            extra = [name for name in found if name not in self.readers]
            what = (
                f"the collections {found} (missing: {missing}, not seen in fit: {extra})" if found else "one collection"
            )
            raise ValueError(f"X has {what}; in fit it had the collections {[*self.readers]}.")
        encoded = {}
        for name, sets in given.collections.items():
            with _named(name):
                encoded[name] = self.readers[name].read_sets(sets, None, estimator)
        return self.encoder.join(encoded, _context_alone(given), given.index)


def learn_sets(X, estimator, takes_collections):
    """How sets like X are read, and X as sets of numbers.

    Parameters
    ----------
    X : sets
    estimator : estimator
        With the parameters that say what is an error.
    takes_collections : bool
        Whether there may be several.
    """
    given = check_collections(X, dtype=None, missing_sets=estimator.missing_sets)
    columns = columns_of(X)
    if isinstance(given, RaggedSets):
        weight = estimator._element_weight()
        if isinstance(weight, dict):
            raise ValueError(f"element_weight={weight!r} is by collection, but X has one: name the feature alone.")
        return SetReader.learn(given, columns, estimator.categorical_features, weight, estimator)
    if not takes_collections:
        names = [*given.collections]
        raise ValueError(
            f"X has several collections of sets, {names}, but {type(estimator).__name__} answers for the elements of "
            f"one: drop the others, or turn them into columns of context, such as with SetAggregator().set_output("
            f"transform='pandas').fit_transform(X[[{names[-1]!r}]])."
        )
    return CollectionsReader.learn(given, columns, estimator)


def check_sizes(sets, padder, estimator):
    """Raise for sets that are too large or, where that is an error, empty."""
    if estimator._part_size() is None:
        padder.check_sizes(sets)
    if estimator.empty_sets == "error" and not sets.sizes.all():
        empty = np.flatnonzero(sets.sizes == 0)
        raise ValueError(
            f"Set {empty[0]} is empty (empty: {len(empty):,} of {len(sets):,} sets). "
            'Drop such sets, or pool them to zero with empty_sets="zero".'
        )


def _context_alone(given):
    """The context of collections, as that of sets without elements."""
    context = None if given.context is None else given.context.reset_index(drop=True)
    return RaggedSets(np.empty((0, 0)), np.zeros(len(given) + 1, dtype=np.int64), context=context)


@contextmanager
def _named(name):
    """Say in errors which collection they are about."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"Collection {name!r}: {error}") from error
