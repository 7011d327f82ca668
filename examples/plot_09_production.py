"""
From notebook to production: save, load, ONNX
=============================================

``save`` and ``load`` write an estimator to one file and read it back without running any code from the file.
``to_onnx`` exports a model for onnxruntime, which needs neither torch nor this package.
"""

import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
from sklearn.datasets import load_digits

from sk_deepsets import DeepSetsClassifier, SetPadder
from sk_deepsets.io import load, save, to_onnx

# %%
# Handwritten digits as point clouds: the positions of the pixels with ink, and how dark they are.

images, y = load_digits(return_X_y=True)
clouds = []
for image in images.reshape(-1, 8, 8):
    rows, columns = np.nonzero(image)
    clouds.append(np.column_stack([columns, 7 - rows, image[rows, columns]]))
clf = DeepSetsClassifier(n_members=1, phi_hidden_dims=(64, 128), max_epochs=100, random_state=0)
clf.fit(clouds[:1200], y[:1200])
print(f"test accuracy {clf.score(clouds[1200:], y[1200:]):.3f}")

# %%
# The loaded estimator gives the same predictions to the last bit, and can be used like the first one, in a grid search
# or with ``partial_fit``. A pickle would do as well, but loading a pickle may run any code.

folder = Path(tempfile.mkdtemp())
save(clf, folder / "digits.safetensors")
loaded = load(folder / "digits.safetensors")
probability = clf.predict_proba(clouds[1200:])
print("the same probabilities after load:", np.array_equal(loaded.predict_proba(clouds[1200:]), probability))

# %%
# The ONNX model takes padded arrays, which ``SetPadder`` makes; it includes scaling and softmax.

to_onnx(clf, folder / "digits.onnx")
session = onnxruntime.InferenceSession(folder / "digits.onnx")
padded = SetPadder().fit_transform(clouds[1200:])
(served,) = session.run(["probabilities"], {"x": padded.values, "mask": padded.mask})
print(f"largest difference of a probability: {np.abs(served - probability).max():.1e}")
sizes = {file.name: f"{file.stat().st_size / 1024:.0f} KiB" for file in sorted(folder.iterdir())}
print(sizes)

# %%
# The probability of the true class, from the estimator and from the ONNX model.

figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained", width_ratios=(2, 3))
right = np.arange(len(served)), y[1200:]
axes[0].plot([0, 1], [0, 1], color="lightgrey")
axes[0].scatter(probability[right], served[right], s=8)
axes[0].set(xlabel="predict_proba", ylabel="onnxruntime", title="probability of the right class")
axes[1].hist(np.log10(np.abs(served - probability).max(axis=1) + 1e-17), bins=30)
axes[1].set(xlabel="log10 of the largest difference", ylabel="clouds", title="differences are rounding")
figure.savefig(Path(sys.argv[0]).with_suffix(".png"), dpi=90)
