"""to_onnx: a fitted estimator as a program for onnxruntime and others, with scaling, embeddings and members inside."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from sk_deepsets.estimators import CollectionsReader, DeepSetsBase
from sk_deepsets.io._program import Served, ServedCollections
from sk_deepsets.io._steps import Columns, Input, Steps, names_of
from sk_deepsets.nn import Standardize
from sk_deepsets.training import atomic_write, plain_torch

DTYPES = {"float64": torch.float64, "float32": torch.float32}
# From 0 to a column of numbers, in float32, of which it has seven digits.
MOST_SPREADS = 1_000
# What earlier versions export is right for sets of one size only.
FIRST_TORCH = "2.8"


@plain_torch()
def to_onnx(estimator: Any, path: str | Path, dtype: str = "float64") -> None:
    """Export a fitted estimator, or a pipeline that ends with one, to an ONNX file.

    The inputs of the program are ``x (n_sets, set_size, n_features)`` in float64, ``mask (n_sets, set_size)``, which is
    True where there is an element, and where the sets have a context, ``context (n_sets, n_context_features)`` in
    float64. Its output is ``probabilities`` of a classifier or ``values`` of a regressor, in float64, as
    ``predict_proba`` and ``predict`` give them: for each set; or for each element, ``(n_sets, set_size, ...)`` with 0
    under the mask. ``n_sets`` and ``set_size`` may be any numbers; what is under the mask never matters. Of several
    collections, ``orders`` and ``orders_mask``, ``visits`` and ``visits_mask``, … take the place of ``x`` and ``mask``,
    in the order of their names.

    Parameters
    ----------
    estimator : estimator or Pipeline
        One of the estimators of this package; or a pipeline that ends with one, whose other steps are an
        ``ElementTransformer`` or ``SetPadder``, or a ``ColumnTransformer`` of the table with the sets. What these do is
        in the program where it is ``StandardScaler``, ``MinMaxScaler``, ``MaxAbsScaler``, ``RobustScaler``, a
        ``SimpleImputer`` of numbers, or a ``ColumnTransformer`` or ``Pipeline`` of these. The inputs are then those of
        the pipeline, with NaN for what is missing.
    path : str or Path
        A file there is replaced.
    dtype : {"float64", "float32"}, default="float64"
        "float32" is for runtimes without float64 and booleans, such as those of browsers and GPUs: ``x``, ``mask``
        (1 where there is an element, else 0), ``context`` and the output are all in float32. Answers are then those of
        the estimator to about 1e-5.

    Raises
    ------
    TypeError
        For other estimators or steps, and for estimators with a ``module`` of your own.
    ValueError
        For ``dtype="float32"`` where a column is so far from 0 that it loses its digits: subtract a constant of it
        before ``fit``.
    ImportError
        Without ``pip install "sk-deepsets[onnx]"``, or with a torch before 2.8. To run the program needs
        ``onnxruntime`` alone.

    Notes
    -----
    A category is given as its place in the list of categories, counted from 1; any other number stands for a category
    that ``fit`` has not seen. The metadata of the file have, in JSON under the name ``sk_deepsets``, the ``columns`` of
    ``x`` (of several collections, in ``collections`` those of each) and those of ``context`` in their order, each with
    its name and its categories or null, and the ``classes`` of a classifier. What an estimator checks before it
    predicts, such as names, missing values and sizes, the program does not.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsRegressor
    >>> from sk_deepsets.io import to_onnx
    >>> sets = [np.arange(size) for size in range(1, 21)]
    >>> reg = DeepSetsRegressor(n_members=1, max_epochs=2, random_state=0).fit(sets, np.arange(20))
    >>> path = Path(tempfile.mkdtemp()) / "sums.onnx"
    >>> to_onnx(reg, path)  # doctest: +SKIP

    Elsewhere, with onnxruntime and NumPy alone:

    >>> import onnxruntime  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession(path)  # doctest: +SKIP
    >>> x, mask = np.zeros((2, 5, 1)), np.zeros((2, 5), dtype=bool)
    >>> for number, one_set in enumerate([[3, 1, 4], [1, 5, 9, 2, 6]]):
    ...     x[number, : len(one_set), 0], mask[number, : len(one_set)] = one_set, True
    >>> (values,) = session.run(["values"], {"x": x, "mask": mask})  # doctest: +SKIP
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {list(DTYPES)}, but is {dtype!r}.")
    steps: list[Any] = []
    if isinstance(estimator, Pipeline):
        check_is_fitted(estimator)
        *steps, estimator = [step for _, step in estimator.steps]
    if not isinstance(estimator, DeepSetsBase):
        best = (
            " Of a search, export best_estimator_." if isinstance(estimator, GridSearchCV | RandomizedSearchCV) else ""
        )
        raise TypeError(
            "to_onnx takes an estimator of this package, or a pipeline that ends with one, but got "
            f"{type(estimator).__name__}.{best}"
        )
    check_is_fitted(estimator)
    module = estimator.net_.module_
    if module.is_padded:
        raise TypeError(
            "to_onnx does not know how to export a module of your own. It is net_.module_.module, after "
            "the standardisation net_.module_.input_layer: give both to torch.onnx.export."
        )
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise ImportError(f'to_onnx needs {" and ".join(missing)}: pip install "sk-deepsets[onnx]".')
    if torch.__version__ < FIRST_TORCH:
        raise ImportError(f"to_onnx needs torch {FIRST_TORCH} or later, not {torch.__version__}.")

    given = inputs_of(estimator, Steps(steps))
    several = isinstance(estimator._fitted.reader, CollectionsReader)
    make = ServedCollections if several else Served
    served = make(copy.deepcopy(module).cpu(), estimator._fitted, given, DTYPES[dtype]).eval()
    if dtype == "float32":
        check_offsets(module, given, estimator._element_weight() is not None)
    inputs = example_inputs(given, several, DTYPES[dtype])
    shapes = tuple(shape for _, shape in inputs.values())
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            served,
            tuple(example for example, _ in inputs.values()),
            dynamo=True,
            dynamic_shapes=(shapes,) if several else shapes,
            input_names=list(inputs),
            output_names=["values" if estimator._fitted.target.classes is None else "probabilities"],
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props["sk_deepsets"] = json.dumps(description(estimator, steps), default=str)
    with atomic_write(Path(path)) as part:
        program.save(part)


