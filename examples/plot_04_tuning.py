"""
Tuning and cross-validation with groups
=======================================

A score is unbiased only if the test sets are independent of the training sets. If several sets come from one
patient, one day or one place, they form one *group*, and a group is either trained on or held out as a whole.

Here 160 patients are made from the handwritten digits that come with scikit-learn: each has 8 images, and for half of
the patients two of them are nines. A set is a sample of 6 of a patient's images, and there are three samples per
patient.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import GridSearchCV, KFold, StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from sk_deepsets import DeepSetsClassifier, SetAggregator

rng = np.random.default_rng(0)
images, digits = load_digits(return_X_y=True)
nines, others = rng.permutation(np.flatnonzero(digits == 9)), rng.permutation(np.flatnonzero(digits != 9))
sets, y, patients = [], [], []
for patient in rng.permutation(160):
    its = others[8 * patient : 8 * (patient + 1)]
    if patient < 80:
        its[:2] = nines[2 * patient : 2 * (patient + 1)]
    sets += [images[rng.choice(its, 6, replace=False)] for _ in range(3)]
    y += ["ill" if patient < 80 else "healthy"] * 3
    patients += [patient] * 3
print(f"{len(sets)} sets of {len(sets[0])} images, of {len(set(patients))} patients")

# %%
# ``StratifiedGroupKFold`` keeps each patient in one fold; ``KFold`` does not. Then other samples of a test patient, and
# their labels, are in the training data, and recognising the patient is enough: the score is far too high.

clf = DeepSetsClassifier(n_members=5, max_epochs=400, random_state=0)
trees = make_pipeline(SetAggregator(("mean", "max")), ExtraTreesClassifier(300, random_state=0))
splits = {
    "patients apart": {"cv": StratifiedGroupKFold(4), "groups": patients},
    "patients mixed": {"cv": KFold(4, shuffle=True, random_state=0)},
}
scores = {
    (name, split): cross_val_score(model, sets, y, **options)
    for name, model in {"Deep Sets": clf, "extra trees": trees}.items()
    for split, options in splits.items()
}
for (name, split), found in scores.items():
    print(f"{name:12} {split}: accuracy {found.mean():.3f}, standard error {found.std(ddof=1) / 2:.3f}")

# %%
# The members of an ensemble hold out folds of their own, which must not share patients either. Pass the groups to
# ``fit``; then ``oof_score_``, the out-of-fold accuracy, is not inflated, without any further cross-validation.

for name, groups in {"mixed": None, "apart": patients}.items():
    print(f"oof_score_ with patients {name}: {clf.fit(sets, y, groups=groups).oof_score_:.3f}")

# %%
# A grid search accepts groups as well. A plain net (``n_members=1``) is enough to compare parameters.

grid = {"pool_type": ["mean", "max"], "phi_hidden_dims": [(16,), (32, 32)]}
net = DeepSetsClassifier(n_members=1, max_epochs=25, random_state=0)
search = GridSearchCV(net, grid, cv=StratifiedGroupKFold(4)).fit(sets, y, groups=patients)
print(f"best: {search.best_params_}, accuracy {search.best_score_:.3f}")

# %%
# The scores of the two models for both splits, and those of each combination in the grid.

figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for place, name in enumerate(["Deep Sets", "extra trees"]):
    for shift, split, color in [(-0.2, "patients apart", "tab:green"), (0.2, "patients mixed", "lightgrey")]:
        found = scores[name, split]
        error, label = found.std(ddof=1) / 2, split if place == 0 else None
        axes[0].bar(place + shift, found.mean(), 0.38, yerr=error, color=color, label=label)
axes[0].axhline(0.5, color="black", linewidth=0.8, linestyle=":")
axes[0].set(
    xticks=[0, 1],
    xticklabels=["Deep Sets", "extra trees"],
    ylabel="accuracy",
    ylim=(0.4, 1.2),
    yticks=[0.4, 0.6, 0.8, 1],
)
axes[0].legend(fontsize=8, ncols=2, loc="upper center")
found = search.cv_results_
names = [f"{params['pool_type']}, phi {params['phi_hidden_dims']}" for params in found["params"]]
axes[1].barh(names, found["mean_test_score"], xerr=found["std_test_score"] / 2, color="tab:green")
axes[1].set(xlabel="accuracy, patients apart", xlim=(0.4, 1.02))
figure.savefig(Path(sys.argv[0]).with_suffix(".png"), dpi=90)
