"""The architecture in scikit-learn's diagram."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr
from torch import nn

from sk_deepsets import DeepSetsClassifier, DeepSetsElementRegressor, DeepSetsRegressor, ElementTransformer, RaggedSets
from sk_deepsets.nn import masked_pool


class MeanNet(nn.Module):
    def __init__(self, input_dim, output_dim):
        super().__init__()
        self.linear = nn.Linear(input_dim, output_dim)

    def forward(self, x, mask):
        return self.linear(masked_pool(x, "mean", mask))


def blocks(estimator):
    """Names and captions, and the number of all weights that the captions tell."""
    found = [(one.names, one.name_caption) for one in estimator._sk_visual_block_().estimators]
    n_weights = sum(int(caption.split()[0].replace(",", "")) for _, caption in found if caption != "no weights")
    assert n_weights == sum(weight.numel() for weight in estimator.net_.module_.parameters())
    return found


def test_one_net_is_phi_pool_and_rho(bags, labels):
    clf = DeepSetsClassifier(
        phi_hidden_dims=(8, 6), rho_hidden_dims=(5,), pool_type=("sum", "attention"), n_members=1, max_epochs=1
    )
    clf.fit(bags, labels)
    attention = 6 * 16 + 16 + 8
    assert blocks(clf) == [
        ("phi: 3 → 8 → 6", f"{4 * 8 + 9 * 6} weights"),
        ("pool: sum, attention → 12", f"{attention} weights"),
        ("rho: 12 → 5 → 2", f"{13 * 5 + 6 * 2} weights"),
    ]


def test_a_pack_tells_its_members_and_an_identity_has_no_weights(bags, values):
    reg = DeepSetsRegressor(max_epochs=1, random_state=0).fit(bags, values)
    (phi, n_phi), (pool, n_pool), (rho, n_rho) = blocks(reg)
    assert (phi, rho) == ("phi: 3 → 32 → 32", "rho: 64 → 64 → 1")
    kinds = {stack.net.pooling.names for stack in reg.net_.module_.stacks}
    assert kinds <= {("mean", "max"), ("sum", "max")}
    assert {*pool.removeprefix("pool: ").removesuffix(" → 64").split(" or ")} == {", ".join(names) for names in kinds}
    n_members = reg.net_.module_.n_members
    assert n_phi.endswith(f"weights in {n_members} members")
    assert n_rho.endswith(f"weights in {n_members} members")
    assert n_pool == "no weights"
    linear = DeepSetsRegressor(phi_hidden_dims=(), rho_hidden_dims=(), pool_type="sum", max_epochs=1)
    assert blocks(linear.fit(bags, values)) == [
        ("phi: 3", "no weights"),
        ("pool: sum → 3", "no weights"),
        ("rho: 3 → 1", "4 weights"),
    ]


@pytest.mark.parametrize(
    ("encoder", "text"),
    [("elementwise", "by itself"), ("equivariant", "the maximum over its set"), ("attention", "attends to its set")],
)
def test_what_an_element_sees_is_told(bags, values, encoder, text):
    reg = DeepSetsRegressor(max_epochs=1, encoder=encoder, n_members=1).fit(bags, values)
    assert text in reg._sk_visual_block_().estimators[0].name_details


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("fusion_type", ["concat", "add", "film"])
def test_context_is_mentioned(bags, values, fusion_type, n_members):
    sets = RaggedSets(np.concatenate(bags), np.cumsum([0, *map(len, bags)]), context=np.ones((len(bags), 2)))
    reg = DeepSetsRegressor(max_epochs=1, fusion_type=fusion_type, n_members=n_members).fit(sets, values)
    assert len(blocks(reg)) == 3
    assert f'fusion_type="{fusion_type}"' in reg._sk_visual_block_().estimators[0].name_details


def test_equivariant_layers_and_modules_of_the_user(bags, values):
    each = DeepSetsElementRegressor(n_members=1, max_epochs=1).fit(bags, [bag[:, 0] for bag in bags])
    assert blocks(each)[0][0] == "equivariant layers: 3 → 64 → 64 → 1"
    members = DeepSetsElementRegressor(n_members=4, max_epochs=1).fit(bags, [bag[:, 0] for bag in bags])
    assert blocks(members)[0][0] == "equivariant layers: 3 → 32 → 32 → 1"
    for n_members in (1, 3):
        reg = DeepSetsRegressor(module=MeanNet, max_epochs=1, n_members=n_members).fit(bags, values)
        assert blocks(reg)[0][0] == "MeanNet"


def test_it_is_in_the_html_of_what_is_fitted_also_in_a_pipeline(bags, values):
    reg = DeepSetsRegressor(n_members=1, max_epochs=1)
    assert not hasattr(reg, "_sk_visual_block_")
    assert "phi: 3" not in estimator_html_repr(reg)
    pipe = make_pipeline(ElementTransformer(StandardScaler()), reg).fit(bags, values)
    for html in (estimator_html_repr(reg), estimator_html_repr(pipe)):
        assert "phi: 3 → 32 → 32" in html
        assert "max_epochs" in html
        assert html.index("phi: 3") < html.index("pool: mean, max → 64") < html.index("rho: 64 → 64 → 1")
