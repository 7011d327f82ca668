"""The skorch nets: skorch's loop, callbacks and history, on batches of sets."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from skorch import NeuralNet, NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Callback, EarlyStopping, EpochTimer
from torch import Tensor

from sk_deepsets.nn import Ensemble, LossAcrossSets, member_losses, random_share, set_losses
from sk_deepsets.sets import check_sets
from sk_deepsets.training._batch import SetBatch
from sk_deepsets.training._batches import ELEMENTS_AT_ONCE, SetBatches, scaled
from sk_deepsets.training._dataset import SetDataset
from sk_deepsets.training._greedy_selection import EvaluationLoss
from sk_deepsets.training._processes import Processes
from sk_deepsets.training._selector import BestEpoch, EpochSelector

BATCH_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class Split(NamedTuple):
    """What a net is fitted on."""

    train: SetDataset
    valid: SetDataset | None

    def to(self, device: torch.device) -> Split:
        """Both parts on a device."""
        moved: dict[int, Tensor] = {}
        return Split(*(None if part is None else part.to(device, moved) for part in self))  # type: ignore[arg-type]

    def scaled(self, ensemble: Ensemble) -> Split:
        """Both parts with what the stacks of an ensemble take, computed once."""
        return Split(scaled(self.train, ensemble), None if self.valid is None else scaled(self.valid, ensemble))


class SetNet(NeuralNet):
    """skorch's net with sets for rows, and one output for each set or for each element.

    The loop, the callbacks and the history are skorch's. What differs: data come as :class:`SetDataset`, batches
    as :class:`SetBatch`, and callbacks are called within an epoch only if one of them has a method for it, since on
    small sets the calls would take longer than the arithmetic.
    """

    has_batch_callbacks_ = False
    selector: EpochSelector = BestEpoch()
    """What ends training, and chooses what is kept; set by :func:`train`"""
    processes = Processes(torch.device("cpu"))
    """Those that train the net together; set by :func:`train`"""
    interrupted_ = False
    """Whether a KeyboardInterrupt other than an early stopping ended the training"""

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return [("epoch_timer", EpochTimer())]

    def check_data(self, X: Any, y: Any = None) -> None:
        """Nothing: a :class:`SetDataset` holds what is checked already."""

    def get_dataset(self, X: Any, y: Any = None) -> SetDataset:
        """Any sets that :func:`check_sets` takes, as a data set."""
        return X if isinstance(X, SetDataset) else SetDataset(check_sets(X, ensure_min_elements=0), y)

    def get_split_datasets(self, X: Any, y: Any = None, **fit_params: Any) -> tuple[SetDataset, SetDataset | None]:
        """The two parts of a :class:`Split`; anything else is for training. Members are evaluated out of fold."""
        train, valid = X if isinstance(X, Split) else (self.get_dataset(X, y), None)
        own = self.selector.evaluation_set
        return train, valid if own is None else own

    def get_iterator(self, dataset: SetDataset, training: bool = False) -> SetBatches:
        """Shuffled batches of ``batch_size`` sets for training, else batches as large as is fast."""
        if training:
            device, processes = self._torch_device, self.processes
            return SetBatches(dataset, self.batch_size, shuffle=True, device=device, processes=processes)
        # padding makes the size of a batch depend on its largest set, not on its number of real elements
        budget = None if self.module_.is_padded else ELEMENTS_AT_ONCE
        return SetBatches(dataset, self.batch_size, max_elements=budget, device=self._torch_device)

    def infer(self, x: SetBatch, **fit_params: Any) -> Tensor:
        """The module's output for one batch; in training the outputs of all members, (K, b, n_outputs)."""
        if x.share is None:
            return self._outputs(x)
        with random_share(x.share):
            return self._outputs(x)

    def _outputs(self, x: SetBatch) -> Tensor:
        if not isinstance(self.module_, Ensemble):
            return self.module_(x.packed, **_context(x))
        outputs = self.module_.outputs_of(x.inputs(self.module_))
        return outputs if self.module_.training else self.module_.mean_of(outputs)

    def embed(self, X: Any) -> Tensor:
        """The pooled embedding of each set, (n_sets, k), on the CPU."""
        self._set_training(False)
        with torch.no_grad():
            batches = (batch for batch, _ in self.get_iterator(self.get_dataset(X)))
            return torch.cat([self.module_.embed(batch.packed, **_context(batch)) for batch in batches]).cpu()

    def mean_and_std(self, X: Any) -> tuple[Tensor, Tensor]:
        """The output of an ensemble for each set, or element, and the spread of its members, (n, o), on the CPU."""
        self._set_training(False)
        ensemble, means, stds = self.module_, [], []
        with torch.no_grad():
            for batch, _ in self.get_iterator(self.get_dataset(X)):
                outputs = ensemble.outputs_of(batch.inputs(ensemble))
                means.append(ensemble.mean_of(outputs))
                stds.append(ensemble.std_of(outputs))
        return torch.cat(means).cpu(), torch.cat(stds).cpu()

    def get_loss(self, y_pred: Tensor, y_true: Tensor, X: SetBatch, training: bool = False) -> Tensor:
        """The weighted mean of the losses of the sets, or elements; of several outputs, their mean."""
        if X.share is not None and isinstance(self.criterion_, LossAcrossSets):
            return self._loss_with_others(y_pred, y_true, X)
        if self._trains_members:
            return self._loss_of_members(y_pred, y_true, X)
        if not training:  # beside an outlier in y, float32 has no digits for the others
            y_pred, y_true = (t.double() if t.is_floating_point() else t for t in (y_pred, y_true))
        losses = set_losses(self.criterion_, y_pred.unsqueeze(0), y_true, X.weight, X.packed)
        # weights are 1 on average over the data set: dividing by their sum in this batch would bias the gradient
        return losses.sum() / max(X.n_terms, 1)

    def _loss_of_members(self, outputs: Tensor, target: Tensor, batch: SetBatch) -> Tensor:
        """The sum over members of the mean loss of the sets, or elements, that are not of a member's own fold."""
        n_folds, smoothing = self.module_.n_folds, self.module_.label_smoothing
        share = None  # (K, b) of each set, or element, in the loss of each member
        if batch.fold is not None:
            own = batch.fold == torch.arange(len(outputs), device=outputs.device)[:, None] % n_folds
            share = ~own * (n_folds / (n_folds - 1))
        if isinstance(self.criterion_, LossAcrossSets):  # of which each member has its own at risk
            weights = [weight for weight in (batch.weight, share) if weight is not None]
            losses = self.criterion_(outputs, target, math.prod(weights) if weights else None)
        else:
            losses = member_losses(self.criterion_, outputs, target, smoothing, batch.weight, batch.packed)  # (K, b)
            losses = losses if share is None else losses * share
        return losses.sum() / max(batch.n_terms, 1)

    def _loss_with_others(self, outputs: Tensor, target: Tensor, batch: SetBatch) -> Tensor:
        """The share of this process in a loss that compares its sets with those of others."""
        assert batch.share is not None
        processes, part, dim = self.processes, batch.share.sets, outputs.dim() - 2
        outputs, target = processes.with_others(outputs, part, dim), processes.with_others(target, part, 0)
        weight, fold = (None if t is None else processes.with_others(t, part, 0) for t in (batch.weight, batch.fold))
        loss = self.get_loss(outputs, target, replace(batch, weight=weight, fold=fold, share=None), training=True)
        # each process has the whole loss, of which it makes the gradient of its own outputs
        return loss - (1 - 1 / processes.n_processes) * loss.detach()

    def train_step(self, batch: tuple[SetBatch, Tensor], **fit_params: Any) -> dict[str, Tensor]:
        """One step, before and after which the selector is called."""
        self.selector.before_step(self)
        step = super().train_step(batch, **fit_params)
        self.selector.after_step(self)
        if isinstance(self.module_, Ensemble):
            # callbacks and the history get the mean over the members
            step["loss"] = step["loss"].detach() / self.module_.n_members
            if self.has_batch_callbacks_:
                step["y_pred"] = self.module_.mean_of(step["y_pred"].detach())
        return step

    def train_step_single(self, batch: tuple[SetBatch, Tensor], **fit_params: Any) -> dict[str, Tensor]:
        """The gradient of a mini-batch, to which each process adds that of its share."""
        if len(batch[0]):
            step = super().train_step_single(batch, **fit_params)
        else:  # the last mini-batch has fewer sets than there are processes
            self._set_training(True)
            n_members = (self.module_.n_members,) if isinstance(self.module_, Ensemble) else ()
            loss, nothing = torch.zeros((), device=self.device), torch.zeros(*n_members, 0, 1, device=self.device)
            if isinstance(self.criterion_, LossAcrossSets):
                loss = self._loss_with_others(nothing, batch[1], batch[0])
            step = {"loss": loss, "y_pred": nothing}
        step["loss"] = self.processes.added_up(self.module_, step["loss"])
        return step

    def run_single_epoch(
        self, iterator: SetBatches | None, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """One pass over the batches; records the mean loss of the epoch."""
        if iterator is None:
            return
        if self.selector.evaluation_set is not None and not training:
            if self.selector.evaluates_epoch():
                self._evaluate_members(iterator)
            return
        if not training and self.processes.n_processes > 1 and not self.has_batch_callbacks_:
            self._evaluate_together(iterator.dataset)
            return
        compared = isinstance(self.criterion_, LossAcrossSets) and not training  # with all others of the data set
        losses, sizes, outputs = [], [], []
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            losses.append(step["loss"].detach())
            sizes.append(batch[0].n_terms)
            if compared:
                outputs.append(step["y_pred"].double().cpu())
            if self.has_batch_callbacks_:
                self.history.record_batch(prefix + "_loss", losses[-1].item())
                self.history.record_batch(prefix + "_batch_size", sizes[-1])
            self.notify("on_batch_end", batch=batch, training=training, **step)
        if training:
            self.processes.align(self.module_.moving_buffers())
        if not self.has_batch_callbacks_:  # the last batch alone, which skorch's Checkpoint reads
            self.history.new_batch()
            self.history.record_batch(prefix + "_batch_size", sizes[-1])
        # one transfer per epoch: on a GPU, reading the loss of each batch would wait for that batch
        total = torch.stack(losses).double().cpu() @ torch.tensor(sizes, dtype=torch.float64)
        loss = float(total) / max(sum(sizes), 1)
        if compared:
            loss = EvaluationLoss(self.criterion_, iterator.dataset, robust=False)(torch.cat(outputs)[None]).item()
        self.history.record(prefix + "_loss", loss)
        self.history.record(prefix + "_batch_count", len(sizes))

    def _evaluate_together(self, dataset: SetDataset) -> None:
        """Record the loss of held-out sets, of which each process evaluates some."""

        @torch.no_grad()
        def run(part: SetDataset) -> Tensor:
            self._set_training(False)
            return torch.cat([self.infer(batch) for batch, _ in self.get_iterator(part)]).unsqueeze(0)

        outputs = self.processes.outputs(dataset, run).double().cpu()
        loss = EvaluationLoss(self.criterion_, dataset, robust=False)(outputs).item()
        self.history.new_batch()
        self.history.record_batch("valid_batch_size", len(dataset))
        self.history.record("valid_loss", self.processes.same(loss))
        self.history.record("valid_batch_count", 1)

    def _evaluate_members(self, iterator: SetBatches) -> None:
        """Evaluate each set by the members that were not trained on it, which callbacks see as validation batches."""
        outputs = self.selector.evaluate(self)  # (n, n_outputs), of sets or of elements
        if not self.has_batch_callbacks_:
            return
        first = 0
        for batch, y in iterator:
            self.notify("on_batch_begin", batch=(batch, y), training=False)
            assert isinstance(y, Tensor)
            y_pred = outputs[first : first + len(y)].to(self._torch_device, torch.get_default_dtype())
            first += len(y)
            loss = self.get_loss(y_pred, y, batch)
            self.history.record_batch("valid_loss", loss.item())
            self.history.record_batch("valid_batch_size", batch.n_terms)
            self.notify("on_batch_end", batch=(batch, y), training=False, y_pred=y_pred, loss=loss)

    def fit_loop(self, *args: Any, **kwargs: Any) -> SetNet:
        """The loop of skorch, which a KeyboardInterrupt ends: of Ctrl-C, or of callbacks that stop early."""
        self.interrupted_ = False
        try:
            return super().fit_loop(*args, **kwargs)
        except KeyboardInterrupt as error:
            # skorch's EarlyStopping raises one when it has waited long enough, and is then left as it is
            rules = [callback for _, callback in self.callbacks_ if isinstance(callback, EarlyStopping)]
            stopped = isinstance(error, EndOfTraining) or any(rule.misses_ == rule.patience for rule in rules)
            self.interrupted_ = not stopped
            raise

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the callbacks, within an epoch only if one of them has a method for it."""
        if method_name == "on_train_end":
            self._end_training(**cb_kwargs)
        elif method_name == "on_epoch_end":
            self._end_epoch(**cb_kwargs)
        elif method_name not in BATCH_EVENTS or self.has_batch_callbacks_:
            super().notify(method_name, **cb_kwargs)

    def _end_epoch(self, **cb_kwargs: Any) -> None:
        """Call the callbacks; where one of them ends the training, in one of the processes, it ends in all of them."""
        interrupt: KeyboardInterrupt = EndOfTraining()
        is_last = False
        try:
            super().notify("on_epoch_end", **cb_kwargs)
            is_last = self.selector.stop_
        except KeyboardInterrupt as error:
            interrupt, is_last = error, True
        if self.processes.any(is_last):
            raise interrupt

    def _end_training(self, **cb_kwargs: Any) -> None:
        """Let every callback end the training: an interrupt of one of them must not cost the epochs that are done."""
        for _, callback in self.callbacks_:
            try:
                callback.on_train_end(self, **cb_kwargs)
            except KeyboardInterrupt:
                self.interrupted_ = True
                if callback is self.selector:  # what it restores is the model
                    callback.on_train_end(self, **cb_kwargs)

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Find out whether a callback has a method that is called within an epoch."""
        self.has_batch_callbacks_ = any(
            cls.on_batch_begin is not Callback.on_batch_begin
            or cls.on_batch_end is not Callback.on_batch_end
            or cls.on_grad_computed is not Callback.on_grad_computed
            for cls in (type(callback) for _, callback in self.callbacks_)
        )

    def _set_training(self, training: bool = True) -> None:
        # skorch walks through all modules at every batch
        if self.module_.training is not training:
            super()._set_training(training)

    @property
    def _trains_members(self) -> bool:
        return isinstance(self.module_, Ensemble) and self.module_.training

    @property
    def _torch_device(self) -> torch.device:
        return torch.device(self.device)


class EndOfTraining(KeyboardInterrupt):
    """What skorch takes for the end of training, raised by the package itself."""


def _context(batch: SetBatch) -> dict[str, Tensor]:
    return {} if batch.context is None else {"context": batch.context}


class ClassifierNet(SetNet, NeuralNetClassifier):
    """A :class:`SetNet` whose targets are numbers of classes."""


class RegressorNet(SetNet, NeuralNetRegressor):
    """A :class:`SetNet` whose targets are values, (n_sets, n_outputs)."""
