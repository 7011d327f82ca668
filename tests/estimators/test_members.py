"""Packs of members behind the estimators: how many there are, what they say out of fold, and what a pack is besides."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from skorch.callbacks import Callback
from torch import nn

from sk_deepsets import DeepSetsClassifier, DeepSetsRegressor, RaggedSets, check_sets
from sk_deepsets.estimators import _plan
from sk_deepsets.nn import DeepSetsEnsemble, DeepSetsInvariant
from sk_deepsets.training import ModuleEnsemble, PaddedModule, SetDataset


@pytest.fixture
def make(case):
    return partial(case.make, n_members=8, batch_size=16)


def weights(model):
    return torch.cat([p.detach().ravel() for p in model.net_.module_.parameters()])


class Fold(Callback):
    """Keeps the fold of each set, and the weights of all members after each epoch."""

    def on_train_begin(self, net, X=None, **kwargs):
        self.fold, self.members = X.train.fold, []

    def on_epoch_end(self, net, **kwargs):
        self.members.append([[weight.detach().clone() for weight in one.parameters()] for one in net.module_.stacks])


def seen(model):
    return dict(model.net_.callbacks_)["Fold"]


def of_fold(stacks, fold):
    """The weights of the members of a fold."""
    return [weight[fold] for weights in stacks for weight in weights]


def n_trained(model):
    """How many members were trained in the first epoch."""
    return sum(len(weights[0]) for weights in seen(model).members[0])


def score_by_hand(case, model, y, weight=None):
    if hasattr(model, "predict_proba"):
        return np.average(model.classes_[model.oof_prediction_.argmax(axis=1)] == y, weights=weight)
    return r2_score(y, model.oof_prediction_, sample_weight=weight)


@pytest.mark.parametrize(
    ("n_members", "kinds_and_folds"), [(2, (1, 2)), (4, (1, 4)), (7, (1, 7)), (8, (2, 4)), (12, (3, 4)), (20, (4, 5))]
)
def test_so_many_members_of_so_many_kinds_are_trained(case, bags, n_members, kinds_and_folds):
    model = case.make(n_members=n_members, callbacks=[Fold()], max_epochs=1).fit(bags, case.y)
    module = model.net_.module_
    assert isinstance(module, DeepSetsEnsemble)
    assert n_trained(model) == n_members
    assert set(seen(model).fold.tolist()) == set(range(kinds_and_folds[1]))
    assert module.n_folds == kinds_and_folds[1]
    assert module.n_members % module.n_folds == 0
    assert len(model.net_.module_.weights) == module.n_members + 1
    assert np.isfinite(case.outputs(model, bags)).all()


def test_by_default_a_pack_and_one_plain_net_where_there_is_no_layer_or_there_are_too_few_sets(case, bags):
    auto = partial(case.make, n_members="auto", max_epochs=1)
    assert isinstance(auto().fit(bags, case.y).net_.module_, DeepSetsEnsemble)
    assert isinstance(auto(phi_hidden_dims=()).fit(bags, case.y).net_.module_, DeepSetsInvariant)
    assert isinstance(auto(early_stopping=False).fit(bags[5:8], case.y[5:8]).net_.module_, DeepSetsInvariant)
    assert isinstance(auto(n_members=1).fit(bags, case.y).net_.module_, DeepSetsInvariant)


def test_a_refit_with_another_number_of_members_is_another_net(case, bags):
    model = case.make(n_members=8, max_epochs=1).fit(bags, case.y)
    one = model.set_params(n_members=1).fit(bags, case.y)
    assert isinstance(one.net_.module_, DeepSetsInvariant)
    assert not hasattr(one, "oof_prediction_")
    five = one.set_params(n_members=5).fit(bags, case.y)
    assert five.net_.module_.n_folds == 5
    few = five.set_params(n_members="auto").fit(bags[5:9], case.y[5:9])
    assert few.net_.module_.n_folds == 4
    fresh = case.make(n_members="auto", max_epochs=1).fit(bags[5:9], case.y[5:9])
    np.testing.assert_array_equal(case.outputs(few, bags), case.outputs(fresh, bags))


@pytest.mark.parametrize("weighted", [False, True])
def test_members_do_not_depend_on_the_targets_of_their_own_fold(case, bags, make, weighted, monkeypatch):
    """With other targets in one fold, the members of that fold stay the same to the last bit, and no others do."""
    fold = np.random.default_rng(0).permutation(np.arange(90) % 4)
    monkeypatch.setattr(_plan, "member_folds", lambda *args: fold)
    own = fold == 1
    weight = np.where(own, 1, np.random.default_rng(1).uniform(0.5, 2, 90)) if weighted else None
    changed = case.y.copy()
    changed[own] = case.y[own][::-1]  # mean and spread, or the shares of the classes, are known to all
    model = make(callbacks=[Fold()], standardize=False)
    before, after = (seen(clone(model).fit(bags, y, sample_weight=weight)) for y in (case.y, changed))
    np.testing.assert_array_equal(before.fold, fold)
    for one, other in zip(before.members, after.members, strict=True):
        same = [
            all(torch.equal(*pair) for pair in zip(of_fold(one, f), of_fold(other, f), strict=True)) for f in range(4)
        ]
        assert same == [False, True, False, False]


@pytest.mark.parametrize("weighted", [False, True])
def test_the_score_out_of_fold_is_that_of_the_predictions(case, bags, make, weighted):
    weight = np.random.default_rng(0).uniform(0.1, 5, 90) if weighted else None
    model = make(max_epochs=20).fit(bags, case.y, sample_weight=weight)
    assert len(model.oof_prediction_) == 90
    assert model.oof_score_ == pytest.approx(score_by_hand(case, model, case.y, weight))


def test_the_weights_of_classes_are_none_of_the_score(bags, labels, make_classifier):
    model = make_classifier(n_members=4, class_weight={0: 9, 1: 1}).fit(bags, labels)
    assert model.oof_score_ == pytest.approx(np.mean(model.oof_prediction_.argmax(axis=1) == labels))


def test_what_is_said_out_of_fold_is_the_mean_of_the_kinds_members_of_that_fold(case, bags, make):
    """From the fitted pack itself: of each kind the member of the set's fold, and the prior, by their weights."""
    model = make(max_epochs=12, callbacks=[Fold()], lr=0.01).fit(bags, case.y)
    pack, fold = model.net_.module_, seen(model).fold.numpy()
    data = SetDataset(model._read_sets(bags))
    packed = data.take(torch.arange(90))[0].packed
    with torch.no_grad():
        outputs = pack.member_outputs(packed).double().numpy().reshape(len(pack.stacks), pack.n_folds, 90, -1)
    said = outputs[:, fold, np.arange(90)]  # (n_kinds, 90, o)
    of_kinds = pack.weights[:-1].double().numpy().reshape(len(pack.stacks), -1).sum(axis=1)
    of_prior, prior = pack.weights[-1].item(), pack.prior.double().numpy()
    if hasattr(model, "predict_proba"):
        probabilities = np.exp(said) / np.exp(said).sum(axis=2, keepdims=True)
        wanted = np.einsum("k,kno->no", of_kinds, probabilities) + of_prior * np.exp(prior) / np.exp(prior).sum()
    else:
        wanted = np.einsum("k,kno->no", of_kinds, said) + of_prior * prior
        wanted = wanted[:, 0] * model._fitted.target.scale + model._fitted.target.mean
    np.testing.assert_allclose(model.oof_prediction_, wanted, rtol=1e-4, atol=1e-5)


