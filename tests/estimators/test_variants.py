"""The variants of members by default, and how many there are of each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sk_deepsets.estimators._variants import VARIANTS, adapted, layout


@pytest.mark.parametrize(
    ("n_sets", "n_elements", "wanted"),
    [
        (4, 10, (4, 4)),
        (5, 10, (4, 5)),
        (4_999, 49_999, (4, 5)),
        (5_000, 10, (4, 4)),
        (100, 50_000, (4, 4)),
        (100, 1_000_000, (2, 3)),
        (2, 2_000_000, (2, 2)),
    ],
)
def test_by_default_there_are_20_members_and_fewer_of_much_data(n_sets, n_elements, wanted):
    variants, n_folds = layout("auto", n_sets, n_elements)
    assert (len(variants), n_folds) == wanted
    assert variants[0] is VARIANTS[4][0]


# fmt: off
TABLE = {
    1: (1, 1), 2: (1, 2), 3: (1, 3), 4: (1, 4), 5: (1, 5), 6: (1, 6), 7: (1, 7), 8: (2, 4), 9: (1, 9), 10: (2, 5),
    11: (1, 11), 12: (3, 4), 13: (1, 13), 14: (2, 7), 15: (3, 5), 16: (4, 4), 18: (3, 6), 20: (4, 5), 24: (4, 6),
}
# fmt: on


@pytest.mark.parametrize("n_members", TABLE)
def test_a_number_of_members_is_as_many_variants_as_there_can_be_with_four_folds(n_members):
    variants, n_folds = layout(n_members, 1000, 1000)
    assert (variants, n_folds) == (VARIANTS[TABLE[n_members][0]], TABLE[n_members][1])


@given(st.integers(1, 500))
def test_variants_times_folds_are_the_members(n_members):
    variants, n_folds = layout(n_members, 1000, 1000)
    assert len(variants) * n_folds == n_members
    assert n_folds >= 4 or len(variants) == 1


def test_the_users_parameters_are_those_of_all_variants():
    plain = {"dropout": "auto", "pool_type": "auto", "additive": False, "standardize": True}
    assert adapted(VARIANTS[3], **plain) == VARIANTS[3]

    def dropouts(**changed):
        return {variant.dropout for variant in adapted(VARIANTS[4], **{**plain, **changed})}

    assert dropouts(dropout=0.25) == {0.25}
    assert dropouts(additive=True) == {0.0}
    assert {variant.dropout for variant in adapted(VARIANTS[4], **{**plain, "dropout": 0.25, "additive": True})} == {
        0.25
    }
    assert not any(
        variant.sums or variant.statistics for variant in adapted(VARIANTS[4], **{**plain, "pool_type": "mean"})
    )
    for variant, raw in zip(VARIANTS[4], adapted(VARIANTS[4], **{**plain, "standardize": False}), strict=True):
        assert raw.elements == ("standard",)
        assert raw.statistics == (("standard",) if variant.statistics else ())
