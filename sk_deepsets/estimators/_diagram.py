"""The architecture of a fitted estimator, inside scikit-learn's diagram: phi → pool → rho."""

from sklearn.utils._repr_html.estimator import _VisualBlock

from sk_deepsets.estimators._variants import equivariant_widths
from sk_deepsets.nn import ENCODERS


def architecture(model, parameters, n_features, n_outputs, has_context):
    """The parts of a net one after another, with their widths and numbers of weights.

    Parameters
    ----------
    model : Model
    parameters : dict
        Those of the estimator that the model was made with.
    n_features : int, or dict of str to int
        That phi takes of an element; of several collections, of each.
    n_outputs : int
    has_context : bool
    """
    counts = model.weight_counts()
    if model.is_padded:
        parts = [(_class_name(parameters["module"]), "", sum(counts), "a module of your own")]
    elif model.embedding_dim is None:
        hidden_dims = equivariant_widths(parameters["hidden_dims"], model.n_folds)
        widths = _arrows([n_features, *model.projected_dims, *hidden_dims, n_outputs])
        parts = [("equivariant layers", widths, sum(counts), f"each sees the {parameters['pool_type']}")]
    else:
        parts = _set_model(model, parameters, n_features, n_outputs, has_context)
    members = f" in {model.n_members} members" if model.n_members > 1 else ""
    blocks = []
    for name, widths, n_weights, text in parts:
        caption = f"{n_weights:,} weights{members}" if n_weights else "no weights"
        title = f"{name}: {widths}" if widths else name
        blocks.append(_VisualBlock("single", title, names=title, name_details=text, name_caption=caption))
    return _VisualBlock("serial", blocks, dash_wrapped=True)


def _set_model(model, parameters, n_features, n_outputs, has_context):
    """Name, widths, number of weights and a word on phi, the pool and rho."""
    counts, pooled = model.weight_counts(), model.embedding_dim
    context = f'; the context enters by fusion_type="{parameters["fusion_type"]}"' if has_context else ""
    seen = ENCODERS[parameters["encoder"]].sees
    statistics = " and, of some members, statistics of the set" if model.reads_statistics else ""
    pools = " or ".join(", ".join(names) for names in model.pool_names)
    widths = {"": n_features} if isinstance(n_features, int) else n_features
    reduced = model.projected_dims or [None] * len(widths)
    inputs = [[n] if to is None else [n, to] for n, to in zip(widths.values(), reduced, strict=True)]
    hidden_dims = parameters["phi_hidden_dims"]
    phi = [f"{name} {_arrows([*own, *hidden_dims])}".strip() for name, own in zip(widths, inputs, strict=True)]
    weight = parameters.get("element_weight")
    weighed = "" if weight is None else f", in which {weight!r} weighs the elements"
    rho = _arrows([pooled, *parameters["rho_hidden_dims"], n_outputs])
    own = "" if len(phi) == 1 else "; each collection has its own"
    return [
        ("phi", ", ".join(phi), counts.phi, f"what {seen} goes through{context}{own}"),
        ("pool", f"{pools} → {pooled}", counts.pool, f"one vector for each set{weighed}"),
        ("rho", rho, counts.rho, f"takes what is pooled{statistics}"),
    ]


def _class_name(module):
    """The name of a module of the user's own, or of what a partial makes it of."""
    return module.rpartition(".")[2] if isinstance(module, str) else _class_name(module[1])


def _arrows(widths):
    return " → ".join(map(str, widths))