def example_inputs(
    given: dict[str, Input], several: bool, dtype: torch.dtype
) -> dict[str, tuple[Tensor, dict[int, Any]]]:
    """For each input of the program an example, and which of its dimensions may have any size."""
    n_sets, found = torch.export.Dim("n_sets"), {}
    for name, each in given.items():
        if name == "context":
            found[name] = torch.zeros(3, len(each.described), dtype=dtype), {0: n_sets}
            continue
        shape = {0: n_sets, 1: torch.export.Dim(f"size_{len(found) // 2}" if several else "set_size")}
        found[name] = torch.zeros(3, 4, len(each.described), dtype=dtype), shape
        mask = torch.ones(3, 4, dtype=torch.bool if dtype == torch.float64 else torch.float32)
        found[f"{name}_mask" if several else "mask"] = mask, shape
    return found


def check_offsets(core: nn.Module, inputs: dict[str, Input], weighs_elements: bool) -> None:
    """Raise for a column of which float32 rounds away more than a small part of its spread."""
    layers = [layer for layer in core.modules() if isinstance(layer, Standardize)]
    for one in inputs.values():
        numbers = [place for place in one.columns.source if one.described[place]["categories"] is None]
        columns = one.columns.take(slice(len(numbers)))
        scalings = [(columns.center, 1 / np.where(columns.scale == 0, np.inf, columns.scale))]
        # what weighs the elements is the last of the numbers, and in no layer
        n_scaled = {len(numbers), len(numbers) - weighs_elements}
        scalings += [(x.mean.cpu().numpy(), x.scale.cpu().numpy()) for x in layers if len(x.mean) in n_scaled]
        for center, spread in scalings:
            far = np.flatnonzero(np.abs(center) > MOST_SPREADS * np.abs(spread))
            if len(far):
                place = far[0]
                raise ValueError(
                    f"Column {one.described[numbers[place]]['name']!r} is around {center[place]:.4g} with a spread "
                    f"of {abs(spread[place]):.2g}: float32 has too few digits for it. Subtract a constant, such as "
                    f'{center[place]:.0f}, of it before fit, or export with dtype="float64".'
                )


