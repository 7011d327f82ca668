"""DeepSetsBase: what all estimators share, from sets of any form to a trained net."""

import copy
from abc import abstractmethod
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sk_deepsets.estimators._diagram import architecture
from sk_deepsets.estimators._out_of_fold import learn_out_of_fold
from sk_deepsets.estimators._outcome import check_finite, check_losses, nothing_held_out, warn_of_training
from sk_deepsets.estimators._plan import FitPlan, Fitted
from sk_deepsets.estimators._ranges import column_ranges, columns_apart, size_range, warn_of_far_sets
from sk_deepsets.estimators._reader import learn_sets
from sk_deepsets.estimators._same_model import check_same_model, checkpoint_of, model_parameters
from sk_deepsets.estimators._training import make_net, make_selector, train_net
from sk_deepsets.targets import check_groups, check_weight
from sk_deepsets.training import (
    DivergedError,
    RandomNumbers,
    SetDataset,
    as_global_generator,
    clone_callbacks,
    find_processes,
    plain_torch,
)

ROUTED = (
    'In a pipeline, Pipeline(steps, transform_input=["X_val"]) transforms X_val by the earlier steps, too (with '
    "sklearn.set_config(enable_metadata_routing=True))."
)


class DeepSetsBase(BaseEstimator):
    """Base of all estimators."""

    _fitted: Any = None
    """After ``fit`` a :class:`Fitted`"""
    _takes_collections = True
    """Whether a row may have several collections of sets"""

    @abstractmethod
    def _make_target(self, y):
        """The target that learns from this y."""

    @abstractmethod
    def _make_core(self, encoded, weight, target, encoder, layout):
        """The class of the torch module, and its arguments but ``output_dim``.

        Parameters
        ----------
        encoded : Encoded
        weight : ndarray of shape (n_sets,) or None
            0 for sets that are not trained on.
        target : Target
        encoder : SetEncoder or CollectionsEncoder
        layout : Layout
        """

    def _split(self, X, answers, sets):
        """Answers for all rows of y in the form that ``predict`` gives them in."""
        return answers

    def _class_weight(self):
        """Weights of classes; None of a regressor."""

    def _part_size(self):
        """Of larger sets, how many elements are trained on in each epoch; None: all."""

    def _element_weight(self):
        """The feature that weighs the elements, or None."""

    @abstractmethod
    def _choose_layout(self, n_sets, n_elements):
        """The members to train on so many sets, or groups, and elements."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None, groups=None):
        """Train on sets.

        Parameters
        ----------
        X : sets
            Any form that :func:`check_sets` takes; of the estimators with one prediction per set also a table with
            several columns of sets, each a collection with a phi and a pool of its own.
        y : array-like of shape (n_sets,), (n_sets, n_labels) or (n_sets, n_outputs)
            Targets: one class or number per set; for a classifier with several labels, a column of zeros and ones for
            each label; for a regressor with several outputs, a column for each output; for survival, a structured array
            or a DataFrame of events and times. For the element-wise estimators,
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
        before = self._fitted if self.warm_start else None
        training, note = self._fit(X, y, sample_weight, X_val, y_val, groups, before=before, epochs=self.max_epochs)
        warn_of_training(self, training, note, stacklevel=3)  # 2 is scikit-learn's wrapper
        if training.interrupted:
            raise KeyboardInterrupt
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def _partial_fit(self, X, y, sample_weight, classes=None):
        training, _ = self._fit(X, y, sample_weight, before=self._fitted, epochs=1, classes=classes, partly=True)
        if training.interrupted:
            raise KeyboardInterrupt
        return self

    def _fit(self, *data, **options):
        """Train a new model, or continue ``before``; how training went, and what to warn of, or None."""
        processes = find_processes(self.accelerator, self.device)
        with processes.together():
            return self._fit_together(processes, *data, **options)

    @plain_torch()
    def _fit_together(
        self,
        processes,
        X,
        y,
        sample_weight,
        X_val=None,
        y_val=None,
        groups=None,
        *,
        before,
        epochs,
        classes=None,
        partly=False,
    ):
        """The same in each of some processes, which train one model."""
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val are needed together, but one of them is None.")
        # a generator of our own for None, too: the global ones are left as they are
        random = self.random_state if isinstance(self.random_state, np.random.RandomState) else None
        random = random or np.random.RandomState(self.random_state)
        seed, reader, target, sets = self._begin(X, y, random, before, processes)
        sample_weight = self._check_weight(y, sample_weight, sets)
        encoded = target.fit_encode(y, sets, sample_weight, classes=classes, class_weight=self._class_weight())
        groups = check_groups(groups, sets)
        plan = self._plan(encoded, groups, target, seed, before, trains_all=partly or X_val is not None)
        if before is None:
            random_numbers = RandomNumbers(processes.same(int(random.randint(2**31 - 1))))
            net = self._make_net(encoded, target, reader, plan, random_numbers, processes.device)
            parameters = model_parameters(self)
        else:
            net, random_numbers, parameters = before.net, before.random_numbers, before.parameters

        data = plan.split(target.dataset(encoded))
        if (part_size := self._part_size()) is not None:
            data = data._replace(train=data.train.with_parts(part_size, reader.encoder.block_sizes(sets)))
        if X_val is not None:
            data = data._replace(valid=self._validation_set(X_val, y_val, reader, target))
        selector = make_selector(self, net, data, target)
        checkpoint = None if partly else checkpoint_of(self, data, parameters, before)
        try:
            training = train_net(
                self, net, data, target, random_numbers, selector, epochs, checkpoint, partly, processes
            )
        except DivergedError:
            # what overflows once it is scaled has no output, or no loss, from the start
            check_losses(net, target, sets, self, reader.encoder, encoded.weight)
            if X_val is not None:
                check_losses(net, target, data.valid.X, self, reader.encoder, name="_val")
            raise
        columns = reader.encoder.number_columns(sets)
        fitted = Fitted(
            reader,
            target,
            net,
            plan.layout,
            seed,
            random_numbers,
            parameters,
            size_range(sets.sizes[plan.used], None if before is None else before.size_range),
            column_ranges(columns, {} if before is None else before.column_ranges, plan.used),
            # once its members have been trained on all sets, that is so when training continues, too
            has_seen_all=plan.fold is None or (before is not None and before.has_seen_all),
        )
        out_of_fold = learn_out_of_fold(fitted, selector.out_of_fold_, encoded, sample_weight, plan)
        if out_of_fold is not None:
            out_of_fold = self._split(X, out_of_fold[0], sets), out_of_fold[1]
        if X_val is not None:
            apart = columns_apart(reader.encoder.number_columns(data.valid.X), columns)
            note = apart and apart + ROUTED
        else:
            note = None if partly else nothing_held_out(self, net, target, plan, groups)
        self._keep(fitted, training, [] if before is None else self.history_, out_of_fold)
        return training, note

    def _begin(self, X, y, random, before, processes):
        """The seed, what reads sets, the target, and X as sets of numbers: of a new model, or to continue one."""
        if before is not None:
            check_same_model(self, before.parameters)
            return before.seed, before.reader, copy.copy(before.target), self._read_sets(X)
        seed = processes.same(random.randint(2**31 - 1))
        reader, sets = learn_sets(X, self, self._takes_collections)
        return seed, reader, self._make_target(y), sets

    def _plan(self, encoded, groups, target, seed, before, trains_all):
        """What the fit will do; held-out sets that cannot be evaluated are none."""
        choose_layout = self._choose_layout if before is None else lambda n_sets, n_elements: before.layout
        plan = FitPlan.make(
            encoded,
            groups,
            choose_layout,
            seed,
            early_stopping=self.early_stopping,
            validation_fraction=self.validation_fraction,
            trains_all=trains_all,
        )
        return plan if target.can_evaluate(encoded, plan.held_out) else replace(plan, held_out=plan.held_out[:0])

    def _make_net(self, encoded, target, reader, plan, random_numbers, device):
        """A net that is not trained yet, for a target that learns its scale first."""
        weight = plan.training_weight(encoded.weight)
        target.fit(encoded, weight)
        # modules are made on the CPU, and draw their weights from the global generator
        with random_numbers.drawn(torch.device("cpu")), as_global_generator():
            core, options = self._make_core(encoded, weight, target, reader.encoder, plan.layout)
            return make_net(self, target, core, options, device)

    def _keep(self, fitted, training, history, out_of_fold):
        """Set what users see of a fit; no step of it can fail."""
        for name in ("feature_names_in_", "oof_prediction_", "oof_score_"):  # of the fit before
            vars(self).pop(name, None)
        if out_of_fold is not None:
            self.oof_prediction_, self.oof_score_ = out_of_fold
        self.net_ = fitted.net
        self.padder_ = fitted.reader.padder
        self.n_context_features_ = fitted.reader.encoder.n_context_features
        self.size_range_ = fitted.size_range
        self.history_ = [*history, *training.history]
        self.n_iter_ = len(self.history_)
        self.best_iteration_ = training.best_epoch or self.n_iter_
        if fitted.target.classes is not None:
            self.classes_ = fitted.target.classes
        features = fitted.reader.features
        self.n_features_in_ = features["n_features_in_"]
        if "feature_names_in_" in features:
            self.feature_names_in_ = features["feature_names_in_"]
        self._fitted = fitted

    def _read_sets(self, X):
        """X as sets of numbers like those of ``fit``."""
        return self._fitted.reader.read(X, self)

    def _check_weight(self, y, sample_weight, sets):
        """Weights of the sets, or None, beside a y that is there."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        return check_weight(sample_weight, sets)

    def _validation_set(self, X_val, y_val, reader, target):
        try:
            sets = reader.read(X_val, self)
        except (TypeError, ValueError) as error:
            raise type(error)(f"X_val: {error} {ROUTED}") from error
        return target.dataset(target.encode(y_val, sets, "_val"))

    def _predict(self, X, stacklevel=3):
        """The target, the outputs of the net for X, and X as sets of numbers."""
        sets = self._sets_to_predict(X, stacklevel + 1)  # 3 is whoever calls predict
        return self._fitted.target, self._outputs(sets), sets

    def _sets_to_predict(self, X, stacklevel):
        """X as sets of numbers, with a warning for what is far outside the range of training."""
        check_is_fitted(self)
        sets, fitted = self._read_sets(X), self._fitted
        sizes = None if self._is_right_for_any_size() else fitted.size_range
        columns = fitted.reader.encoder.number_columns(sets)
        warn_of_far_sets(sets, columns, sizes, fitted.column_ranges, stacklevel)
        return sets

    def _is_right_for_any_size(self):
        """Whether predictions carry over to sets of any size."""
        return False

    def _outputs(self, sets):
        """The net's outputs for sets of numbers, (n, n_outputs) in float64."""
        outputs = self._fitted.net.forward(SetDataset(sets)).double().numpy()
        return check_finite(outputs, sets, self, self._fitted.reader.encoder, self._fitted.target.per_element)

    def __sklearn_clone__(self):
        """As scikit-learn clones; but callbacks report to where those of this estimator do, and processes stay."""
        plain = copy.copy(self)
        plain.callbacks = None
        twin = super(DeepSetsBase, plain).__sklearn_clone__()
        twin.callbacks, twin.accelerator = clone_callbacks(self.callbacks), self.accelerator
        return twin

    def __getstate__(self):
        """Without the accelerator, which stands for processes that run now; predictions do not need it."""
        return super().__getstate__() | {"accelerator": None}

    @available_if(lambda self: self._fitted is not None)
    def _sk_visual_block_(self):
        has_context, fitted = self.n_context_features_ is not None, self._fitted
        n_outputs = fitted.target.output_dim
        return architecture(fitted.net.module_, fitted.parameters, fitted.reader.widths, n_outputs, has_context)

    def __sklearn_tags__(self):
        """Sets are no two-dimensional arrays."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags
