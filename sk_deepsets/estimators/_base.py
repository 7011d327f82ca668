"""DeepSetsBase: what all estimators share, from sets of any form to a trained net."""

import copy
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.estimators._check_targets import check_groups, check_weight
from sk_deepsets.estimators._diagram import architecture
from sk_deepsets.estimators._folds import Parts, hold_out, member_folds
from sk_deepsets.estimators._outcome import advice_for, check_finite, check_losses, nothing_held_out, warn_of_training
from sk_deepsets.estimators._ranges import column_range, columns_apart, size_range, tables, warn_of_far_sets
from sk_deepsets.estimators._same_model import check_same_model, checkpoint_of, model_parameters
from sk_deepsets.nn import Ensemble
from sk_deepsets.preprocessing import SetEncoder, SetPadder, check_features, columns_of
from sk_deepsets.sets import check_sets
from sk_deepsets.training import (
    BestEpoch,
    DivergedError,
    EnsembleSelector,
    RandomNumbers,
    SetDataset,
    Split,
    as_global_generator,
    build_net,
    clone_callbacks,
    find_device,
    plain_torch,
    train,
)

# Targets, of sets or of elements. With fewer, a net that is trained to the end is more accurate than one that holds out
# a tenth, but overconfident (accuracy .82 against .75, log loss 1.5 against .7: examples/benchmarks/README.md).
ENOUGH_TO_HOLD_OUT = 1_000

# In a mini-batch, as far as its size is not given.
MOST_ELEMENTS = 16_384

ROUTED = (
    'Behind other steps of a pipeline, Pipeline(steps, transform_input=["X_val"]) sends X_val through these, too (with '
    "sklearn.set_config(enable_metadata_routing=True))."
)


