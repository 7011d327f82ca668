"""save and load: a fitted estimator as one file that holds values and no code."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.io._container import read_file, write_file
from sk_deepsets.io._objects import CODECS, ESTIMATORS, ModuleMismatchError
from sk_deepsets.io._values import Reader, Writer

# Goes up whenever files are written that earlier versions cannot read, or would read as something else.
FORMAT = 4
PACKAGES = ("sk-deepsets", "torch", "scikit-learn", "skorch", "numpy", "pandas")


def save(estimator: Any, path: str | Path) -> None:
    """Save a fitted estimator in a file from which it can be loaded without running any code.

    Parameters
    ----------
    estimator : estimator
        One of the estimators or transformers of this package, or a ``Pipeline``, ``ColumnTransformer`` or
        ``TransformedTargetRegressor`` of these and of scikit-learn's scalers, imputers, encoders and other common
        transformers. A ``FunctionTransformer`` may have functions of NumPy, such as ``np.log1p``.
    path : str or Path
        An existing file is replaced.

    Raises
    ------
    TypeError
        If the estimator, or a parameter, is of a type that is not known here, such as a callback: what is code
        cannot be saved.
    ImportError
        Without ``pip install "sk-deepsets[io]"``, which is `safetensors
        <https://github.com/huggingface/safetensors>`_.

    See Also
    --------
    load : The way back.

    Notes
    -----
    The file holds the weights once, as safetensors, and all else in JSON in its metadata: parameters, fitted
    attributes, categories, labels, ``history_``. Left out are the state of the optimizer, which starts afresh if
    training continues, ``oof_prediction_``, the ``accelerator``, and the folders ``checkpoint`` and ``memory`` (of a
    pipeline). A ``module`` of your own is saved as its name and weights, and its class is an argument of :func:`load`;
    so is a ``loss`` of your own, whose name is saved.

    In addition to the weights, a file takes about 12 kB, and 100 to 200 bytes for each epoch of ``history_``.

    Of a pipeline with other steps save the last step with this function, and ``pipeline[:-1]`` with skops. There is
    pickle, too, which runs whatever code a file asks for: load pickles that you, or someone whom you trust, made.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sk_deepsets import DeepSetsRegressor
    >>> from sk_deepsets.io import load, save
    >>> sets = [np.arange(size) for size in range(1, 21)]
    >>> reg = DeepSetsRegressor(max_epochs=2, random_state=0).fit(sets, np.arange(20))
    >>> path = Path(tempfile.mkdtemp()) / "sums.safetensors"
    >>> save(reg, path)
    >>> bool((load(path).predict(sets) == reg.predict(sets)).all())
    True
    """
    if type(estimator) not in ESTIMATORS.values():
        best = " Of a search, save best_estimator_." if isinstance(estimator, GridSearchCV | RandomizedSearchCV) else ""
        raise TypeError(
            "save takes the estimators and transformers of this package, and pipelines of these and of common "
            f"transformers of scikit-learn, but got {type(estimator).__name__}.{best} Others may be saved with skops."
        )
    check_is_fitted(estimator)
    write = Writer(CODECS)
    settings = {
        "format": FORMAT,
        "versions": {name: _version(name) for name in PACKAGES},
        "estimator": write(estimator, ""),
        "module": write.module,
        "loss": write.loss,
    }
    write_file(path, settings, write.arrays)


def load(path: str | Path, module: Any = None, loss: Any = None) -> Any:
    """Load an estimator from a file that :func:`save` wrote, without running any code from it.

    Parameters
    ----------
    path : str or Path
    module : callable, optional
        The parameter ``module`` of the estimator that was saved, if it had one.
    loss : callable, optional
        Its parameter ``loss``, if that was a callable. Predictions do not depend on it; further training does.

    Returns
    -------
    estimator
        With its parameters and, on a machine of the same kind, predictions that are equal to the last bit. Its net
        is on the CPU if this machine does not have its ``device``.

    Raises
    ------
    ValueError
        If the file is damaged, was not written by :func:`save`, or was written by a later version; if
        ``module`` is missing or another one than was saved; if ``loss`` is missing.

    Notes
    -----
    The checksum in the file detects damage. It is not a signature: whoever can modify the file can also modify the
    checksum, and so change the predictions, but cannot make the file run any code.
    """
    settings, arrays = read_file(path)
    here, versions = _version("sk-deepsets"), settings.get("versions")
    if settings.get("format") != FORMAT:
        raise ValueError(
            f"{path} has format {settings.get('format')} (it was written with {versions}); sk_deepsets {here} reads "
            f"format {FORMAT}. Load it with the version that wrote it."
        )
    if (wanted := settings.get("module")) is not None and module is None:
        raise ValueError(f"{path} holds weights of the module {wanted}: pass its class, load(path, module=...).")
    if wanted is None and module is not None:
        raise ValueError(f"{path} holds an estimator without a module of your own: load it without module.")
    if (wanted := settings.get("loss")) is not None and loss is None:
        raise ValueError(f"{path} holds an estimator with the loss {wanted}: pass it, load(path, loss=...).")
    if wanted is None and loss is not None:
        raise ValueError(f"{path} holds an estimator without a loss of your own: load it without loss.")
    try:
        estimator = Reader(CODECS, arrays, module, loss)(settings["estimator"])
    except ModuleMismatchError:
        raise
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read by sk_deepsets {here}: {error!r:.200}. It says that it was written with "
            f"{versions}; load it with these versions."
        ) from error
    if type(estimator) not in ESTIMATORS.values():
        raise ValueError(f"{path} holds no estimator.")
    return estimator


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a folder on the path
        return "unknown"
