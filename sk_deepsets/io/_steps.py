"""The steps of a pipeline that scale, impute and choose columns, as one layer in front of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from torch import Tensor, nn

from sk_deepsets.preprocessing import ElementTransformer, SetPadder, fitted_names


class Columns(NamedTuple):
    """Columns that are each made of one input column x: ``clip((x - center) * scale + shift, low, high)``.

    Scaling, filling and clipping one after another are such a column again. All attributes have shape (n_columns,).
    """

    source: np.ndarray
    """The number of the input column."""
    center: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    low: np.ndarray
    high: np.ndarray
    if_missing: np.ndarray
    """What comes out where x is NaN."""

    @classmethod
    def same(cls, n: int) -> Columns:
        """The input columns as they are."""
        zeros, inf = np.zeros(n), np.full(n, np.inf)
        return cls(np.arange(n), zeros, np.ones(n), zeros, -inf, inf, np.full(n, np.nan))

    def take(self, places: Any) -> Columns:
        """Some of the columns."""
        return Columns(*(values[places] for values in self))

    def join(self, *others: Columns) -> Columns:
        """These columns and others behind them."""
        return Columns(*map(np.concatenate, zip(self, *others, strict=True)))

    def scaled(self, center: Any, scale: Any, shift: Any = 0.0) -> Columns:
        """``(y - center) * scale + shift`` of each column y; None is to leave it out."""
        center, scale = 0.0 if center is None else center, 1.0 if scale is None else scale
        # a first center stays apart, so that a large offset loses no digits
        is_input = (self.center == 0) & (self.scale == 1) & (self.shift == 0)
        kept = np.where(is_input, 0.0, center)
        return Columns(
            self.source,
            np.where(is_input, center, self.center),
            self.scale * scale,
            (self.shift - kept) * scale + shift,
            *((value - center) * scale + shift for value in (self.low, self.high, self.if_missing)),
        )

    def clipped(self, low: float, high: float) -> Columns:
        """No value outside a range."""
        ends = (np.clip(values, low, high) for values in (self.low, self.high, self.if_missing))
        return Columns(self.source, self.center, self.scale, self.shift, *ends)

    def filled(self, values: Any) -> Columns:
        """Other values in place of NaN."""
        return self._replace(if_missing=np.where(np.isnan(self.if_missing), values, self.if_missing))

    def missing(self) -> Columns:
        """1 where a column is NaN, else 0."""
        zeros = np.zeros(len(self.source))
        return Columns(self.source, zeros, zeros, zeros, zeros, zeros, np.isnan(self.if_missing).astype(float))

    @property
    def is_same(self) -> np.ndarray:
        """Which columns are input columns as they are."""
        as_input = Columns.same(len(self.source))
        equal = [own == given for own, given in zip(self[1:-1], as_input[1:-1], strict=True)]
        return np.isnan(self.if_missing) & np.all(equal, axis=0)


class ColumnSteps(nn.Module):
    """The layer that makes ``columns`` of a table ``(..., n_inputs)``, in its dtype."""

    source: Tensor
    center: Tensor
    scale: Tensor
    shift: Tensor
    low: Tensor
    high: Tensor
    if_missing: Tensor

    def __init__(self, columns: Columns) -> None:
        super().__init__()
        for name, values in columns._asdict().items():
            self.register_buffer(name, torch.from_numpy(values))

    def forward(self, table: Tensor) -> Tensor:
        """Columns in the last dimension."""
        x = table[..., self.source]
        scaled = (x - self.center) * self.scale + self.shift
        return torch.where(x.isnan(), self.if_missing, torch.minimum(torch.maximum(scaled, self.low), self.high))


def _impute(step: SimpleImputer, columns: Columns) -> Columns:
    of_nan = isinstance(step.missing_values, float) and np.isnan(step.missing_values)
    if not of_nan or step._fill_dtype.kind not in "biuf":
        raise unknown(step)
    statistics = np.asarray(step.statistics_, dtype=np.float64)  # objects, for a constant
    known = slice(None) if step.keep_empty_features else ~np.isnan(statistics)
    filled = columns.take(known).filled(statistics[known])
    return filled.join(columns.take(step.indicator_.features_).missing()) if step.add_indicator else filled


def _min_max(step: MinMaxScaler, columns: Columns) -> Columns:
    scaled = columns.scaled(step.data_min_, step.scale_, step.feature_range[0])
    return scaled.clipped(*step.feature_range) if step.clip else scaled


def _max_abs(step: MaxAbsScaler, columns: Columns) -> Columns:
    scaled = columns.scaled(None, 1 / step.scale_)
    return scaled.clipped(-1.0, 1.0) if step.get_params().get("clip") else scaled  # of scikit-learn 1.8


def _standard(step: StandardScaler, columns: Columns) -> Columns:
    return columns.scaled(step.mean_ if step.with_mean else None, 1 / step.scale_ if step.with_std else None)


def _robust(step: RobustScaler, columns: Columns) -> Columns:
    return columns.scaled(step.center_, None if step.scale_ is None else 1 / step.scale_)


def _function(step: FunctionTransformer, columns: Columns) -> Columns:
    if step.func is not None:
        raise unknown(step)
    return columns


KNOWN: dict[type, Callable[[Any, Columns], Columns]] = {
    StandardScaler: _standard,
    MinMaxScaler: _min_max,
    MaxAbsScaler: _max_abs,
    RobustScaler: _robust,
    SimpleImputer: _impute,
    FunctionTransformer: _function,
}


def unknown(step: Any) -> TypeError:
    """The error for a step that is not exported, with a way that works."""
    return TypeError(
        f"to_onnx exports the steps {', '.join(one.__name__ for one in KNOWN)}, ColumnTransformer and Pipeline in "
        f"front of an estimator, but got {step!r:.80}. Export the last step alone, to_onnx(pipeline[-1], path), and "
        "transform the sets by the other steps: padded = SetPadder().fit_transform(pipeline[:-1].transform(X)) "
        "has the inputs x=padded.values and mask=padded.mask, and context=padded.context.to_numpy() if there is one. "
        'skops.io.dump(pipeline[:-1], "steps.skops") saves these steps.'
    )


class Steps:
    """What steps make of the elements of sets, and of the other columns of the table that the sets are in.

    Attributes
    ----------
    elements : Columns or None
        Of the input's elements; None where no step has looked at them.
    table : Columns or None
        Of the input's table, with the column of sets in it; None where no step has looked at it.
    element_names, table_names : list
        The names of the columns that come in, or their numbers.
    """

    def __init__(self, steps: Iterable[Any]) -> None:
        self.elements: Columns | None = None
        self.table: Columns | None = None
        self.element_names: list[Any] = []
        self.table_names: list[Any] = []
        for step in steps:
            self._append(step)

    def _append(self, step: Any) -> None:
        if step is None or step == "passthrough" or type(step) is SetPadder:
            return
        if type(step) is Pipeline:
            for _, one in step.steps:
                self._append(one)
        elif type(step) is ElementTransformer:
            self._transform_elements(step)
        elif type(step) is ColumnTransformer:
            if self.table is None:
                self.table, self.table_names = Columns.same(step.n_features_in_), names_of(step)
            self.table = self._transform(step, self.table)
        elif type(step) is not FunctionTransformer or step.func is not None:
            raise unknown(step)

    def _transform_elements(self, step: ElementTransformer) -> None:
        if self.elements is None:
            self.elements, self.element_names = Columns.same(step.n_features_in_), names_of(step)
        self.elements = self._transform(step.transformer_, self.elements)

    def _transform(self, step: Any, columns: Columns) -> Columns:
        """What a transformer of rows makes of columns."""
        if step is None or step == "passthrough":
            return columns
        if type(step) is Pipeline:
            for _, one in step.steps:
                columns = self._transform(one, columns)
            return columns
        if type(step) is ElementTransformer:
            self._transform_elements(step)
            return columns
        if type(step) is ColumnTransformer and step.transformer_weights is None:
            taken = step._transformer_to_input_indices
            parts = [columns.take([])]
            for name, part, _ in step.transformers_:
                if len(taken[name]) and part != "drop":
                    parts.append(self._transform(part, columns.take(taken[name])))
            return parts[0].join(*parts[1:])
        if type(step) not in KNOWN:
            raise unknown(step)
        return KNOWN[type(step)](step, columns)


def names_of(step: Any) -> list[Any]:
    """The names of the features that a step was fitted with, or their numbers."""
    names = fitted_names(step)
    return list(range(step.n_features_in_) if names is None else names)


@dataclass
class Input:
    """An input of the program, numbers before codes of categories, and what the model gets of it."""

    described: list[dict[str, Any]]
    """Name and categories, or None, of each column."""
    columns: Columns
    """What the model gets."""

    @classmethod
    def arrange(cls, columns: Columns, names: list[Any], encoder: Any, n_columns: int) -> Input:
        """The input that is encoded behind the steps.

        Parameters
        ----------
        columns : Columns
            What the steps make of the columns ``names``.
        encoder : ColumnEncoder or None
            What the estimator makes of columns with kinds.
        n_columns : int
            How many columns the estimator takes.
        """
        numbers = list(range(n_columns)) if encoder is None else encoder.numbers
        categories = {} if encoder is None else encoder.categories
        codes = columns.take(list(categories))
        columns = columns.take(numbers)
        known = dict(zip(codes.source.tolist(), categories.values(), strict=True))
        if not codes.is_same.all() or set(known) & set(columns.source.tolist()):
            raise TypeError(
                "to_onnx exports pipelines in which columns of categories only pass through. Export the last step "
                "alone, to_onnx(pipeline[-1], path), and transform the sets by the other steps."
            )
        columns = columns.join(codes)
        layout = [place for place in range(len(names)) if place not in known] + list(known)
        position = np.empty(len(names), dtype=np.int64)
        position[layout] = np.arange(len(layout))
        columns = columns._replace(source=position[columns.source])
        described = [
            {"name": names[place], "categories": known[place].tolist() if place in known else None} for place in layout
        ]
        return cls(described, columns)

    def layer(self) -> nn.Module:
        """What stands in front of the model."""
        n = len(self.described)
        is_plain = len(self.columns.source) == n and (self.columns.source == np.arange(n)).all()
        return nn.Identity() if is_plain and self.columns.is_same.all() else ColumnSteps(self.columns)
