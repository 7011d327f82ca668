"""Sets to try models on: the tasks of the papers, drawn anew from a seed, without a download.

Each function returns the sets and their targets, ``RaggedSets, y``. Where a paper takes its images from a data set that
is too large to come along, they are the handwritten digits of scikit-learn, or drawn.
"""

from sk_deepsets.datasets._characters import make_unique_characters
from sk_deepsets.datasets._digits import make_digit_bags, make_digit_sums, make_set_outliers
from sk_deepsets.datasets._max_regression import make_max_regression
from sk_deepsets.datasets._population import make_population_statistics

__all__ = [
    "make_digit_bags",
    "make_digit_sums",
    "make_max_regression",
    "make_population_statistics",
    "make_set_outliers",
    "make_unique_characters",
]
