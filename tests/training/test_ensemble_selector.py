"""EnsembleSelector: members trained at once as they would be alone, and chosen by their out-of-fold outputs."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from skorch.callbacks import Callback, LRScheduler
from torch import nn

from sk_deepsets import RaggedSets, check_sets
from sk_deepsets.nn import Columns, DeepSetsEnsemble, Scalings, Standardize, Statistics, Variant
from sk_deepsets.training import (
    EnsembleSelector,
    RandomNumbers,
    SetDataset,
    Split,
    _ensemble_selector,
    _greedy_selection,
    build_net,
    train,
)
from sk_deepsets.training._greedy_selection import EvaluationLoss

RNG = np.random.default_rng(0)
SETS = check_sets([RNG.normal(size=(size, 2)).astype(np.float32) for size in RNG.integers(0, 6, 24)])
FOLD = RNG.permutation(np.arange(24) % 3)
LABELS = RNG.integers(0, 2, 24)
EASY = (SETS.sizes > 2).astype(int)
WEIGHT = RNG.uniform(0.2, 3, 24)
VARIANTS = (
    Variant(("standard",), ("clipped",)),
    Variant(("clipped",), label_smoothing=0.2),
    Variant(("standard", "clipped"), ("clipped",), sums=True),
)
N_FOLDS = 3


class Watch(Callback):
    """Keeps what there is after each step and each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.steps, self.rates, self.epochs = [], [], []

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            self.steps.append(state_of(net.module_))
            self.rates.append(net.optimizer_.param_groups[0]["lr"])

    def on_epoch_end(self, net, **kwargs):
        average = copy.deepcopy(net.module_.with_stacks(net.selector._state.average))
        self.epochs.append((list(net.selector._state.numbers), average, copy.deepcopy(net.module_)))


def state_of(module):
    """The weights of each stack, by their names."""
    stacks = [stack.named_parameters() for stack in module.stacks]
    return [{name: weight.detach().clone() for name, weight in weights} for weights in stacks]


def data_of(weight=None, fold=FOLD, y=LABELS):
    return SetDataset(SETS, y, weight).with_folds(fold)


def make_dims(variants=VARIANTS, n_folds=N_FOLDS, output_dim=2, link="softmax", prior=(0.0, 0.0)):
    torch.manual_seed(0)
    table = torch.from_numpy(SETS.elements)
    layer = Standardize(table.mean(0).double(), table.std(0).double())
    statistics = Statistics(layer, 2)
    rows = statistics(data_of().take(torch.arange(24))[0].packed)
    scalings = Scalings(rows, Standardize(rows.mean(0).double(), rows.std(0).double()), {"clipped"})
    return {
        "variants": variants,
        "n_folds": n_folds,
        "elements": Columns(Scalings(table, layer, {"standard", "clipped"}), 2),
        "statistics": statistics,
        "statistic_columns": Columns(scalings, rows.shape[1]),
        "output_dim": output_dim,
        "phi_hidden_dims": (4, 4),
        "rho_hidden_dims": (4,),
        "sum_scale": 0.25,
        "link": link,
        "prior": prior,
    }


def make_net(variants=VARIANTS, optimizer="sgd", loss="log_loss", weight_decay=0.01, **dims):
    how = {"optimizer": optimizer, "lr": 0.1, "weight_decay": weight_decay, "device": torch.device("cpu")}
    dims = make_dims(variants, **dims)
    torch.manual_seed(0)
    return build_net(DeepSetsEnsemble, dims, loss, **how).initialize()


