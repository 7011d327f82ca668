"""A torch module of the user's own in the place of the package's."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from sk_deepsets import RaggedSets, check_sets
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
    with pytest.raises(ValueError, match=r"module returned an output of shape \(\d+,\); expected \(b, output_dim\)"):
        case.make(module=FlatModule).fit(bags, case.y)


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
