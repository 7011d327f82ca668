"""The architecture of a fitted estimator, inside scikit-learn's diagram: phi → pool → rho."""

from sklearn.utils._repr_html.estimator import _VisualBlock

# What follows the pool; the rest is phi, which sees every element.
OF_SETS = ("rho", "beside", "from_context")


def architecture(module, n_features, built_with):
    """The parts of a net one after another, with their widths and numbers of weights.

    Parameters
    ----------
    module : nn.Module
    n_features : int
        Of an element.
    built_with : dict
        The parameters of the estimator that it was made with.
    """
    counts = {"phi": 0, "pool": 0, "rho": 0}
    for name, weight in module.named_parameters():
        part = "pool" if name.startswith("pooling") else "rho" if name.startswith(OF_SETS) else "phi"
        counts[part] += weight.numel()
    if hasattr(module, "layers"):
        widths = [n_features, *(layer.Lambda.out_features for layer in module.layers)]
        parts = [("equivariant layers", _arrows(widths), counts["phi"], f"each sees the {module.layers[0].pool_type}")]
    elif hasattr(module, "pooling"):
        parts = _set_model(module, n_features, built_with, counts)
    else:
        member = module.members[0] if hasattr(module, "members") else module
        parts = [(type(member.module).__name__, "", sum(counts.values()), "a module of your own")]
    n_members = getattr(module, "n_members", 1)
    members = f" in {n_members} members" if n_members > 1 else ""
    blocks = []
    for name, widths, n_weights, text in parts:
        caption = f"{n_weights:,} weights{members}" if n_weights else "no weights"
        title = f"{name}: {widths}" if widths else name
        blocks.append(_VisualBlock("single", title, names=title, name_details=text, name_caption=caption))
    return _VisualBlock("serial", blocks, dash_wrapped=True)


def _set_model(module, n_features, built_with, counts):
    """Name, widths, number of weights and a word on phi, the pool and rho."""
    encoder = getattr(module, "encoder", None) or module.phi
    pooled, last = module.pooling.output_dim, _last_width(module)
    names = ", ".join(module.pooling.names)
    fused = module.fusion_type if hasattr(module, "fusion_type") else getattr(module.fusion, "fusion_type", None)
    context = "" if fused is None else f'; the context enters by fusion_type="{fused}"'
    seen = "each element by itself" if encoder.elementwise else "each element with the maximum over its set"
    beside = " and, of some members, statistics of the set" if getattr(module, "beside", None) is not None else ""
    phi = _arrows([n_features, *built_with["phi_hidden_dims"]])
    rho = _arrows([pooled, *built_with["rho_hidden_dims"], last])
    return [
        ("phi", phi, counts["phi"], f"what {seen} goes through{context}"),
        ("pool", f"{names} → {pooled}", counts["pool"], "one vector for each set"),
        ("rho", rho, counts["rho"], f"takes what is pooled{beside}"),
    ]


def _last_width(module):
    """How many outputs there are."""
    return len(module.prior) if hasattr(module, "prior") else module.rho[-1].out_features


def _arrows(widths):
    return " → ".join(map(str, widths))