class DeepSetsBase(BaseEstimator):
    """Base of all estimators; those make their target (``_make_target``) and their torch module (``_make_core``)."""

    # of the elements and the context that were trained on; none in a file older than these
    _column_ranges: ClassVar[dict] = {}

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None, groups=None):
        """Train on sets.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes.
        y : array-like of shape (n_sets,), (n_sets, n_labels) or (n_sets, n_outputs)
            Targets: one class or number per set; for a classifier with several labels, a column of zeros and ones for
            each label; for a regressor with several outputs, a column for each output. For the element-wise estimators,
            one target for each element: sets of one feature, such as a list with one array per set; a flat Series,
            which is matched to the rows of the frame that the sets were made from; or a flat array in the order of
            the elements, set by set.
        sample_weight : array-like of shape (n_sets,), default=None
            Weights of the sets in the loss, in the validation loss and in standardisation. Sets of weight 0 are left
            out.
        X_val, y_val : sets and their targets, default=None
            Validation sets, which are evaluated instead of held-out parts of ``X`` for early stopping and for the
            selection of members.
        groups : array-like of shape (n_sets,), default=None
            Sets of one group, such as those of one day or one patient, are trained on or held out together.

        Returns
        -------
        self : estimator
            Unchanged if an error is raised. After an interrupt (Ctrl-C) it has the weights of the best finished epoch,
            if there is one, and the KeyboardInterrupt is passed on.
        """
        goes_on = self.warm_start and hasattr(self, "net_")
        how = {"goes_on": goes_on, "epochs": self.max_epochs}
        training, note = self._fit(X, y, sample_weight, X_val, y_val, groups, **how)
        warn_of_training(self, training, note, stacklevel=3)  # 2 is scikit-learn's wrapper
        if training.interrupted:
            raise KeyboardInterrupt
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def _partial_fit(self, X, y, sample_weight, classes=None):
        how = {"goes_on": hasattr(self, "net_"), "epochs": 1, "classes": classes, "partly": True}
        training, _ = self._fit(X, y, sample_weight, **how)
        if training.interrupted:
            raise KeyboardInterrupt
        return self

    @plain_torch()
    def _fit(
        self, X, y, sample_weight, X_val=None, y_val=None, groups=None, *, goes_on, epochs, classes=None, partly=False
    ):
        """Fit a copy, and become it when all has gone well; how training went, and what to warn of, or None."""
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val are needed together, but one of them is None.")
        device = find_device(self.device)
        # a generator of our own for None, too: the global ones are left as they are
        random = self.random_state if isinstance(self.random_state, np.random.RandomState) else None
        random = random or np.random.RandomState(self.random_state)
        fitted = copy.copy(self)
        if goes_on:
            check_same_model(fitted)
        else:  # how many folds there are is up to the new net
            fitted.__dict__.pop("net_", None)
            fitted._seed_of_parts = random.randint(2**31 - 1)
        sets = fitted._read_sets(X, reset=not goes_on)
        fitted._target = copy.copy(self._target) if goes_on else self._make_target(y)
        values, of_sets, weight = fitted._read_targets(y, sample_weight, sets, classes)
        # the same each time that training continues: no member is evaluated on sets that it was trained on before
        of_parts = np.random.RandomState(fitted._seed_of_parts)
        groups = check_groups(groups, sets)
        parts = fitted._divide(values, weight, sets, groups, of_parts, all_are_trained=partly or X_val is not None)
        if not goes_on:
            of_trained = parts.weight(weight)
            fitted._target.learn_scale(values, sets, of_trained)
            fitted._begin(values, sets, of_trained, device, int(random.randint(2**31 - 1)))

        data = fitted._target.dataset(values, sets, weight)
        train_set, valid_set = parts.cut(data)
        if X_val is not None:
            valid_set = fitted._validation_set(X_val, y_val)
        try:
            training, best_epoch = fitted._train(Split(train_set, valid_set), epochs, partly)
        except DivergedError:
            # what overflows once it is scaled has no output, or no loss, from the start
            check_losses(fitted, sets, weight)
            if X_val is not None:
                check_losses(fitted, valid_set.X, name="_val")
            raise
        fitted._record(parts.used_of(sets), training, self if goes_on else None)
        # once its members have been trained on all sets, there are no out-of-fold predictions when training continues
        fitted._saw_all = parts.fold is None or (goes_on and self._saw_all)
        fitted._keep_out_of_fold(best_epoch, parts, values, of_sets)
        if X_val is not None:
            apart = columns_apart(valid_set.X, sets, fitted._encoder.number_names(sets))
            note = apart and apart + ROUTED
        else:
            note = None if partly else nothing_held_out(fitted, parts, groups)
        self.__dict__ = fitted.__dict__
        return training, note

    def _record(self, sets, training, before):
        """Set the public attributes, which continue the earlier ones if training continued."""
        self.size_range_ = size_range(sets, None if before is None else before.size_range_)
        known, names = {} if before is None else before._column_ranges, self._encoder.number_names(sets)
        self._column_ranges = {
            what: column_range(table[:, : len(names[what])], known.get(what))
            for what, (table, _) in tables(sets).items()
        }
        self.history_ = [*([] if before is None else before.history_), *training.history]
        self.n_iter_ = len(self.history_)
        self.best_iteration_ = training.best_epoch or self.n_iter_
        if hasattr(self._target, "classes"):
            self.classes_ = self._target.classes

    def _train(self, data, epochs, partly):
        """Train the net; what came of it, and the callback that chose the epoch."""
        best_epoch = BestEpoch(self.n_iter_no_change if self.early_stopping else None)
        if isinstance(self.net_.module_, Ensemble) and (data.train.fold is not None or data.valid is not None):
            best_epoch = EnsembleSelector(bool(self.early_stopping), self._target.robust)
        training = train(
            self.net_,
            data,
            self._random_numbers,
            best_epoch,
            lr=self.lr,
            batch_size=batch_size(data.train) if self.batch_size == "auto" else self.batch_size,
            epochs=epochs,
            callbacks=self.callbacks,
            verbose=int(self.verbose),
            advice=advice_for(self),
            checkpoint=None if partly else checkpoint_of(self, data, self._built_with),
            partly=partly,
        )
        if not (partly or self.warm_start):
            self.net_.optimizer_.state.clear()  # several times the weights
        return training, best_epoch

    def _divide(self, values, weight, sets, groups, random, all_are_trained):
        """Which sets are trained on and which are held out: folds, or one part."""
        used = np.arange(len(sets)) if weight is None else np.flatnonzero(weight)
        groups = None if groups is None else groups[used]
        strata = self._target.strata(values)
        strata = np.zeros(len(used)) if strata is None else strata[used]
        n_elements = int(sets.sizes[used].sum())
        n_folds = self._n_folds(len(used) if groups is None else len(np.unique(groups)), n_elements)
        if all_are_trained:
            return Parts(len(sets), used)
        if n_folds > 1:
            folds = member_folds(n_folds, strata, groups, random)
            if folds is not None:
                return Parts(len(sets), used, folds)
            n_folds = self._n_folds(1, n_elements)  # as of a single group
        if n_folds > 1:
            return Parts(len(sets), used)
        n_targets = len(used) if len(values) == len(sets) else n_elements
        if n_targets >= ENOUGH_TO_HOLD_OUT if self.early_stopping == "auto" else self.early_stopping:
            return Parts(len(sets), used, held_out=hold_out(self.validation_fraction, strata, groups, random))
        return Parts(len(sets), used)

    def _n_folds(self, n_sets, n_elements):
        """Number of members of each variant in the ensemble; 1 for a single net."""
        return 1

    def _begin(self, values, sets, weight, device, seed):
        """Make a net for these training sets."""
        self._random_numbers = RandomNumbers(seed)
        # modules are made on the CPU, and draw their weights from the global generator
        with self._random_numbers.drawn(torch.device("cpu")), as_global_generator():
            core, dims = self._make_core(values, sets, weight)
            self.net_ = build_net(
                core,
                {**dims, "output_dim": self._target.output_dim},
                self._target.loss,
                self._target.loss_options,
                optimizer=self.optimizer,
                lr=self.lr,
                weight_decay=self.weight_decay,
                device=device,
            ).initialize()
        self._built_with = model_parameters(self)

    def _keep_out_of_fold(self, best_epoch, parts, values, weight):
        """Keep the out-of-fold predictions; nothing if every member was trained on all sets."""
        for name in ("oof_prediction_", "oof_score_"):
            self.__dict__.pop(name, None)
        if self._saw_all:
            return
        order = np.concatenate([np.flatnonzero(parts.fold == one) for one in range(parts.fold.max() + 1)])
        outputs = best_epoch.out_of_fold_.numpy()
        answers = self._target.answers(outputs)
        self.oof_prediction_ = np.full((len(parts.fold), *answers.shape[1:]), np.nan)
        self.oof_prediction_[order] = answers
        self.oof_score_ = self._target.score(values[order], outputs, None if weight is None else weight[order])

    def _read_sets(self, X, *, reset=False):
        """X as sets of numbers like those of ``fit``; or with ``reset``, those of ``fit``."""
        sets = check_sets(X, dtype=None, ensure_min_elements=int(reset), missing_sets=self.missing_sets)
        sets = check_features(self, sets, reset=reset)
        if reset:
            # what its fit does, without looking at every value once more
            self.padder_ = SetPadder(max_set_size=self.max_set_size)
            check_features(self.padder_, sets, reset=True)
            self._columns = columns_of(X)
            self._encoder = SetEncoder(self.categorical_features).fit(sets)
            self.n_context_features_ = self._encoder.n_context_features
        names, wanted = columns_of(X), getattr(self, "_columns", None)
        if not len(sets.elements) and None not in (names, wanted) and {*names} != {*wanted}:
            raise ValueError(f"X has the columns {names}, and no elements in any; in fit it had the columns {wanted}.")
        self.padder_.check_sizes(sets)
        if self.empty_sets == "error" and not sets.sizes.all():
            raise ValueError(
                f"Set {np.flatnonzero(sets.sizes == 0)[0]} is empty ({(sets.sizes == 0).sum()} sets are). "
                'Drop such sets, or pool them to zero with empty_sets="zero".'
            )
        return self._encoder.transform(sets)

    def _read_targets(self, y, sample_weight, sets, classes):
        """The targets of the training sets as numbers; weights of the sets, or None, without and with class_weight."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        values = self._target.read(y, sets, classes=classes)
        weight = check_weight(sample_weight, sets)
        self._target.learn_weights(values, sets, weight, getattr(self, "class_weight", None))
        return values, weight, self._target.weigh(values, sets, weight)

    def _validation_set(self, X_val, y_val):
        try:
            sets = self._read_sets(X_val)
        except (TypeError, ValueError) as error:
            raise type(error)(f"X_val: {error} {ROUTED}") from error
        values = self._target.read(y_val, sets, name="_val")
        return self._target.dataset(values, sets, self._target.weigh(values, sets, None, name="_val"))

    def _answers(self, X, kind):
        """What the target makes of the outputs for X."""
        sets = self._read_new_sets(X)
        return getattr(self._target, kind)(self._outputs(sets), sets)

    def _read_new_sets(self, X, stacklevel=4):
        """Sets to predict for."""
        check_is_fitted(self)
        sets = self._read_sets(X)
        sizes = None if self._is_right_for_any_size() else vars(self).get("size_range_")  # older files have none
        names = self._encoder.number_names(sets)
        warn_of_far_sets(sets, sizes, self._column_ranges, names, stacklevel)  # whoever calls predict
        return sets

    def _is_right_for_any_size(self):
        """Whether predictions carry over to sets of any size."""
        return False

    def _outputs(self, sets):
        """The net's outputs for sets of numbers, (n, n_outputs) in float64."""
        return check_finite(self.net_.forward(SetDataset(sets)).double().numpy(), sets, self)

    def __sklearn_clone__(self):
        """As scikit-learn clones; but callbacks report to where those of this estimator do."""
        plain = copy.copy(self)
        plain.callbacks = None
        twin = super(DeepSetsBase, plain).__sklearn_clone__()
        twin.callbacks = clone_callbacks(self.callbacks)
        return twin

    @available_if(lambda self: hasattr(self, "net_"))
    def _sk_visual_block_(self):
        has_context = self.n_context_features_ is not None
        model, n_outputs = self.net_.module_, self._target.output_dim
        return architecture(model, self._built_with, self.n_features_in_, n_outputs, has_context)

    def __sklearn_tags__(self):
        """Sets are no two-dimensional arrays."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


def batch_size(dataset):
    """Sets in a mini-batch: about a sixteenth of them, 32 to 256; fewer where these have very many elements."""
    n_sets = len(dataset)
    most = max(8, MOST_ELEMENTS * n_sets // max(int(dataset.sizes.sum()), 1))
    return int(min(np.clip(2 ** round(np.log2(n_sets / 16)), 32, 256), most))
