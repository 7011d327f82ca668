"""to_onnx: a fitted estimator as a program for onnxruntime and others, with scaling, embeddings and members inside."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from sk_deepsets.estimators._base import DeepSetsBase
from sk_deepsets.estimators._element_targets import ChosenElementTarget, ElementTarget
from sk_deepsets.estimators._targets import ClassTarget, LabelsTarget
from sk_deepsets.training import ModulePack, PaddedModule, plain_torch, written_whole

# What earlier versions export is right for sets of one size only.
FIRST_TORCH = "2.8"


@plain_torch()
def to_onnx(estimator: Any, path: str | Path) -> None:
    """Export a fitted estimator to an ONNX file.

    The inputs of the program are ``x (n_sets, set_size, n_features)`` in float64, ``mask (n_sets, set_size)``, which is
    True where there is an element, and where the sets have a context, ``context (n_sets, n_context_features)`` in
    float64. Its output is ``probabilities`` of a classifier or ``values`` of a regressor, in float64, as
    ``predict_proba`` and ``predict`` give them: for each set; or for each element, ``(n_sets, set_size, ...)`` with 0
    under the mask. ``n_sets`` and ``set_size`` may be any numbers; what is under the mask never matters.

    Parameters
    ----------
    estimator : estimator
        One of the four of this package; of a pipeline, its last step; apply the steps before it yourself.
    path : str or Path
        A file there is replaced.

    Raises
    ------
    TypeError
        For other estimators, and for those with a ``module`` of your own.
    ImportError
        Without ``pip install "sk-deepsets[onnx]"``, or with a torch before 2.8. To run the program needs
        ``onnxruntime`` alone.

    Notes
    -----
    A category is given as its place in the list of categories, counted from 1; any other number stands for a category
    that ``fit`` has not seen. The metadata of the file have, in JSON under the name ``sk_deepsets``, the ``columns`` of
    ``x`` and those of ``context`` in their order, each with its name and its categories or null, and the ``classes`` of
    a classifier. What an estimator checks before it predicts,
    such as names, missing values and sizes, the program does not.

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
    if not isinstance(estimator, DeepSetsBase):
        raise TypeError(
            f"to_onnx takes one of the four estimators of this package, but got {type(estimator).__name__}. Of a "
            "pipeline, export the last step, and transform sets before they come to it."
        )
    check_is_fitted(estimator)
    module, target = estimator.net_.module_, estimator._target
    if isinstance(module, PaddedModule | ModulePack):
        raise TypeError(
            "to_onnx does not know how to export a module of your own. It is net_.module_.module, after "
            "the standardisation net_.module_.input_layer: give both to torch.onnx.export."
        )
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise ImportError(f'to_onnx needs {" and ".join(missing)}: pip install "sk-deepsets[onnx]".')
    if torch.__version__ < FIRST_TORCH:
        raise ImportError(f"to_onnx needs torch {FIRST_TORCH} or later, not {torch.__version__}.")

    n_sets, set_size = torch.export.Dim("n_sets"), torch.export.Dim("set_size")
    x = torch.zeros(3, 4, estimator.n_features_in_, dtype=torch.float64)
    inputs = {"x": (x, {0: n_sets, 1: set_size}), "mask": (torch.ones(3, 4).bool(), {0: n_sets, 1: set_size})}
    if estimator.n_context_features_ is not None:
        inputs["context"] = torch.zeros(3, estimator.n_context_features_, dtype=torch.float64), {0: n_sets}
    served = Served(copy.deepcopy(module).cpu(), target, estimator._encoder).eval()
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            served,
            tuple(example for example, _ in inputs.values()),
            dynamo=True,
            dynamic_shapes=tuple(shape for _, shape in inputs.values()),
            input_names=list(inputs),
            output_names=["probabilities" if hasattr(estimator, "classes_") else "values"],
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props["sk_deepsets"] = json.dumps(description(estimator), default=str)
    with written_whole(Path(path)) as part:
        program.save(part)


class Served(nn.Module):
    """From padded sets to answers, as a target has them.

    Parameters
    ----------
    core : nn.Module
        From ``x``, ``mask`` and ``context`` to outputs.
    target : Target
    encoder : SetEncoder
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, core: nn.Module, target: Any, encoder: Any) -> None:
        super().__init__()
        self.core = core
        self.target = target
        self.n_categories, self.n_context_categories = encoder.n_categories, encoder.n_context_categories
        if not isinstance(target, ClassTarget | LabelsTarget):
            self.register_buffer("mean", torch.from_numpy(target.mean))
            self.register_buffer("scale", torch.from_numpy(target.scale))

    def forward(self, x: Tensor, mask: Tensor, context: Tensor | None = None) -> Tensor:
        """Answers for each set, or for each element of a set with 0 under the mask."""
        x = with_known_codes(x, self.n_categories)
        given = {} if context is None else {"context": with_known_codes(context, self.n_context_categories)}
        outputs = self.core(x, mask=mask, **given)
        answers = self._answers(outputs.double(), mask)
        if not isinstance(self.target, ElementTarget):
            return answers
        return torch.where(mask if answers.dim() == 2 else mask.unsqueeze(2), answers, 0)

    def _answers(self, outputs: Tensor, mask: Tensor) -> Tensor:
        target = self.target
        if isinstance(target, ChosenElementTarget):
            chosen = outputs.masked_fill(~mask.unsqueeze(2), -torch.inf).softmax(dim=1)
            return torch.cat([1 - chosen, chosen] if target.chosen == 1 else [chosen, 1 - chosen], dim=2)
        if isinstance(target, ClassTarget):
            return outputs.softmax(dim=-1)
        if isinstance(target, LabelsTarget):
            return outputs.sigmoid()
        values = (outputs.exp() if target.link == "log" else outputs) * self.scale + self.mean
        return values[..., 0] if target.is_flat else values


def with_known_codes(table: Tensor, n_categories: list[int]) -> Tensor:
    """The same with 0 for codes of categories, the last columns, that are none: -1 and NaN, say."""
    if not n_categories:
        return table
    n_numbers = table.shape[-1] - len(n_categories)
    codes = table[..., n_numbers:]
    known = (codes >= 0) & (codes <= torch.tensor(n_categories, dtype=table.dtype)) & (codes == codes.floor())
    return torch.cat([table[..., :n_numbers], torch.where(known, codes, 0)], dim=-1)


def description(estimator: Any) -> dict[str, Any]:
    """The columns of the inputs, in their order, and the classes of the output."""
    encoder, names = estimator._encoder, getattr(estimator, "feature_names_in_", range(estimator.n_features_in_))
    found = {"columns": columns(encoder._elements, names)}
    if encoder.n_context_features is not None:
        found["context"] = columns(encoder._context, range(encoder.n_context_features))
    if hasattr(estimator, "classes_"):
        found["classes"] = estimator.classes_.tolist()
    return found


def columns(encoder: Any, names: Any) -> list[dict[str, Any]]:
    """The names of columns, and their categories, if any, in the order that an encoder gives them."""
    if encoder is None:
        return [{"name": name, "categories": None} for name in names]
    names = names if encoder.names is None else encoder.names
    numbers = [{"name": names[place], "categories": None} for place in encoder.numbers]
    return numbers + [
        {"name": names[place], "categories": known.tolist()} for place, known in encoder.categories.items()
    ]


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
