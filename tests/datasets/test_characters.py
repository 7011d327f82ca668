import numpy as np
from sklearn.cluster import AgglomerativeClustering

from sk_deepsets.datasets import make_unique_characters


def test_images_of_one_character_are_alike_and_others_are_not():
    sets, y = make_unique_characters(200, random_state=0)
    assert sets.elements.min() >= 0
    assert sets.elements.max() == 1
    clusters = AgglomerativeClustering(None, distance_threshold=3.5, linkage="average")
    found = [len(set(clusters.fit_predict(one))) for one in sets]
    assert np.mean(found == y) > 0.9
    assert np.abs(found - y).max() <= 2


def test_each_count_is_equally_likely():
    sets, y = make_unique_characters(3000, set_size=(0, 5), random_state=0)
    assert (y[sets.sizes == 0] == 0).all()
    for size in range(1, 6):
        counts = np.bincount(y[sets.sizes == size], minlength=size + 1)
        assert counts[0] == 0
        assert counts[1:].min() > 0.7 * counts.sum() / size
