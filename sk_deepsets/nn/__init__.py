"""The torch modules of Deep Sets, usable on their own.

Shapes: ``b`` sets in a batch, ``m`` elements in the largest, ``d`` features. ``x (b, m, d)``; ``mask (b, m)``,
True or 1 where there is an element. Phi runs on real elements only, however much padding the batch holds.
"""

from sk_deepsets.nn._attention import InducedAttention
from sk_deepsets.nn._collections import (
    CollectionColumns,
    CollectionProjection,
    CollectionStatistics,
    DeepSetsCollections,
    split_collections,
)
from sk_deepsets.nn._columns import Columns, MixedColumns
from sk_deepsets.nn._custom_loss import CustomLoss
from sk_deepsets.nn._deep_sets import DeepSets
from sk_deepsets.nn._deep_sets_ensemble import DeepSetsEnsemble, DeepSetsStack
from sk_deepsets.nn._dropout import (
    Dropout,
    Part,
    Share,
    current_generator,
    own_generator,
    random_generator,
    random_share,
)
from sk_deepsets.nn._element_ensemble import ElementEnsemble, ElementStack
from sk_deepsets.nn._encoder import ENCODERS
from sk_deepsets.nn._ensemble import Ensemble, Inputs, Stack
from sk_deepsets.nn._equivariant import DeepSetsEquivariant, PermutationEquivariantLayer
from sk_deepsets.nn._fusion import Fusion
from sk_deepsets.nn._invariant import DeepSetsConditional, DeepSetsInvariant
from sk_deepsets.nn._layers import Layers, MemberEmbedding, MemberLinear, MemberNorm
from sk_deepsets.nn._leave_one_out import elements_at_once
from sk_deepsets.nn._links import LINKS, ChoiceDecoder, Decoder, QuantileDecoder, even_weights, linked_mean
from sk_deepsets.nn._losses import (
    GammaNLLLoss,
    LambdaRank,
    ListNet,
    LossAcrossSets,
    LossOfSets,
    OnePerSet,
    PinballLoss,
    QuantilesLoss,
    log_softmax_over_sets,
    member_losses,
    output_losses,
    row_losses,
    set_losses,
    softmax_over_sets,
)
from sk_deepsets.nn._mlp import ACTIVATIONS
from sk_deepsets.nn._model import Model, WeightCounts
from sk_deepsets.nn._packed import PackedSets, pack, pad, unpack
from sk_deepsets.nn._partial_likelihood import PartialLikelihood
from sk_deepsets.nn._pools import POOL_TYPES, POOLS
from sk_deepsets.nn._projection import Projection
from sk_deepsets.nn._relative_columns import RelativeColumns
from sk_deepsets.nn._scaled_ensemble import Variant
from sk_deepsets.nn._scalings import PiecewiseLinear, Quantiles, Scalings, SmoothClip, Standardize
from sk_deepsets.nn._set_embedding import SetEmbedding
from sk_deepsets.nn._set_pooling import SetPooling, masked_pool
from sk_deepsets.nn._statistics import Statistics

# What a model of this package consists of, and a file may hold.
MODULES = (
    *(DeepSets, DeepSetsInvariant, DeepSetsConditional, DeepSetsEquivariant, DeepSetsEnsemble, DeepSetsStack),
    *(ElementEnsemble, ElementStack, RelativeColumns, SetEmbedding, Projection),
    *(DeepSetsCollections, CollectionColumns, CollectionProjection, CollectionStatistics),
    *(Columns, MixedColumns, Standardize, Scalings, SmoothClip, Quantiles, PiecewiseLinear, Statistics, Fusion),
    *(MemberLinear, MemberEmbedding, MemberNorm, Dropout, PermutationEquivariantLayer, InducedAttention, SetPooling),
    *ENCODERS.values(),
    *POOLS.values(),
)

__all__ = [
    "ACTIVATIONS",
    "ENCODERS",
    "LINKS",
    "MODULES",
    "POOL_TYPES",
    "ChoiceDecoder",
    "CollectionColumns",
    "CollectionProjection",
    "CollectionStatistics",
    "Columns",
    "CustomLoss",
    "Decoder",
    "DeepSets",
    "DeepSetsCollections",
    "DeepSetsConditional",
    "DeepSetsEnsemble",
    "DeepSetsEquivariant",
    "DeepSetsInvariant",
    "Dropout",
    "ElementEnsemble",
    "Ensemble",
    "GammaNLLLoss",
    "InducedAttention",
    "Inputs",
    "LambdaRank",
    "Layers",
    "ListNet",
    "LossAcrossSets",
    "LossOfSets",
    "MixedColumns",
    "Model",
    "OnePerSet",
    "PackedSets",
    "Part",
    "PartialLikelihood",
    "PermutationEquivariantLayer",
    "PinballLoss",
    "Projection",
    "QuantileDecoder",
    "QuantilesLoss",
    "RelativeColumns",
    "Scalings",
    "SetPooling",
    "Share",
    "Stack",
    "Standardize",
    "Statistics",
    "Variant",
    "WeightCounts",
    "current_generator",
    "elements_at_once",
    "even_weights",
    "linked_mean",
    "log_softmax_over_sets",
    "masked_pool",
    "member_losses",
    "output_losses",
    "own_generator",
    "pack",
    "pad",
    "random_generator",
    "random_share",
    "row_losses",
    "set_losses",
    "softmax_over_sets",
    "split_collections",
    "unpack",
]
