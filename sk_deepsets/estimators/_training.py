"""The net of an estimator, and its training, by the parameters of the estimator."""

from sk_deepsets.estimators._outcome import advice_for
from sk_deepsets.nn import Ensemble
from sk_deepsets.training import BestEpoch, EnsembleSelector, auto_batch_size, build_net, train


def make_net(estimator, target, core, options, device):
    """A net around a core: a class with the arguments ``options``, or a module that is made already."""
    return build_net(
        core,
        {**options, "output_dim": target.output_dim},
        target.loss,
        target.loss_options,
        optimizer=estimator.optimizer,
        lr=estimator.lr,
        weight_decay=estimator.weight_decay,
        device=device,
    ).initialize()


def make_selector(estimator, net, data, target):
    """What ends training and chooses what is kept."""
    if isinstance(net.module_, Ensemble) and (data.train.fold is not None or data.valid is not None):
        # callbacks may read the loss of each epoch, as skorch's table of epochs does
        is_watched = bool(estimator.callbacks) or estimator.verbose >= 2
        return EnsembleSelector(bool(estimator.early_stopping), target.robust, is_watched)
    return BestEpoch(estimator.n_iter_no_change if estimator.early_stopping else None)


def train_net(estimator, net, data, target, random_numbers, selector, epochs, checkpoint, partly, processes):
    """Train a net; how training went."""
    is_auto = estimator.batch_size == "auto"
    training = train(
        net,
        data,
        random_numbers,
        selector,
        lr=estimator.lr,
        batch_size=auto_batch_size(data.train, target.least_in_batch) if is_auto else estimator.batch_size,
        epochs=epochs,
        callbacks=estimator.callbacks,
        verbose=int(estimator.verbose),
        advice=advice_for(estimator),
        checkpoint=checkpoint,
        partly=partly,
        processes=processes,
    )
    if not (partly or estimator.warm_start):
        net.optimizer_.state.clear()  # several times the weights
    return training
