"""A torch module of the user's own in the place of the package's."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sk_deepsets import DeepSetsElementClassifier, ElementTransformer, RaggedSets, check_sets
from sk_deepsets.io import load, save
from sk_deepsets.nn import DeepSetsConditional


class SumModule(nn.Module):
    def __init__(self, input_dim, output_dim, context_dim=0):
        super().__init__()
        self.phi = nn.Linear(input_dim, 6)
        self.rho = nn.Linear(6 + context_dim, output_dim)

    def pool(self, x, mask):
        return (self.phi(x).relu() * mask.unsqueeze(-1)).sum(dim=1)

    def forward(self, x, mask, context=None):
        pooled = self.pool(x, mask)
        return self.rho(pooled if context is None else torch.cat([pooled, context], dim=1))


class EmbeddingModule(SumModule):
    def embed(self, x, mask):
        return self.pool(x, mask)


class FlatModule(SumModule):
    def forward(self, x, mask):
        return super().forward(x, mask).sum(dim=1)


@pytest.mark.parametrize("module", [SumModule, EmbeddingModule])
def test_a_module_of_ones_own_learns(case, bags, module):
    model = case.make(module=module, max_epochs=150, lr=0.02, early_stopping=False).fit(bags, case.y)
    assert model.score(bags, case.y) > 0.6
    order = [bag[::-1] for bag in bags]
    np.testing.assert_allclose(case.outputs(model, order), case.outputs(model, bags), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("module", [EmbeddingModule, partial(EmbeddingModule)])
def test_a_module_with_embed_transforms(case, bags, module):
    model = case.make(module=module).fit(bags, case.y)
    torch.testing.assert_close(
        torch.from_numpy(model.transform(bags[:1])[0]),
        model.net_.module_.module.phi(model.net_.module_.input_layer(torch.from_numpy(bags[0]))).relu().sum(0).detach(),
    )
    assert len(model.get_feature_names_out()) == 6


def test_a_module_without_embed_has_no_transform(case, bags):
    model = case.make(module=SumModule)
    assert not hasattr(model, "transform")
    model.fit(bags, case.y)
    with pytest.raises(AttributeError, match="transform"):
        model.transform(bags)


@pytest.mark.parametrize("made", [3, nn.Identity()])
def test_what_makes_no_module_with_weights_is_an_error(case, bags, made):
    with pytest.raises(TypeError, match=r"module made .*; expected a torch module with weights to train"):
        case.make(module=lambda **dims: made).fit(bags, case.y)


def test_a_module_that_returns_the_wrong_shape_is_an_error(case, bags):
    message = r"FlatModule.forward returned a tensor of shape \(\d+,\); expected \(b, output_dim\), here"
    with pytest.raises(ValueError, match=message):
        case.make(module=FlatModule).fit(bags, case.y)
    assert not hasattr(case.make(module=FlatModule), "net_")


class ForwardWithoutMask(SumModule):
    def forward(self, x):
        return super().forward(x, x)


class OtherNames(SumModule):
    def forward(self, elements, present):
        return super().forward(elements, present)


def test_a_module_with_other_arguments_is_an_error_that_shows_the_call(case, bags):
    with pytest.raises(TypeError, match=r"is called as forward\(x, mask\), but its forward is forward\(x\)"):
        case.make(module=ForwardWithoutMask).fit(bags, case.y)
    with pytest.raises(TypeError, match="but takes no input_dim"):
        case.make(module=lambda width, output_dim: None).fit(bags, case.y)
    case.make(module=OtherNames).fit(bags, case.y)  # called by position


class TupleInPrediction(SumModule):
    def forward(self, x, mask):
        out = super().forward(x, mask)
        return out if self.training else (out, mask)


@pytest.mark.parametrize("n_members", [1, 3])
def test_what_a_module_returns_in_predict_is_checked_too(case, bags, n_members):
    module = TupleInPrediction
    make = {"module": module, "early_stopping": False, "n_members": n_members}
    model = case.make(**make)
    if n_members > 1:  # members are evaluated while they are trained
        with pytest.raises(TypeError, match=r"TupleInPrediction.forward returned a tuple of 2; expected one tensor"):
            model.fit(bags, case.y)
        return
    with pytest.raises(TypeError, match=r"TupleInPrediction.forward returned a tuple of 2; expected one tensor"):
        model.fit(bags, case.y).predict(bags)


class MeanModule(SumModule):
    """Divides by the sizes."""

    def pool(self, x, mask):
        return super().pool(x, mask) / mask.sum(dim=1, keepdim=True)


class WhereModule(SumModule):
    """Finite for an empty set, but its gradient is not."""

    def pool(self, x, mask):
        pooled = super().pool(x, mask)
        return torch.where(mask.any(1, keepdim=True), pooled / mask.sum(dim=1, keepdim=True), 0)


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize(("module", "what"), [(MeanModule, "output"), (WhereModule, "gradient")])
def test_a_module_that_divides_by_the_size_of_an_empty_set_is_told_so(case, bags, module, what, n_members):
    sets = [*bags[:7], np.empty((0, 3)), *bags[8:]]
    message = f"Set 7 of X is empty, and the {what} of the module for it is not finite"
    options = {"module": module, "n_members": n_members, "early_stopping": False}
    with pytest.raises(ValueError, match=message):
        case.make(**options).fit(sets, case.y)
    model = case.make(**options).fit(bags, case.y)
    if what == "output":
        with pytest.raises(ValueError, match=message):
            model.predict(sets)
    else:
        assert np.isfinite(case.outputs(model, sets)).all()
    with pytest.raises(ValueError, match="Set 7 is empty"):
        case.make(module=module, empty_sets="error").fit(sets, case.y)


def test_a_module_gets_the_context_where_there_is_one(case, bags):
    sets = check_sets(bags)
    sets = RaggedSets(sets.elements, sets.offsets, context=np.c_[case.y, -case.y])
    model = case.make(module=SumModule, max_epochs=100, lr=0.05, early_stopping=False).fit(sets, case.y)
    assert model.net_.module_.module.rho.in_features == 6 + 2
    assert model.score(sets, case.y) > 0.95
    with pytest.raises(ValueError, match="X has no context features"):
        model.predict(bags)


def test_empty_sets_reach_a_module_as_all_padding(case, bags):
    empty = np.empty((0, 3))
    model = case.make(module=EmbeddingModule).fit([empty, *bags[1:]], case.y)
    assert np.isfinite(case.outputs(model, [empty])).all()
    assert not model.transform([empty, empty]).any()


def test_the_packages_own_conditional_is_a_module_like_any_other(case, bags):
    module = partial(DeepSetsConditional, phi_hidden_dims=[8], rho_hidden_dims=[])
    sets = check_sets(bags)
    sets = RaggedSets(sets.elements, sets.offsets, context=np.c_[case.y, -case.y])
    assert case.make(module=module).fit(sets, case.y).predict(sets).shape == (90,)


class WideModule(SumModule):
    """With parameters of its own, which change the weights and the output."""

    def __init__(self, input_dim, output_dim, hidden=6, *, activation=torch.relu, factors=(1.0,)):
        super().__init__(input_dim, output_dim)
        self.phi, self.rho = nn.Linear(input_dim, hidden), nn.Linear(hidden, output_dim)
        self.activation, self.factor = activation, sum(factors)

    def pool(self, x, mask):
        return (self.activation(self.phi(x)) * mask.unsqueeze(-1)).sum(dim=1) * self.factor


class TestModuleParameters:
    """``module__hidden=3`` builds the module with ``hidden=3``."""

    def test_the_module_is_built_with_them(self, case, bags):
        model = case.make(module=WideModule, module__hidden=3, module__activation=torch.tanh).fit(bags, case.y)
        module = model.net_.module_.module
        assert (module.phi.out_features, module.activation) == (3, torch.tanh)
        plain = case.make(module=partial(WideModule, hidden=3, activation=torch.tanh)).fit(bags, case.y)
        np.testing.assert_array_equal(case.outputs(model, bags), case.outputs(plain, bags))
        members = case.make(module=WideModule, module__hidden=3, n_members=3).fit(bags, case.y)
        assert [one.module.phi.out_features for one in members.net_.module_.stacks[0].members] == [3] * 3

    def test_they_are_parameters_like_others(self, case, bags):
        factors = [1.0, 2.0]
        model = case.make(module=WideModule, module__hidden=3, module__factors=factors)
        assert model.get_params()["module__factors"] is factors
        assert model.get_params(deep=False)["module__hidden"] == 3
        assert "module__hidden=3" in repr(model)
        twin = clone(model)
        assert twin.get_params() == model.get_params()
        assert twin.set_params(module__hidden=5, lr=0.5) is twin
        assert (twin.module__hidden, twin.lr, model.module__hidden) == (5, 0.5, 3)
        model.fit(bags, case.y)
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(case.outputs(again, bags), case.outputs(model, bags))
        assert again.get_params()["module__hidden"] == 3
        pipeline = make_pipeline(ElementTransformer(StandardScaler()), clone(model))
        name = pipeline.steps[-1][0]
        pipeline.set_params(**{f"{name}__module__hidden": 7}).fit(bags, case.y)
        assert pipeline[-1].net_.module_.module.phi.out_features == 7
        assert not [one for one in case.make().get_params() if one.startswith("module__")]
        assert vars(case.make()).keys() == case.make().get_params().keys()

    def test_a_search_over_them(self, case, bags):
        grid = {"module__hidden": [2, 4], "module__activation": [torch.relu, torch.tanh]}
        search = GridSearchCV(case.make(module=WideModule), grid, cv=2).fit(bags, case.y)
        best = search.best_estimator_
        assert best.net_.module_.module.phi.out_features == search.best_params_["module__hidden"]
        assert best.net_.module_.module.activation is search.best_params_["module__activation"]
        assert len(set(search.cv_results_["mean_test_score"])) > 1

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                {"module__hiden": 3},
                "module__hiden is not a parameter of module=WideModule, which takes module__hidden, module__act",
            ),
            ({"module__input_dim": 3}, "module__input_dim cannot be chosen: input_dim follows from the data"),
            ({"module__context_dim": 3}, "module__context_dim cannot be chosen"),
            ({"module__hidden": 3, "module": None}, "module__hidden is for a module of your own, but module is None"),
            ({"module__hidden": 3, "module": SumModule}, "which takes no further ones"),
        ],
    )
    def test_a_wrong_name_is_told_by_fit(self, case, bags, options, message):
        with pytest.raises(ValueError, match=message):
            case.make(**{"module": WideModule, **options}).fit(bags, case.y)

    def test_other_unknown_names_are_no_parameters(self, case):
        for name in ("modul__hidden", "optimizer__momentum"):
            with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
                case.make(**{name: 3})
            with pytest.raises((ValueError, AttributeError), match=r"Invalid parameter|has no attribute"):
                case.make(module=WideModule).set_params(**{name: 3})
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            DeepSetsElementClassifier(module__hidden=3)

    def test_a_module_that_takes_anything_gets_anything(self, case, bags):
        class Open(SumModule):
            def __init__(self, input_dim, output_dim, **others):
                super().__init__(input_dim, output_dim)
                self.others = others

        model = case.make(module=Open, module__depth=2, module__input_layer=1).fit(bags, case.y)
        assert model.net_.module_.module.others == {"depth": 2, "input_layer": 1}

    def test_training_goes_on_with_the_same_ones_only(self, case, bags):
        model = case.make(module=WideModule, module__factors=[1, 1], warm_start=True).fit(bags, case.y)
        model.set_params(module__factors=(1, 1)).fit(bags, case.y)
        with pytest.raises(
            ValueError, match=r"module__factors=\(2,\), but the net to continue with was built with \(1, 1\)"
        ):
            model.set_params(module__factors=(2,)).fit(bags, case.y)
        model.set_params(module__factors=(1, 1), module__hidden=4)
        with pytest.raises(ValueError, match="module__hidden=4, but the net to continue with was built without it"):
            model.fit(bags, case.y)

    def test_a_file_keeps_them_as_far_as_they_are_values(self, case, bags, tmp_path):
        model = case.make(module=WideModule, module__hidden=3, module__factors=[1.0, 2.0]).fit(bags, case.y)
        save(model, tmp_path / "model")
        loaded = load(tmp_path / "model", module=WideModule)
        np.testing.assert_array_equal(case.outputs(loaded, bags), case.outputs(model, bags))
        assert loaded.get_params() == model.get_params()
        model.set_params(module__activation=torch.tanh).fit(bags, case.y)
        with pytest.raises(TypeError, match="module__activation"):
            save(model, tmp_path / "model")
