"""The superclasses of CIFAR-100: the table against the files, and names that are none of theirs."""

import os
import pickle
from pathlib import Path

import pytest

from multiview.data.cifar import CIFAR100, find_cifar
from multiview.data.superclasses import SUPERCLASSES, superclasses_of


def test_five_classes_each_and_no_class_twice():
    assert {len(classes) for classes in SUPERCLASSES.values()} == {5}
    assert len({each for classes in SUPERCLASSES.values() for each in classes}) == 100
    assert list(SUPERCLASSES) == sorted(SUPERCLASSES)  # as the files number them


def test_classes_find_their_superclass_in_any_order():
    assert superclasses_of(["tractor", "beaver", "trout", "seal"]) == (19, 0, 1, 0)


def test_an_unknown_class_is_named():
    with pytest.raises(ValueError, match=r"\['gnome'\] are no classes of CIFAR-100"):
        superclasses_of(["apple", "gnome"])


@pytest.mark.skipif("MULTIVIEW_DATA" not in os.environ, reason="needs MULTIVIEW_DATA=DIR")
def test_the_files_say_the_same():
    folder = find_cifar(CIFAR100, Path(os.environ["MULTIVIEW_DATA"]))
    assert folder is not None
    meta, test = (
        pickle.loads((folder / name).read_bytes(), encoding="latin1") for name in ("meta", "test")
    )
    assert list(SUPERCLASSES) == meta["coarse_label_names"]
    above = superclasses_of(meta["fine_label_names"])
    assert [above[fine] for fine in test["fine_labels"]] == test["coarse_labels"]
