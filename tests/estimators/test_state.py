"""What an estimator keeps, and leaves alone: random numbers, goes on, pickles, failed fits."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from skorch.callbacks import Callback, EpochScoring
from skorch.exceptions import DeviceWarning
from torch import nn

MARK = 12345.678912345  # stands in the data, and in nothing that is learned from it


class OneModule(nn.Module):
    def __init__(self, input_dim, output_dim, width=4):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(input_dim, width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, output_dim)
        )

    def forward(self, x, mask):
        return (self.layers(x) * mask.unsqueeze(-1)).sum(dim=1)


class OtherModule(OneModule):
    pass


class FailAt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise RuntimeError("failed on purpose")


def global_generators():
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    return name, keys.tolist(), rest, torch.get_rng_state().tolist()


@pytest.mark.parametrize("early_stopping", [True, False])
def test_with_an_int_two_fits_are_equal_to_the_last_bit(case, bags, early_stopping):
    make = {"dropout": 0.3, "batch_size": 16, "early_stopping": early_stopping}
    first = case.outputs(case.make(**make).fit(bags, case.y), bags)
    torch.rand(7), np.random.rand(7)  # noqa: NPY002 - move the global generators on
    np.testing.assert_array_equal(case.outputs(case.make(**make).fit(bags, case.y), bags), first)
    np.testing.assert_array_equal(case.outputs(clone(case.make(**make)).fit(bags, case.y), bags), first)
    assert not np.array_equal(case.outputs(case.make(**make, random_state=1).fit(bags, case.y), bags), first)


def test_a_random_state_goes_on_from_fit_to_fit(case, bags):
    def two_fits(state):
        return [case.outputs(case.make(random_state=state).fit(bags, case.y), bags) for _ in range(2)]

    first, second = two_fits(np.random.RandomState(5)), two_fits(np.random.RandomState(5))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(*first)


def test_without_a_random_state_fits_differ(case, bags):
    fits = [case.outputs(case.make(random_state=None).fit(bags, case.y), bags) for _ in range(2)]
    assert not np.array_equal(*fits)


@pytest.mark.parametrize("random_state", [None, 0, "RandomState"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_global_generators_are_left_as_they_were(case, bags, random_state, fails):
    state = np.random.RandomState(0) if random_state == "RandomState" else random_state
    model = case.make(random_state=state, dropout=0.2, callbacks=[FailAt(2)] if fails else None)
    before = global_generators()
    if fails:
        with pytest.raises(RuntimeError, match="on purpose"):
            model.fit(bags, case.y)
    else:
        model.fit(bags, case.y).partial_fit(bags, case.y).predict(bags)
        model.transform(bags)
    assert global_generators() == before


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_warm_start_and_partial_fit_go_on_as_one_long_fit_does(case, bags, optimizer):
    make = {"optimizer": optimizer, "early_stopping": False, "batch_size": 16, "dropout": 0.2}
    whole = case.make(**make, max_epochs=6).fit(bags, case.y)
    warm = case.make(**make, max_epochs=3, warm_start=True).fit(bags, case.y).fit(bags, case.y)
    parts = case.make(**make)
    for _ in range(6):
        parts.partial_fit(bags, case.y, **({"classes": [0, 1]} if hasattr(parts, "predict_proba") else {}))
    for model in (warm, parts):
        np.testing.assert_array_equal(case.outputs(model, bags), case.outputs(whole, bags))
        assert [row["train_loss"] for row in model.history_] == [row["train_loss"] for row in whole.history_]
        assert [row["epoch"] for row in model.history_] == [1, 2, 3, 4, 5, 6]
        assert model.n_iter_ == model.best_iteration_ == 6


def test_without_warm_start_fit_begins_anew(case, bags):
    model = case.make().fit(bags, case.y)
    first = case.outputs(model, bags)
    np.testing.assert_array_equal(case.outputs(model.fit(bags, case.y), bags), first)
    assert model.n_iter_ == 3
    narrow = [bag[:, :2] for bag in bags]
    assert model.fit(narrow, case.y).n_features_in_ == 2


def test_warm_start_takes_new_training_parameters_and_no_other_data(case, bags):
    model = case.make(warm_start=True).fit(bags, case.y)
    model.set_params(lr=0.5, max_epochs=2, batch_size=7).fit(bags, case.y)
    assert model.n_iter_ == 5
    assert model.net_.optimizer_.param_groups[0]["lr"] == 0.5
    assert (model.net_.batch_size, model.history_[-1]["train_batch_count"]) == (7, -(-81 // 7))
    with pytest.raises(ValueError, match="expecting 3 features"):
        model.fit([bag[:, :2] for bag in bags], case.y)


@pytest.mark.parametrize(
    ("first", "changed"),
    [
        ({}, {"phi_hidden_dims": (5,)}),
        ({}, {"pool_type": "sum"}),
        ({}, {"optimizer": "sgd"}),
        ({}, {"weight_decay": 5.0}),
        ({"optimizer": torch.optim.Adam}, {"optimizer": torch.optim.SGD}),
        ({"optimizer": partial(torch.optim.SGD, momentum=0.5)}, {"optimizer": partial(torch.optim.SGD, momentum=0.9)}),
        ({"module": OneModule}, {"module": OtherModule}),
        ({"module": partial(OneModule, width=2)}, {"module": partial(OneModule, width=3)}),
    ],
    ids=str,
)
def test_warm_start_refuses_a_model_that_the_net_is_not(case, bags, first, changed):
    model = case.make(warm_start=True, **first).fit(bags, case.y)
    name = next(iter(changed))
    with pytest.raises(ValueError, match=f"{name}=.*was built with"):
        model.set_params(**changed).fit(bags, case.y)
    model.set_params(**first or {name: getattr(case.make(), name)}).fit(bags, case.y)
    assert model.n_iter_ == 6


def test_warm_start_knows_equal_parameters_in_other_forms_and_from_a_pickle(case, bags):
    first = {"phi_hidden_dims": [8], "optimizer": partial(torch.optim.SGD, momentum=0.5)}
    model = case.make(warm_start=True, **first).fit(bags, case.y)
    model = pickle.loads(pickle.dumps(model))
    again = {"phi_hidden_dims": np.array([8]), "optimizer": partial(torch.optim.SGD, momentum=0.5)}
    assert model.set_params(**again).fit(bags, case.y).n_iter_ == 6


def test_warm_start_takes_a_new_patience(case, bags):
    model = case.make(warm_start=True).fit(bags, case.y)
    model.set_params(n_iter_no_change=3).fit(bags, case.y)
    assert model.net_.selector.patience == 3


def test_partial_fit_trains_the_net_that_is_there_and_runs_nothing_but_its_epoch(case, bags):
    model = case.make(batch_size=20).fit(bags, case.y)
    net, module = model.net_, model.net_.module_
    passes = []
    module.register_forward_hook(lambda *args: passes.append(1))
    model.partial_fit(bags, case.y)
    assert model.net_ is net
    assert model.net_.module_ is module
    assert len(passes) == -(-90 // 20)


def test_fits_side_by_side_in_threads_are_equal_to_fits_alone(case, bags):
    def fit(seed):
        return case.outputs(case.make(random_state=seed, dropout=0.2, batch_size=16).fit(bags, case.y), bags)

    before = torch.get_num_threads()
    alone = [fit(seed % 3) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(fit, [seed % 3 for seed in range(8)]))
    for ours, wanted in zip(together, alone, strict=True):
        np.testing.assert_array_equal(ours, wanted)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == before


def test_modules_of_the_user_draw_the_same_numbers_in_threads(case, bags):
    def fit(seed):
        return case.outputs(case.make(random_state=seed, module=OneModule).fit(bags, case.y), bags)

    alone = [fit(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fit, range(4)))
    for ours, wanted in zip(together, alone, strict=True):
        np.testing.assert_array_equal(ours, wanted)


def test_cross_validation_in_threads_and_processes_scores_as_it_does_alone(case, bags):
    model = case.make(dropout=0.2)
    alone = cross_val_score(model, bags, case.y, cv=4)
    for backend in ("threading", "loky"):
        with joblib.parallel_config(backend):
            np.testing.assert_array_equal(cross_val_score(model, bags, case.y, cv=4, n_jobs=2), alone)


def state(case, model, bags):
    return dict(vars(model)), pickle.dumps(vars(model)), case.outputs(model, bags) if hasattr(model, "net_") else None


def assert_as_it_was(case, model, bags, before):
    attributes, bytes_, outputs = before
    assert vars(model).keys() == attributes.keys()
    assert all(vars(model)[name] is value for name, value in attributes.items())
    assert pickle.dumps(vars(model)) == bytes_
    if outputs is not None:
        np.testing.assert_array_equal(case.outputs(model, bags), outputs)


@pytest.mark.parametrize("fitted", [False, True])
def test_a_failed_fit_leaves_the_estimator_as_it_was(case, bags, fitted):
    model = case.make()
    if fitted:
        model.fit(bags, case.y)
    before = state(case, model, bags)
    wrong = [(bags, case.y[:-1]), ([*bags[:-1], np.full((2, 3), np.nan)], case.y), (bags, np.full(90, np.nan))]
    for X, y in wrong:
        with pytest.raises(ValueError, match=r"targets|NaN"):
            model.fit(X, y)
        with pytest.raises(ValueError, match=r"targets|NaN|first call"):
            model.partial_fit(X, y)
        assert_as_it_was(case, model, bags, before)
    model.set_params(callbacks=[FailAt(2)])
    before = state(case, model, bags)
    with pytest.raises(RuntimeError, match="on purpose"):
        model.fit(bags, case.y)
    assert_as_it_was(case, model, bags, before)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_fit_that_fails_as_it_goes_on_leaves_the_estimator_as_it_was(case, bags, method):
    model = case.make(warm_start=True, dropout=0.2, callbacks=[FailAt(5)]).fit(bags, case.y)  # epochs 1 to 3
    if method == "partial_fit":
        model.partial_fit(bags, case.y)
    before = state(case, model, bags)
    with pytest.raises(RuntimeError, match="on purpose"):
        getattr(model, method)(bags, case.y)  # reaches epoch 5
    assert_as_it_was(case, model, bags, before)


@pytest.mark.parametrize(
    "callbacks", [None, [EpochScoring("neg_log_loss"), EpochScoring("neg_log_loss", on_train=True)]]
)
def test_a_pickle_holds_no_training_data(case, bags, callbacks):
    if callbacks and not hasattr(case.make(), "predict_proba"):
        callbacks = [EpochScoring("r2"), EpochScoring("r2", on_train=True)]
    rng = np.random.default_rng(0)
    dumps = []
    for n_sets in (100, 1_000):
        X = list(rng.normal(size=(n_sets, 10, 3)))
        y = rng.integers(0, 2, n_sets) if hasattr(case.make(), "predict_proba") else rng.normal(size=n_sets)
        X[n_sets // 2][4, 1] = MARK
        if y.dtype == np.float64:
            y[3] = MARK
        model = case.make(callbacks=callbacks).fit(X, y, X_val=X, y_val=y)
        if callbacks is None:  # partial_fit holds out nothing that could be scored
            model.partial_fit(X, y)
        dumps.append(pickle.dumps(model))
        for dtype in (np.float32, np.float64):
            assert dtype(MARK).tobytes() not in dumps[-1]
    assert len(dumps[1]) < len(dumps[0]) + 2_000  # the data themselves are 216,000 bytes larger


@pytest.mark.parametrize("how", ["pickle", "joblib"])
def test_a_loaded_estimator_predicts_the_same_and_trains_on(case, bags, how, tmp_path):
    model = case.make(dropout=0.2).fit(bags, case.y)
    if how == "pickle":
        loaded = pickle.loads(pickle.dumps(model))
    else:
        joblib.dump(model, tmp_path / "model.joblib")
        loaded = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(case.outputs(loaded, bags), case.outputs(model, bags))
    np.testing.assert_array_equal(loaded.transform(bags), model.transform(bags))
    assert loaded.history_ == model.history_
    loaded.partial_fit(bags, case.y), model.partial_fit(bags, case.y)
    np.testing.assert_array_equal(case.outputs(loaded, bags), case.outputs(model, bags))


def test_the_state_of_the_optimizer_is_kept_only_where_training_goes_on(case, bags):
    def n_numbers(model):
        return sum(value.numel() for state in model.net_.optimizer_.state.values() for value in state.values())

    single = partial(case.make, n_members=1)
    n_weights = sum(weight.numel() for weight in single().fit(bags, case.y).net_.module_.parameters())
    assert n_numbers(single().fit(bags, case.y)) == 0
    assert n_numbers(single(warm_start=True).fit(bags, case.y)) > 2 * n_weights
    assert n_numbers(single().fit(bags, case.y).partial_fit(bags, case.y)) > 2 * n_weights
    wide = partial(single, phi_hidden_dims=(200, 200))
    small, large = (len(pickle.dumps(wide(warm_start=warm).fit(bags, case.y))) for warm in (False, True))
    assert large > 2.5 * small


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_pickle_from_a_machine_with_a_gpu_loads_here(case, bags):
    model = case.make().fit(bags, case.y)
    wanted = case.outputs(model, bags)
    # as far as this can be told without a GPU: the net says its weights were on one
    model.set_params(device="cuda").net_.device = "cuda"
    dumped = pickle.dumps(model)
    with pytest.warns(DeviceWarning) as caught:
        loaded = pickle.loads(dumped)
    assert "no CUDA devices are available" in str(caught[0].message)
    np.testing.assert_array_equal(case.outputs(loaded, bags), wanted)
    with pytest.raises(ValueError, match="device='cuda' is not on this machine"):
        loaded.partial_fit(bags, case.y)
    assert loaded.set_params(device="cpu").partial_fit(bags, case.y).n_iter_ == 4