def run(net, data, *callbacks, selector=None, epochs=4, batch_size=24, lr=0.1, valid=None):
    selector = EnsembleSelector(stops_early=False) if selector is None else selector
    how = {"lr": lr, "batch_size": batch_size, "verbose": 0}
    train(net, Split(data, valid), RandomNumbers(0), selector, epochs=epochs, callbacks=[Watch(), *callbacks], **how)
    return dict(net.callbacks_)["Watch"]


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("fold", [FOLD, None])
def test_each_member_is_trained_as_it_would_be_alone_without_its_fold(weight, fold):
    """Plain torch: the sets of other folds alone, Nesterov, a rate that rises over 20 steps, decay without biases."""
    net = make_net()
    start = state_of(net.module_)
    valid = None if fold is not None else data_of(fold=None)
    watch = run(net, data_of(weight, fold), epochs=25, valid=valid)
    scaled = np.ones(24) if weight is None else weight / weight.mean()
    for number, variant in enumerate(VARIANTS):
        for own in range(N_FOLDS):
            alone = DeepSetsEnsemble(**make_dims([variant], 1))
            alone.stacks[0].load_state_dict({name: value[[own]] for name, value in start[number].items()}, strict=False)
            others = np.flatnonzero(fold != own) if fold is not None else np.arange(24)
            packed = data_of().take(torch.from_numpy(others))[0].packed
            target, weights = torch.from_numpy(LABELS[others]), torch.from_numpy(scaled[others]).float()
            decays = [(name, p) for name, p in alone.named_parameters() if not name.endswith("bias")]
            biases = [p for name, p in alone.named_parameters() if name.endswith("bias")]
            groups = [{"params": [p for _, p in decays], "weight_decay": 0.01}, {"params": biases}]
            optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
            criterion = nn.CrossEntropyLoss(reduction="none", label_smoothing=variant.label_smoothing)
            share = 24 if fold is None else 24 * (N_FOLDS - 1) / N_FOLDS
            for step in range(1, 26):
                for group in optimizer.param_groups:
                    group["lr"] = 0.1 * min(step / 20, 1)
                optimizer.zero_grad()
                losses = criterion(alone.member_outputs(packed)[0], target)
                ((losses * weights).sum() / share).backward()
                optimizer.step()
                if step in (1, 25):
                    found = watch.steps[step - 1][number]
                    for name, value in state_of(alone)[0].items():
                        torch.testing.assert_close(found[name][[own]], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_averages_of_the_weights_by_their_recursion(optimizer):
    watch = run(make_net(optimizer=optimizer), data_of(), batch_size=5, epochs=4)
    for number, found in enumerate(state_of(watch.epochs[-1][1])):
        for name in found:
            average = np.zeros(found[name].shape)
            for step, weights in enumerate(watch.steps, 1):
                kept = (1 - 1 / step) ** 7
                average = kept * average + (1 - kept) * weights[number][name].double().numpy()
            np.testing.assert_allclose(found[name], average, rtol=1e-3, atol=1e-5)
    assert len(watch.steps) == 20


def test_the_learning_rate_rises_over_20_steps_unless_a_scheduler_sees_to_it():
    rates = run(make_net(), data_of(), batch_size=8, epochs=10).rates
    np.testing.assert_allclose(rates, 0.1 * np.minimum(np.arange(1, 31) / 20, 1))
    scheduler = LRScheduler(policy="StepLR", step_size=1, gamma=0.5)
    rates = run(make_net(), data_of(), scheduler, batch_size=8, epochs=3).rates
    np.testing.assert_allclose(rates, 0.1 * np.repeat([1, 0.5, 0.25], 3))


def test_evaluations_come_later_and_later_and_the_last_epoch_has_one():
    epochs = []

    class Recorded(EnsembleSelector):
        def _choose(self, net, outputs):
            epochs.append(self._state.n_epochs)
            return super()._choose(net, outputs)

    run(make_net(), data_of(), selector=Recorded(stops_early=False), epochs=40)
    assert epochs == [1, 2, 3, 4, 5, 6, 8, 10, 13, 17, 22, 29, 38, 40]


@pytest.mark.parametrize(
    ("losses", "stops"),
    [
        ([1.0, 0.5, 0.25, 0.12], False),
        ([1.0, 0.5, 0.4995, 0.4990], True),
        ([1.0, 0.5, 0.4995, 0.4], False),
        ([-1.0, -1.0, -1.0], True),
        ([-1.0, -1.001, -1.002], True),
        ([-1.0, -1.1, -1.2, -1.3], False),
        ([0.2, -0.1, -0.1, -0.1], True),
    ],
)
def test_two_evaluations_in_a_row_without_a_gain_end_the_training(monkeypatch, losses, stops):
    monkeypatch.setattr(_ensemble_selector, "LEAST_STEPS", 1)
    net, selector = make_net(), EnsembleSelector()
    net.set_params(batch_size=24, max_epochs=99)
    selector.on_train_begin(net, X=Split(data_of(), None))
    selector._state.n_steps = 1
    script = iter(losses)
    selector._data.loss = SimpleNamespace(choose=lambda o, *_: (np.ones(len(o) + 1), loss := next(script), abs(loss)))
    for _ in losses:
        selector._state.library = selector._choose(net, torch.zeros(3, 24, 2))
    assert selector.stop_ is stops


def test_training_that_gains_nothing_more_ends_by_itself_or_not(monkeypatch):
    monkeypatch.setattr(_ensemble_selector, "LEAST_STEPS", 1)
    for stops_early in (True, False):
        net = make_net()
        run(net, data_of(), selector=EnsembleSelector(stops_early), epochs=60, lr=1e-9)
        assert (len(net.history) < 60) is stops_early


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_the_validation_loss_is_that_of_members_that_have_not_seen_the_sets(weight):
    net = make_net()
    watch = run(net, data_of(weight), batch_size=6, epochs=12)
    packed = data_of().take(torch.arange(24))[0].packed
    evaluated = [number for number, row in enumerate(net.history) if "valid_loss" in row]
    assert [number + 1 for number in evaluated] == [1, 2, 3, 4, 5, 6, 8, 10, 12]  # the last one, too
    for row, (_, average, _) in zip(net.history, watch.epochs, strict=True):
        if "valid_loss" not in row:
            continue
        with torch.no_grad():
            outputs = average.eval().member_outputs(packed).double().numpy()
        variants = softmax(outputs.reshape(3, N_FOLDS, 24, 2)[:, FOLD, np.arange(24)], axis=2)
        losses = -np.log(variants.mean(axis=0)[np.arange(24), LABELS])
        assert row["valid_loss"] == pytest.approx(np.average(losses, weights=weight), rel=1e-5)
    valid = [row.get("valid_loss", np.inf) for row in net.history]
    assert net.selector.best_epoch_ == 1 + np.argmin(valid)
    best = [valid[number] == min(valid[: number + 1]) for number in evaluated]
    assert [net.history[number]["valid_loss_best"] for number in evaluated] == best


def test_to_look_at_every_epoch_changes_nothing_else():
    plain, watched = make_net(), make_net()
    run(plain, data_of(), epochs=14)
    run(watched, data_of(), epochs=14, selector=EnsembleSelector(every_epoch=True))
    assert all("valid_loss" in row for row in watched.history)
    for row, seen in zip(plain.history, watched.history, strict=True):
        assert all(seen[name] == value for name, value in row.items() if name.endswith("_loss"))
    assert plain.selector.best_epoch_ == watched.selector.best_epoch_
    torch.testing.assert_close(watched.module_.state_dict(), plain.module_.state_dict(), rtol=0, atol=0)


def test_the_best_epoch_is_one_of_this_call():
    net = make_net()
    run(net, data_of(y=EASY), epochs=10)
    # targets turned around: nothing that follows is as good as what was
    run(net, data_of(y=1 - EASY), epochs=3, lr=0.5)
    valid = [row.get("valid_loss", np.inf) for row in net.history]
    assert min(valid[10:]) > min(valid[:10])
    assert net.selector.best_epoch_ == 11 + np.argmin(valid[10:])


def test_given_sets_are_evaluated_with_all_members_of_a_variant():
    net = make_net()
    valid = SetDataset(SETS[:9], LABELS[:9])
    watch = run(net, data_of(fold=None), valid=valid)
    _, average, _ = watch.epochs[-1]
    with torch.no_grad():
        outputs = average.eval().member_outputs(valid.take(torch.arange(9))[0].packed).double().numpy()
    losses = -np.log(softmax(outputs, axis=2).mean(axis=0)[np.arange(9), LABELS[:9]])
    assert net.history[-1]["valid_loss"] == pytest.approx(losses.mean(), rel=1e-5)


def loss_of(targets, weights=None, criterion=nn.CrossEntropyLoss, robust=False):
    sets = RaggedSets(np.zeros((len(targets), 1)), np.arange(len(targets) + 1))
    with_targets = SetDataset(sets, targets, weights)
    return EvaluationLoss(criterion(reduction="none"), with_targets, robust)


CHOICES = st.tuples(st.integers(1, 5), st.integers(1, 30), st.booleans(), st.integers(0, 2**32 - 1))


def choice_of(shape):
    n_candidates, n, weighted, seed = shape
    random = np.random.default_rng(seed)
    targets = random.integers(0, 3, n)
    outputs = random.normal(size=(n_candidates, n, 3)) + 2 * np.eye(3)[targets] * random.random((n_candidates, 1, 1))
    weights = random.uniform(0.1, 3, n) * (random.random(n) < 0.7)
    return targets, np.r_[1.0, weights[1:]] if weighted else None, outputs


def loss_by_hand(probabilities, targets, weights):
    return np.average(-np.log(probabilities[np.arange(len(targets)), targets]), weights=weights)


@settings(max_examples=60, deadline=None)
@given(CHOICES)
def test_the_choice_is_greedy_selection_with_replacement(shape):
    targets, weights, outputs = choice_of(shape)
    prior = np.array([0.2, -0.1, 0.0])
    found, loss, _ = loss_of(targets, weights).choose(
        list(torch.from_numpy(outputs)), torch.from_numpy(prior), "softmax"
    )
    answers = [np.broadcast_to(softmax(prior), outputs[0].shape), *softmax(outputs, axis=2)]
    bag, best = [], np.inf
    while len(bag) < 30:
        losses = [
            loss_by_hand(np.mean([answers[i] for i in [*bag, j]], axis=0), targets, weights)
            for j in range(len(answers))
        ]
        if min(losses) >= best * (1 - 1e-5):
            break
        bag.append(int(np.argmin(losses)))
        best = min(losses)
    np.testing.assert_allclose(found, np.bincount(bag, minlength=len(answers)) / len(bag), atol=1e-12)
    assert found.sum() == pytest.approx(1)
    mean = np.einsum("k,kno->no", found, answers)
    assert loss == pytest.approx(loss_by_hand(mean, targets, weights), rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(CHOICES)
def test_no_candidate_and_no_mean_of_the_best_with_another_is_better(shape):
    targets, weights, outputs = choice_of(shape)
    prior = np.zeros(3)
    _, loss, _ = loss_of(targets, weights).choose(list(torch.from_numpy(outputs)), torch.from_numpy(prior), "softmax")
    answers = [np.full(outputs[0].shape, 1 / 3), *softmax(outputs, axis=2)]
    singles = [loss_by_hand(one, targets, weights) for one in answers]
    best = answers[int(np.argmin(singles))]
    pairs = [loss_by_hand((best + one) / 2, targets, weights) for one in answers]
    assert loss <= min(singles + pairs) * (1 + 2e-5)


def test_what_is_worse_than_the_prior_is_not_chosen():
    targets = np.array([0, 1] * 10)
    sure_and_wrong = torch.tensor([[-3.0, 3.0], [3.0, -3.0]] * 10, dtype=torch.float64)
    diverged = torch.full((20, 2), torch.nan, dtype=torch.float64)
    found, loss, _ = loss_of(targets).choose([sure_and_wrong, diverged], torch.zeros(2), "softmax")
    np.testing.assert_array_equal(found, [1, 0, 0])
    assert loss == pytest.approx(np.log(2))


def test_losses_of_candidates_by_hand():
    targets, weights, outputs = choice_of((4, 20, True, 0))
    found = loss_of(targets, weights)(torch.from_numpy(outputs))
    by_hand = -log_softmax(outputs, axis=2)[:, np.arange(20), targets]
    np.testing.assert_allclose(found, np.average(by_hand, axis=1, weights=weights), rtol=1e-6)
    values, weights = RNG.normal(size=(20, 2)), RNG.uniform(0.1, 2, 20)
    errors = np.square(outputs[..., :2] - values).mean(axis=2)
    found = loss_of(values, weights, nn.MSELoss)(torch.from_numpy(outputs[..., :2]))
    np.testing.assert_allclose(found, np.average(errors, axis=1, weights=weights), rtol=1e-6)


def test_gains_are_a_share_of_the_loss_of_a_typical_set_where_there_are_outliers():
    """Next to a loss of 1e9 the second of two candidates, and their mean, are no gain."""
    targets = np.r_[RNG.normal(size=(99, 1)), [[1e11]]]
    outputs = [torch.from_numpy(targets + shift).clamp(max=9) for shift in (0.1, -0.1)]
    for robust, n_chosen in ((True, 2), (False, 1)):
        set_loss = loss_of(targets, criterion=nn.L1Loss, robust=robust)
        weights, loss, size = set_loss.choose(outputs, torch.full((1,), 50.0), "identity")
        assert (weights > 0).sum() == n_chosen
        assert loss == pytest.approx(1e9)
        assert size < 1 if robust else size == loss


def test_the_typical_loss_is_one_of_what_has_a_weight():
    targets = RNG.normal(size=(30, 1))
    weights = (np.arange(30) < 10).astype(float)
    outputs, prior = [torch.from_numpy(targets + 2)], torch.full((1,), 50.0)
    assert loss_of(targets, weights, nn.L1Loss, robust=True).choose(outputs, prior, "identity")[2] > 1


def test_of_very_many_sets_a_part_is_evaluated(monkeypatch):
    targets, weights, outputs = choice_of((3, 100, True, 1))
    monkeypatch.setattr(_greedy_selection, "MOST_EVALUATED", 25)
    found = loss_of(targets, weights).choose(list(torch.from_numpy(outputs)), torch.zeros(3), "softmax")
    rows = np.flatnonzero(weights)
    rows = rows[:: len(rows) // 25]
    part = loss_of(targets[rows], weights[rows])
    wanted = part.choose(list(torch.from_numpy(outputs[:, rows])), torch.zeros(3), "softmax")
    np.testing.assert_array_equal(found[0], wanted[0])
    assert found[1] == pytest.approx(wanted[1])


OPTIMIZERS = ["adam", "adamw", "sgd", torch.optim.RMSprop, torch.optim.SGD, torch.optim.NAdam]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_variants_that_are_kept_train_on_as_if_nothing_had_happened(monkeypatch, optimizer):
    """The same weights, to rounding, as in an ensemble whose variants are all trained to the end."""
    first_and_third = [0, 0.5, 0, 0.5]
    monkeypatch.setattr(
        EvaluationLoss, "choose", lambda self, o, *_: (np.array(first_and_third + [0] * (len(o) - 3)), 1.0, 1.0)
    )
    monkeypatch.setattr(_ensemble_selector, "RECENT", 99)
    watched = []
    for enough in (np.inf, 100):
        monkeypatch.setattr(_ensemble_selector, "ENOUGH_SETS", enough)
        # full batches: with other numbers of members, dropout draws other numbers before the next order
        watched.append(run(make_net(optimizer=optimizer), data_of(), epochs=12, lr=0.02))
    whole, dropped = watched
    kept, average, module = dropped.epochs[-1]
    assert kept == [0, 2]
    assert dropped.epochs[3][0] == [0, 1, 2]  # 96 sets
    assert [stack.variant for stack in module.stacks] == [VARIANTS[number] for number in kept]
    assert module.n_members == N_FOLDS * len(kept)
    _, whole_average, whole_module = whole.epochs[-1]
    assert len(whole_module.stacks) == 3
    for found, expected in [(average, whole_average), (module, whole_module)]:
        found, expected = state_of(found), state_of(expected)
        torch.testing.assert_close(found, [expected[number] for number in kept], rtol=1e-3, atol=1e-5)


def test_a_variant_whose_newest_candidates_are_not_chosen_is_trained_no_further():
    net, selector = make_net(), EnsembleSelector(stops_early=False)
    net.set_params(batch_size=24, max_epochs=99)
    selector.on_train_begin(net, X=Split(data_of(), None))
    trained = []

    def choose(outputs, *_):
        weights = np.zeros(1 + len(outputs))
        weights[[2, -len(selector._state.numbers)]] = 0.5  # variant 1 as it was first, and variant 0 as it is
        return weights, 1.0, 1.0

    selector._data.loss = SimpleNamespace(choose=choose)
    for n_steps, n_epochs in ((149, 25), (151, 14), (152, 15), (153, 16)):
        selector._state.n_steps, selector._state.n_epochs = n_steps, n_epochs
        selector._state.library = selector._choose(net, torch.zeros(len(selector._state.numbers), 24, 2))
        trained.append([*selector._state.numbers])
    # at the third evaluation there have been enough steps and epochs, and at the fourth three without a new choice of 1
    assert trained == [[0, 1, 2], [0, 1, 2], [0, 1], [0]]


@pytest.mark.parametrize(("n_steps", "n_evaluations"), [(149, None), (150, 2)])
def test_two_evaluations_must_have_gained_nothing_after_enough_steps(n_steps, n_evaluations):
    net, selector = make_net(), EnsembleSelector()
    net.set_params(batch_size=24, max_epochs=99)
    selector.on_train_begin(net, X=Split(data_of(), None))
    selector._data.loss = SimpleNamespace(choose=lambda outputs, *_: (np.ones(1 + len(outputs)), 1.0, 1.0))
    selector._choose(net, torch.zeros(3, 24, 2))
    selector._state.n_steps = n_steps
    ends = []
    for _ in range(4):
        selector._choose(net, torch.zeros(3, 24, 2))
        ends.append(selector.stop_)
    assert ends == [n_evaluations is not None and number >= n_evaluations for number in range(1, 5)]


def test_with_many_sets_variants_are_dropped_from_the_first_evaluation_on(monkeypatch):
    monkeypatch.setattr(_ensemble_selector, "ENOUGH_SETS", 0)
    net, selector = make_net(), EnsembleSelector(stops_early=False)
    net.set_params(batch_size=24, max_epochs=99)
    selector.on_train_begin(net, X=Split(data_of(), None))
    selector._state.n_steps = 1
    chosen = iter([[0, 1, 0, 1], [0, 0, 0, 0.5, 0, 0.5]])  # prior and candidates
    selector._data.loss = SimpleNamespace(choose=lambda outputs, *_: (np.array(next(chosen), dtype=float), 1.0, 1.0))
    selector._state.library = selector._choose(net, torch.zeros(3, 24, 2))
    assert selector._state.numbers == [0, 2]
    assert [stack.variant for stack in net.module_.stacks] == [VARIANTS[0], VARIANTS[2]]
    selector._state.library = selector._choose(net, torch.zeros(2, 24, 2))
    assert selector._state.numbers == [2]  # candidates 3 and 5, both of variant 2
    assert [one.number for one in selector._state.library.candidates] == [0, 1, 2, 0, 2]


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_the_ensemble_in_the_end_is_that_of_the_chosen_candidates(weight):
    net = make_net(optimizer="adamw")
    run(net, data_of(weight), epochs=30, lr=0.03)
    ensemble, selector = net.module_, net.selector
    assert ensemble.weights.sum().item() == pytest.approx(1)
    assert (ensemble.weights >= 0).all()
    with torch.no_grad():
        outputs = ensemble.member_outputs(data_of().take(torch.arange(24))[0].packed).double().numpy()
    unseen = softmax(outputs.reshape(-1, N_FOLDS, 24, 2)[:, FOLD, np.arange(24)], axis=2)
    stack_weights = ensemble.weights[:-1].view(-1, N_FOLDS).sum(dim=1).double().numpy()
    mean = np.einsum("k,kno->no", stack_weights, unseen) + ensemble.weights[-1].item() / 2
    assert ensemble.weights[-1] < 0.9  # not the prior alone, which is the same for all sets
    np.testing.assert_allclose(softmax(selector.out_of_fold_.numpy(), axis=1), mean, rtol=1e-4)
    assert selector.loss_ == pytest.approx(loss_by_hand(mean, LABELS, weight), rel=1e-5)


def test_where_there_is_nothing_to_learn_the_prior_answers(monkeypatch):
    prior = np.log([0.25, 0.75])
    net = make_net(prior=prior.tolist())
    monkeypatch.setattr(EvaluationLoss, "choose", lambda self, outputs, *_: (np.eye(len(outputs) + 1)[0], 1.0, 1.0))
    run(net, data_of(), epochs=2)
    assert len(net.module_.stacks) == 1
    assert net.module_.weights.tolist() == [0, 0, 0, 1]
    outputs = net.forward(SetDataset(SETS)).double().numpy()
    np.testing.assert_allclose(softmax(outputs, axis=1), np.tile([0.25, 0.75], (24, 1)), rtol=1e-5)


def test_each_epoch_a_step_sees_each_set_once_and_a_callback_hears_of_the_mean():
    class Heard(Callback):
        def on_batch_end(self, net, batch=None, y_pred=None, loss=None, training=False, **kwargs):
            assert y_pred.shape == (len(batch[0]), 2)
            assert loss.dim() == 0

    net = make_net()
    run(net, data_of(), Heard(), epochs=1, batch_size=24, lr=1e-9)
    with torch.no_grad():
        outputs = make_net().module_.member_outputs(data_of().take(torch.arange(24))[0].packed).double().numpy()
    losses = []
    for number, output in enumerate(outputs):
        logs = log_softmax(output, axis=1)
        smoothing = VARIANTS[number // N_FOLDS].label_smoothing
        of_sets = -(1 - smoothing) * logs[np.arange(24), LABELS] - smoothing * logs.mean(axis=1)
        losses.append(of_sets[np.not_equal(FOLD, number % N_FOLDS)].mean())
    assert net.history[-1]["train_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
