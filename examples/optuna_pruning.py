"""
A search that gives up early
============================

An Optuna study of the parameters of one net. After each epoch, a callback of skorch's tells the study the validation
loss; a trial that is worse than the median of those before it at the same epoch is *pruned*: its fit ends there::

    pip install sk-deepsets optuna optuna-integration
    python examples/optuna_pruning.py
"""

import warnings

import optuna
from optuna_integration import SkorchPruningCallback

from sk_deepsets import DeepSetsRegressor
from sk_deepsets.datasets import make_population_statistics

X, y = make_population_statistics(n_sets=900, set_size=(20, 60), random_state=0)
MAX_EPOCHS = 30
# short fits are enough to compare parameters
warnings.filterwarnings("ignore", "The validation loss was still falling")


def make_net(params, **options):
    """The net that a trial suggests."""
    width = params["width"]
    return DeepSetsRegressor(
        n_members=1,
        phi_hidden_dims=(width, width),
        rho_hidden_dims=(width,),
        pool_type=params["pool_type"],
        lr=params["lr"],
        max_epochs=MAX_EPOCHS,
        random_state=0,
        **options,
    )


def objective(trial):
    """The lowest validation loss of a fit."""
    params = {
        "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        "width": trial.suggest_categorical("width", [8, 32, 64]),
        "pool_type": trial.suggest_categorical("pool_type", ["sum", "mean", "max"]),
    }
    net = make_net(params, callbacks=[SkorchPruningCallback(trial, "valid_loss")])
    net.fit(X[:600], y[:600], X_val=X[600:750], y_val=y[600:750])  # an exception of Optuna's ends it
    return min(row["valid_loss"] for row in net.history_)


def main():
    """Search, and fit what was found."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=3)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), pruner=pruner)
    study.optimize(objective, n_trials=15)

    for trial in study.trials:
        losses = list(trial.intermediate_values.values())
        print(f"{trial.number:2} {trial.state.name:8} {len(losses):2} epochs, loss {min(losses):.3f}, {trial.params}")
    trained = sum(len(trial.intermediate_values) for trial in study.trials)
    print(f"{trained} epochs in place of {len(study.trials) * MAX_EPOCHS}")
    # the validation sets chose the parameters, so that other sets must tell the score
    best = make_net(study.best_params).fit(X[:600], y[:600], X_val=X[600:750], y_val=y[600:750])
    print(f"R² on 150 other sets: {best.score(X[750:], y[750:]):.3f}")


if __name__ == "__main__":
    main()