def inputs_of(estimator: Any, steps: Steps) -> dict[str, Input]:
    """The inputs ``x`` and ``context`` of a program: of an estimator, and of the steps before it."""
    reader = estimator._fitted.reader
    if isinstance(reader, CollectionsReader):
        return inputs_of_collections(reader, steps)
    encoder = reader.encoder
    n_elements, n_context = estimator.n_features_in_, encoder.n_context_features
    elements, names = steps.elements, steps.element_names
    if elements is None:
        elements, names = Columns.same(n_elements), names_of(estimator)
    found = {"x": Input.arrange(elements, names, encoder._elements, n_elements)}
    if n_context is not None:
        known = encoder._context.names or list(range(n_context))
        context, names = Columns.same(n_context), known
        if steps.table is not None:
            context, names = around_sets(estimator, steps, known)
        found["context"] = Input.arrange(context, names, encoder._context, n_context)
    return found


def inputs_of_collections(reader: CollectionsReader, steps: Steps) -> dict[str, Input]:
    """The inputs of a program for several collections, by their names, and ``context``."""
    if steps.elements is not None or steps.table is not None:
        raise TypeError(
            "to_onnx exports an estimator of several collections alone: to_onnx(pipeline[-1], path), and transform the "
            "table by the other steps."
        )
    found = {}
    for name, each in reader.readers.items():
        n_columns = each.padder.n_features_in_
        found[name] = Input.arrange(Columns.same(n_columns), names_of(each.padder), each.encoder._elements, n_columns)
    encoder = reader.encoder.context_encoder
    n_context = encoder.n_context_features
    if n_context is not None:
        names: list[Any] = (encoder._context and encoder._context.names) or list(range(n_context))
        found["context"] = Input.arrange(Columns.same(n_context), names, encoder._context, n_context)
    return found


def around_sets(estimator: Any, steps: Steps, known: list[Any]) -> tuple[Columns, list[Any]]:
    """The columns beside that of the sets, of which the estimator calls those of the context ``known``."""
    table = steps.table
    assert table is not None
    names = estimator._fitted.reader.columns or list(range(len(table.source)))
    place = next(place for place, name in enumerate(names) if name not in known)
    sets = table.source[place]
    table = table.take([other for other in range(len(names)) if other != place])
    table = table._replace(source=table.source - (table.source > sets))
    return table, [name for number, name in enumerate(steps.table_names) if number != sets]


def description(estimator: Any, steps: Sequence[Any] = ()) -> dict[str, Any]:
    """The columns of the inputs, in their order, and the classes of the output."""
    inputs = inputs_of(estimator, Steps(steps))
    tables = {name: each.described for name, each in inputs.items() if name != "context"}
    several = isinstance(estimator._fitted.reader, CollectionsReader)
    found: dict[str, Any] = {"collections": tables} if several else {"columns": tables["x"]}
    if "context" in inputs:
        found["context"] = inputs["context"].described
    if estimator._fitted.target.classes is not None:
        found["classes"] = estimator._fitted.target.classes.tolist()
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Run a block without the exporters' remarks on what they optimise, and on what they use of torch."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
