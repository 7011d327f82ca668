import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from sk_deepsets.datasets import make_digit_bags, make_digit_sums, make_set_outliers

IMAGES, DIGITS = load_digits(return_X_y=True)
SHOWN = {image.tobytes(): digit for image, digit in zip(IMAGES, DIGITS, strict=True)}


def shown(images):
    """The digits on images, which are some of scikit-learn's."""
    return np.array([SHOWN[image.tobytes()] for image in np.ascontiguousarray(images)], dtype=int)


def test_sums_of_digits():
    sets, y = make_digit_sums(300, set_size=(0, 12), random_state=0)
    assert set(sets.sizes) == set(range(13))
    assert (sets.elements.sum(axis=1) == 1).all()
    assert set(np.unique(sets.elements)) == {0, 1}
    np.testing.assert_array_equal(y, [one.argmax(axis=1).sum() for one in sets])
    images, y = make_digit_sums(200, digits="images", random_state=0)
    np.testing.assert_array_equal(y, [shown(one).sum() for one in images])


def test_bags_with_a_nine():
    sets, y = make_digit_bags(200, set_size=(0, 9), random_state=1)
    assert 0.2 < y.mean() < 0.6
    np.testing.assert_array_equal(y, [(shown(one) == 9).any() for one in sets])


def test_the_odd_one_is_the_only_one_of_its_digit():
    sets, odd = make_set_outliers(300, set_size=(3, 8), random_state=2)
    assert [len(one) for one in odd] == sets.sizes.tolist()
    pairs = set()
    for one, is_odd in zip(sets, odd, strict=True):
        digits = shown(one)
        (usual,), (other,) = set(digits[~is_odd]), digits[is_odd]
        assert usual != other
        pairs.add((usual, other))
    assert len(pairs) > 80  # of 90
    places = np.bincount([np.flatnonzero(one)[0] for one in make_set_outliers(900, set_size=3, random_state=0)[1]])
    assert places.min() > 240
    assert make_set_outliers(0)[1] == []


@pytest.mark.parametrize("make", [make_digit_bags, make_set_outliers, make_digit_sums])
def test_training_and_test_sets_share_no_image(make):
    options = {"digits": "images"} if make is make_digit_sums else {}
    found = [
        {image.tobytes() for image in make(300, subset=subset, random_state=0, **options)[0].elements}
        for subset in ("train", "test")
    ]
    assert all(len(images) > 600 for images in found)
    assert not found[0] & found[1]
    alone = KNeighborsClassifier(1).fit(IMAGES[:1000], DIGITS[:1000])
    assert alone.score(IMAGES[1000:], DIGITS[1000:]) > 0.9  # other images of the same digits


def test_unknown_options_are_errors():
    with pytest.raises(ValueError, match=r"subset: expected one of \('train', 'test', 'all'\), got 'valid'"):
        make_digit_bags(3, subset="valid")
    with pytest.raises(ValueError, match=r"digits: expected one of \('onehot', 'images'\), got 'text'"):
        make_digit_sums(3, digits="text")
    with pytest.raises(ValueError, match="at least 3 elements, of which one can be odd, got 2"):
        make_set_outliers(3, set_size=2)
