"""
Point clouds: a digit from the points of its ink
================================================

A point cloud has no order and no fixed number of points, so it is a set. Here each of the handwritten digits that come
with scikit-learn becomes a point cloud: the positions of the pixels with ink, and how dark they are. How much accuracy
is lost when points are missing?
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_deepsets import DeepSetsClassifier, SetAggregator

# %%
# Columns of an element: x, y and ink. A digit has 18 to 44 points.

images, y = load_digits(return_X_y=True)
clouds = []
for image in images.reshape(-1, 8, 8):
    rows, columns = np.nonzero(image)
    clouds.append(np.column_stack([columns, 7 - rows, image[rows, columns]]))
sizes = [len(cloud) for cloud in clouds]
print(f"{len(clouds)} clouds of {min(sizes)} to {max(sizes)} points")
train, test, y_train, y_test = train_test_split(clouds, y, test_size=0.4, stratify=y, random_state=0)

# %%
# Single nets with a maximum as the pool, as in PointNet (Qi et al., 2017). The second one is trained on three copies of
# each cloud, with all, three quarters and half of the points, so that it learns not to depend on any single point.


def thin(cloud, share, rng):
    """A random part of the points of a cloud."""
    return cloud[rng.random(len(cloud)) < share] if share < 1 else cloud


rng = np.random.default_rng(0)
thinned = [thin(cloud, share, rng) for share in (1, 0.75, 0.5) for cloud in train]
settings = {"pool_type": "max", "phi_hidden_dims": (64, 128), "n_members": 1, "max_epochs": 120, "random_state": 0}
aggregate = SetAggregator(("mean", "std", "min", "max"))
models = {
    "Deep Sets": DeepSetsClassifier(**settings).fit(train, y_train),
    "Deep Sets, trained on thinned clouds": DeepSetsClassifier(**settings).fit(thinned, np.tile(y_train, 3)),
    "mean, std, min, max of the points": make_pipeline(
        aggregate, StandardScaler(), LogisticRegression(max_iter=2000)
    ).fit(train, y_train),
}

shares = [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
accuracy = {name: [] for name in models}
for share in shares:
    less = [thin(cloud, share, np.random.default_rng(i)) for i, cloud in enumerate(test)]
    for name, model in models.items():
        accuracy[name].append(model.score(less, y_test))
for name, values in accuracy.items():
    print(f"{name:38} all points {values[0]:.3f}, half of them {values[5]:.3f}")

# %%
# One cloud for each of four digits, complete and with half of its points; and the accuracy against the share of points.

figure = plt.figure(figsize=(9, 3.2), layout="constrained")
grid = figure.add_gridspec(2, 8)
net = models["Deep Sets, trained on thinned clouds"]
for column, digit in enumerate([2, 3, 6, 7]):
    cloud = test[int(np.flatnonzero(y_test == digit)[0])]
    for row, share in enumerate([1, 0.5]):
        points = thin(cloud, share, np.random.default_rng(column))
        axis = figure.add_subplot(grid[row, column])
        axis.scatter(points[:, 0], points[:, 1], s=18, c=points[:, 2], cmap="Greys", vmin=-6, vmax=16)
        probability = net.predict_proba([points])[0]
        axis.set_title(f"a {probability.argmax()}, p = {probability.max():.2f}", fontsize=8)
        axis.set(xlim=(-0.7, 7.7), ylim=(-0.7, 7.7), xticks=[], yticks=[], aspect="equal")
axis = figure.add_subplot(grid[:, 4:])
for name, values in accuracy.items():
    axis.plot(shares, values, marker="o", markersize=3, label=name)
axis.set(xlabel="share of the points that are left", ylabel="test accuracy", ylim=(0, 1.02))
axis.invert_xaxis()
axis.legend(fontsize=8)
figure.savefig(Path(sys.argv[0]).with_suffix(".png"), dpi=90)
