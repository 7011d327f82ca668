"""Stacks that run as one, against the same stacks one after another, and what is dropped of each member."""

import pytest
import torch

from sk_deepsets.nn import Dropout, Ensemble, random_generator
from sk_deepsets.nn._dropout import member_dropout
from sk_deepsets.nn._merged import can_be_merged
from tests.nn.test_deep_sets_ensemble import CASES, VARIANTS, batch, make_ensemble


@pytest.mark.parametrize(("options", "context"), CASES)
def test_outputs_and_gradients_are_those_of_the_stacks_by_themselves(options, context):
    made = make_ensemble(context=context, has_categories=True, **options)
    inputs = made.inputs(*batch(True, context))

    def run(outputs_of):
        outputs = outputs_of(inputs)
        return outputs, torch.autograd.grad(outputs.square().sum(), made.parameters(), materialize_grads=True)

    torch.testing.assert_close(run(made.outputs_of), run(lambda inputs: Ensemble.outputs_of(made, inputs)))


def test_what_has_weights_of_another_kind_is_not_merged():
    assert can_be_merged(make_ensemble().stacks)
    assert not can_be_merged(make_ensemble(VARIANTS[:1]).stacks)
    assert not can_be_merged(make_ensemble(encoder="equivariant").stacks)
    assert not can_be_merged(make_ensemble(pool_type="attention").stacks)
    assert not can_be_merged(make_ensemble(phi_dropout=0.2).stacks)


def test_each_member_drops_its_own_share_and_makes_up_for_it():
    rows, shares = torch.linspace(1, 2, 20_000).view(1, -1, 2).expand(5, -1, -1), (0.3, 0.3, 0.0, 0.8, 0.3)
    with random_generator(torch.Generator().manual_seed(0)):
        dropped = member_dropout(rows, shares)
    for member, row, share in zip(dropped, rows, shares, strict=True):
        kept = member != 0
        torch.testing.assert_close(member[kept], row[kept] / (1 - share))
        assert abs((~kept).double().mean() - share) <= 4 * (share * (1 - share) / row.numel()) ** 0.5
    assert member_dropout(rows, (0.0, 0.0)) is rows


def test_in_training_the_members_of_a_variant_without_dropout_are_the_same_each_time():
    made = make_ensemble().train()
    assert any(isinstance(module, Dropout) for module in made.modules())
    inputs = made.inputs(*batch())
    first, second = made.outputs_of(inputs), made.outputs_of(inputs)
    without = [place for place in range(6) if VARIANTS[place // 2].dropout == 0]
    assert [place for place in range(6) if torch.equal(first[place], second[place])] == without
    made.eval()
    torch.testing.assert_close(first[without], made.outputs_of(inputs)[without])
