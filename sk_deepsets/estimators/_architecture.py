"""The parameters of the estimators that define the model."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions

from sk_deepsets.estimators._documented import parameter, with_parameters
from sk_deepsets.nn import ACTIVATIONS, ENCODERS, POOL_TYPES


@with_parameters
class SetArchitecture:
    """The model of the estimators with one prediction per set."""

    phi_hidden_dims: Sequence[int] = parameter(
        (32, 32), "sequence of int", "Widths of the layers of phi. Empty: phi is the identity.", "array-like", Integral
    )
    rho_hidden_dims: Sequence[int] = parameter(
        (64,),
        "sequence of int",
        "Widths of the hidden layers of rho. Empty: rho is one linear map.",
        "array-like",
        Integral,
    )
    pool_type: str | Sequence[str] = parameter(
        "auto",
        '"auto", {"sum", "mean", "max", "min", "std", "attention", "pma"} or tuple of them',
        """How the elements of a set are combined into one vector; several pools are concatenated. ``"auto"``: the mean
        and the maximum, and in some members of an ensemble the sum and the maximum, with statistics of
        the set beside them. A named pool is all that any member sees of a set. ``"sum"`` keeps the size of the
        set and, with a linear rho, carries over to larger sets than those of training; ``"max"``, ``"attention"``
        and ``"pma"``, an attention with four heads, find a few elements that matter; ``"mean"`` and
        ``"std"`` see the set as a distribution.""",
        StrOptions({"auto", *POOL_TYPES}),
        tuple,
        list,
    )
    context_in_rho: bool = parameter(
        True, "bool", "Whether rho receives the context of the set, too, if the sets have one.", "boolean"
    )
    encoder: str = parameter(
        "elementwise",
        '{"elementwise", "equivariant", "attention"}',
        """Whether phi processes each element by itself, or in layers that also receive the maximum over its set, or in
        layers in which each element attends to the others, for questions about pairs: induced set attention (Lee et
        al., 2019, "Set Transformer") by way of 16 points, in time linear in the elements.""",
        StrOptions(set(ENCODERS)),
    )
    module: Callable | None = parameter(
        None,
        "callable",
        """A torch module class of your own, built as ``module(input_dim=..., output_dim=...)`` (and
        ``context_dim=...`` where there is context) and called as ``forward(x, mask)`` (and ``context=...``) with
        ``x (b, m, d)`` and ``mask (b, m)``; it returns ``(b, output_dim)``. It replaces the other
        parameters of the model. Further arguments are parameters of the estimator, too: ``module__width=64`` builds it
        with ``width=64``, and stands in grids of a search.""",
        callable,
        None,
    )

    dropout: float | str = parameter(
        "auto",
        'float or "auto"',
        """Share of the hidden units dropped in training. ``"auto"``: 0.3 in most members of an ensemble; 0 in the
        others, in a single net, and with ``pool_type="sum"`` and a linear rho.""",
        Interval(Real, 0, 1, closed="left"),
        StrOptions({"auto"}),
    )
    n_members: int | str = parameter(
        "auto",
        'int or "auto"',
        """Number of nets in the *ensemble*; they are trained at the same time and averaged. The members differ in the
        scaling of the elements (standardised, mapped to normal quantiles, or piecewise linear between quantiles), in
        statistics of the set beside the pooled vector, in dropout and in the pool. Of elements with more than 500
        columns of numbers, such as word counts, they see the main directions alone, those in which the elements of
        other sets differ, too: a truncated singular value decomposition, of counts after ``log1p`` and a scaling of
        each element to length 1. Where there are none, and fewer sets than columns, they see the columns in which sets
        differ most, if any do beyond chance; otherwise, and with ``standardize=False``, all columns. Each member holds
        out one fold of the sets; the out-of-fold predictions determine the number of epochs, the weights of the members
        in the average, ``oof_prediction_`` and ``oof_score_``. A group of more than two thirds of the sets, or with the
        only sets of a class, is held out by no member. Where too little is left to hold out, or there are fewer than
        four sets, all members are trained on all sets, with a warning. ``"auto"``: 20 members; 16 with 5,000 sets or
        50,000 elements; 6 with 1,000,000 elements; one if there is a ``module``, or no layer in phi.
        1: one plain net, exactly as in the formula.""",
        Interval(Integral, 1, None, closed="left"),
        StrOptions({"auto"}),
    )


@with_parameters
class ElementArchitecture:
    """The model of the estimators with one prediction per element."""

    hidden_dims: Sequence[int] | str = parameter(
        "auto",
        'sequence of int or "auto"',
        """Widths between the equivariant layers. Empty: there is one layer. ``"auto"``: (64, 64) for one net, and
        (32, 32) for the members of an ensemble, which are as accurate and take six tenths of the time.""",
        "array-like",
        Integral,  # has an error of its own, which shows the sequence
        StrOptions({"auto"}),
    )
    pool_type: str = parameter(
        "max", '{"max", "sum"}', "How the elements of a set are pooled in each layer.", StrOptions({"max", "sum"})
    )
    dropout: float | str = parameter(
        "auto",
        'float or "auto"',
        """Share of the hidden units dropped in training. ``"auto"``: 0.3 in most members of an ensemble; 0 in the
        others and in a single net.""",
        Interval(Real, 0, 1, closed="left"),
        StrOptions({"auto"}),
    )
    residual: bool = parameter(
        False, "bool", "Whether to add skip connections between layers of the same width.", "boolean"
    )
    layer_norm: bool = parameter(
        False, "bool", "Whether to normalise the hidden features of each element before each activation.", "boolean"
    )
    n_members: int | str = parameter(
        "auto",
        'int or "auto"',
        """Number of nets in the *ensemble*; they are trained at the same time and averaged. A member sees each element
        with its deviation from the mean of its set, its rank in the set, and statistics of the set; members differ in
        the scaling of these (standardised, mapped to normal quantiles, or piecewise linear between quantiles) and in
        dropout. Of elements with more than 500 columns of numbers they see the main directions alone, those in which
        the elements of other sets differ, too: a truncated singular value decomposition, of counts after ``log1p`` and
        a scaling of each element to length 1; where there are none, and with ``standardize=False``, all columns. Each
        holds out one fold of the sets; the out-of-fold predictions determine the number of epochs, the weights of the
        members in the average, ``oof_prediction_`` and ``oof_score_``. ``"auto"``: 20 members; 16 with 5,000 sets or
        50,000 elements; 6 with 1,000,000 elements; one with fewer than four sets. 1: one plain net, exactly as in the
        formula, which sees the elements as they are.""",
        Interval(Integral, 1, None, closed="left"),
        StrOptions({"auto"}),
    )


@with_parameters
class SharedArchitecture:
    """What the models of all estimators have."""

    fusion_type: str = parameter(
        "concat",
        '{"concat", "add", "film"}',
        """How the context of a set is combined with its elements, if there is one; see
        :class:`~sk_deepsets.nn.DeepSetsConditional`.""",
        StrOptions({"concat", "add", "film"}),
    )
    activation: str = parameter(
        "relu",
        '{"relu", "gelu", "silu", "elu", "tanh"}',
        "The activation function after each hidden layer.",
        StrOptions(set(ACTIVATIONS)),
    )


def pool_names(pool_type):
    """The pools as a tuple of names."""
    return (pool_type,) if isinstance(pool_type, str) else tuple(pool_type)


def check_widths(dims, name):
    """The widths of hidden layers that a parameter holds, as a tuple."""
    if isinstance(dims, Integral):
        raise ValueError(f"{name}={dims}, but it holds the width of each hidden layer: {name}=({dims},) for one layer.")
    dims = tuple(dims)
    if not all(isinstance(dim, Integral) and not isinstance(dim, bool) and dim > 0 for dim in dims):
        raise ValueError(f"{name} must hold whole numbers of at least 1, one for each hidden layer, but is {dims}.")
    return dims