def test_sets_of_weight_zero_have_no_prediction_out_of_fold_and_are_as_if_not_there(case, bags, make):
    kept = np.arange(90) % 4 > 0
    zeros = make().fit(bags, case.y, sample_weight=kept.astype(float))
    assert np.isnan(zeros.oof_prediction_[~kept]).all()
    assert np.isfinite(zeros.oof_prediction_[kept]).all()
    without = make().fit([bag for bag, one in zip(bags, kept, strict=True) if one], case.y[kept])
    np.testing.assert_allclose(zeros.oof_prediction_[kept], without.oof_prediction_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(case.outputs(zeros, bags), case.outputs(without, bags), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::sk_deepsets.estimators.FarSetWarning")
def test_sets_of_weight_may_all_be_empty(case, bags):
    X = [np.empty((0, 3))] * 45 + bags[:45]
    model = case.make(n_members=4).fit(X, case.y, sample_weight=np.repeat([1.0, 0.0], 45))
    outputs = case.outputs(model, X)
    assert np.isfinite(outputs).all()
    np.testing.assert_array_equal(outputs[:45], np.broadcast_to(outputs[0], outputs[:45].shape))


def test_given_validation_sets_leave_no_fold_and_all_members_train_on_all_sets(case, bags, make):
    model = make(callbacks=[Fold()]).fit(bags, case.y)
    assert hasattr(model, "oof_score_")
    model.fit(bags[:60], case.y[:60], X_val=bags[60:], y_val=case.y[60:])
    assert seen(model).fold is None
    assert not hasattr(model, "oof_prediction_")
    assert not hasattr(model, "oof_score_")


def test_groups_stay_together_in_a_fold(case, bags, make):
    groups = np.arange(90) % 30
    fold = seen(make(callbacks=[Fold()]).fit(bags, case.y, groups=groups)).fold.numpy()
    assert all(len(set(fold[groups == one])) == 1 for one in range(30))
    assert set(fold) == {0, 1, 2, 3}


def test_noise_is_answered_about_as_the_prior_does(case, bags, make):
    noise = np.random.default_rng(0).permutation(case.y)
    outputs = case.outputs(make(max_epochs=60).fit(bags, noise), bags)
    wanted = np.bincount(noise) / 90 if noise.dtype.kind in "iu" else noise.mean()
    spread = 1 if noise.dtype.kind in "iu" else noise.std()
    assert np.abs(outputs - wanted).max() < 0.35 * spread


def test_fits_are_equal_to_the_last_bit_on_two_threads_and_side_by_side(case, bags, make):
    make = partial(make, dropout=0.2)
    wanted = make().fit(bags, case.y)
    with ThreadPoolExecutor(4) as pool:
        side_by_side = list(pool.map(lambda _: make().fit(bags, case.y), range(4)))
    for model in (make().fit(bags, case.y), *side_by_side):
        assert torch.equal(weights(model), weights(wanted))
        np.testing.assert_array_equal(model.oof_prediction_, wanted.oof_prediction_)
    torch.set_num_threads(2)
    try:
        on_two = [make().fit(bags, case.y) for _ in range(2)]
    finally:
        torch.set_num_threads(1)
    assert torch.equal(*map(weights, on_two))
    other = make(random_state=1).fit(bags, case.y)
    assert not np.array_equal(other.oof_prediction_, wanted.oof_prediction_)


def test_pickles_and_clones(case, bags, make):
    model = make().fit(bags, case.y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(case.outputs(copy, bags), case.outputs(model, bags))
    np.testing.assert_array_equal(copy.oof_prediction_, model.oof_prediction_)
    copy.set_params(warm_start=True).fit(bags, case.y)
    model.set_params(warm_start=True).fit(bags, case.y)
    assert torch.equal(weights(copy), weights(model))
    again = clone(model)
    assert not hasattr(again, "net_")
    np.testing.assert_array_equal(
        case.outputs(again.fit(bags, case.y), bags), case.outputs(make().fit(bags, case.y), bags)
    )


@pytest.mark.parametrize("random_state", [0, None])
def test_a_warm_start_goes_on_with_the_same_folds(case, bags, make, random_state):
    model = make(warm_start=True, random_state=random_state, callbacks=[Fold()]).fit(bags, case.y)
    folds, kept = seen(model).fold, weights(model)
    first, n_iter = model.history_[0]["valid_loss"], model.n_iter_
    model.set_params(lr=1e-9).fit(bags, case.y)
    assert torch.equal(seen(model).fold, folds)
    assert model.n_iter_ == n_iter + 3
    assert weights(model).numel() % kept.numel() == 0  # the pack that was chosen, perhaps at several times
    assert model.history_[n_iter]["valid_loss"] < first
    with pytest.raises(ValueError, match=r"n_members=4, but the net to continue with was built with 8"):
        model.set_params(n_members=4).fit(bags, case.y)


def test_partial_fit_trains_all_members_on_all_sets(case, bags):
    model = case.make(n_members=4, callbacks=[Fold()], batch_size=16)
    options = {"classes": [0, 1]} if hasattr(model, "predict_proba") else {}
    losses = []
    for _ in range(30):
        model.partial_fit(bags, case.y, **options)
        losses.append(model.history_[-1]["train_loss"])
    assert seen(model).fold is None
    assert model.n_iter_ == 30
    assert losses[-1] < 0.9 * losses[0]
    assert not hasattr(model, "oof_prediction_")
    assert model.net_.module_.n_members == 4


class Raise(Callback):
    """Raises at the end of an epoch of the second fit."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise RuntimeError("on purpose")


def test_a_failing_callback_leaves_the_pack_as_it_was(case, bags, make):
    model = make(warm_start=True).fit(bags, case.y)
    before, oof = pickle.dumps(model.net_), model.oof_prediction_
    state, outputs = weights(model).clone(), case.outputs(model, bags)
    with pytest.raises(RuntimeError, match="on purpose"):
        model.set_params(callbacks=[Raise(5)], lr=0.5).fit(bags, case.y)
    assert torch.equal(weights(model), state)
    assert pickle.dumps(model.net_) == before
    np.testing.assert_array_equal(model.oof_prediction_, oof)
    np.testing.assert_array_equal(case.outputs(model, bags), outputs)
    same = make(warm_start=True).fit(bags, case.y).fit(bags, case.y)
    model.set_params(callbacks=None, lr=same.lr).fit(bags, case.y)
    assert torch.equal(weights(model), weights(same))


def test_the_embedding_has_the_pooled_vectors_of_all_members(case, bags, make):
    model = make(pool_type=("mean", "max", "std")).fit(bags, case.y)
    width = 3 * 8 * model.net_.module_.n_members
    assert model.transform(bags).shape == (90, width)
    assert len(model.get_feature_names_out()) == width


def test_answers_do_not_depend_on_order_or_on_the_other_sets(case, bags, make):
    model = make().fit(bags, case.y)
    wanted = case.outputs(model, bags)
    np.testing.assert_allclose(case.outputs(model, [bag[::-1] for bag in bags]), wanted, rtol=1e-4, atol=1e-5)
    one_by_one = np.concatenate([case.outputs(model, [bag]) for bag in bags[:9]])
    np.testing.assert_allclose(one_by_one, wanted[:9], rtol=1e-4, atol=1e-5)


class Mean(nn.Module):
    def __init__(self, input_dim, output_dim, context_dim=0):
        super().__init__()
        self.rho = nn.Sequential(nn.Dropout(0.1), nn.Linear(input_dim + context_dim, output_dim))

    def forward(self, x, mask, context=None):
        mean = x.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        return self.rho(mean if context is None else torch.cat([mean, context], dim=1))


@pytest.mark.parametrize("has_context", [False, True])
def test_a_module_of_ones_own_in_folds(case, bags, has_context):
    sets = check_sets(bags)
    if has_context:
        sets = RaggedSets(sets.elements, sets.offsets, context=np.random.default_rng(0).normal(size=(90, 2)))
    make = partial(case.make, module=Mean, n_members=3, max_epochs=40, lr=0.05, callbacks=[Fold()])
    model = make().fit(sets, case.y)
    assert isinstance(model.net_.module_, ModuleEnsemble)
    assert set(seen(model).fold.tolist()) == {0, 1, 2}
    assert model.oof_score_ == pytest.approx(score_by_hand(case, model, case.y))
    assert model.score(sets, case.y) > 0.3
    np.testing.assert_array_equal(case.outputs(make().fit(sets, case.y), sets), case.outputs(model, sets))
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(case.outputs(copy, sets), case.outputs(model, sets))


def test_a_module_of_ones_own_is_one_net_by_default(case, bags):
    assert isinstance(case.make(module=Mean, n_members="auto").fit(bags, case.y).net_.module_, PaddedModule)


@pytest.mark.parametrize("make_default", [DeepSetsClassifier, DeepSetsRegressor])
def test_the_default_is_a_pack_of_20_members(make_default, bags, labels):
    model = make_default(max_epochs=1, random_state=0, callbacks=[Fold()]).fit(bags, labels)
    assert n_trained(model) == 20


class SpoilAt(Callback):
    """Makes a weight NaN at the end of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            nn.init.constant_(next(net.module_.parameters())[0], torch.nan)


def test_divergence_after_a_good_look_keeps_what_was_found(case, bags, make):
    with pytest.warns(ConvergenceWarning, match=r"loss of epoch 5 is not finite.*weights of epoch \d are kept"):
        model = make(max_epochs=9, callbacks=[SpoilAt(4)]).fit(bags, case.y)
    assert model.n_iter_ == 5
    assert model.best_iteration_ <= 4
    assert np.isfinite(case.outputs(model, bags)).all()
    assert np.isfinite(model.oof_prediction_).all()


def test_members_that_have_seen_all_sets_say_nothing_out_of_fold(case, bags, make):
    options = {"classes": [0, 1]} if hasattr(make(), "predict_proba") else {}
    begun = make(warm_start=True).partial_fit(bags, case.y, **options)
    assert not hasattr(begun.fit(bags, case.y), "oof_prediction_")
    seen_all = make(warm_start=True).fit(bags, case.y, X_val=bags[:9], y_val=case.y[:9])
    assert not hasattr(seen_all.fit(bags, case.y), "oof_score_")
    again = seen_all.set_params(warm_start=False).fit(bags, case.y)
    assert len(again.oof_prediction_) == 90


def test_elements_over_the_whole_range_of_float32_are_learned():
    rng = np.random.default_rng(0)
    X = [rng.uniform(-3e38, 3e38, size=(size, 2)) for size in rng.integers(2, 6, 120)]
    y = np.array([int(one[:, 0].max() > 1e38) for one in X])
    clf = DeepSetsClassifier(n_members=5, max_epochs=30, random_state=0).fit(X, y)
    assert clf.oof_score_ > 0.85


def test_weights_of_another_unit_are_the_same_weights(bags, labels):
    make = partial(DeepSetsClassifier, n_members=4, max_epochs=2, random_state=0)
    weight = np.random.default_rng(0).integers(0, 3, len(bags)).astype(float)
    wanted = make().fit(bags, labels, sample_weight=weight).predict_proba(bags)
    np.testing.assert_array_equal(make().fit(bags, labels, sample_weight=8 * weight).predict_proba(bags), wanted)
    np.testing.assert_array_equal(
        make().fit(bags, labels, sample_weight=np.full(len(bags), 8.0)).predict_proba(bags),
        make().fit(bags, labels).predict_proba(bags),
    )
