"""split: disjoint, balanced, standardised by the training images alone, deterministic."""

from dataclasses import replace

import pytest
import torch
from corner_images import images

from multiview import stream
from multiview.data.splits import split


def draw(seed: int = 0, sizes: tuple[int, int, int] = (30, 12, 60)):
    return split(images(), *sizes, stream(seed, "split"))


def test_splits_are_balanced_disjoint_and_in_their_files():
    splits, data = draw(), images()
    assert splits.image_shape == (1, 8, 8)
    assert splits.num_classes == 3
    for labels, n in (
        (splits.train_labels, 30),
        (splits.validation_labels, 12),
        (splits.test_labels, 60),
    ):
        assert labels.bincount().tolist() == [n // 3] * 3
    chosen = data.subset(42, 60, stream(0, "split"))
    mean = splits.train.mean()
    assert abs(float(mean)) < 1e-5
    assert float(splits.train.std(correction=0)) == pytest.approx(1, abs=1e-5)

    def pixels(x):  # undo the standardisation of the training images
        held = chosen.hold_out(12, continued())
        scale = held.train_images.double()
        return (x.double() * scale.std(correction=0) + scale.mean()).round().flatten(1).tolist()

    def continued():
        generator = stream(0, "split")
        data.subset(42, 60, generator)
        return generator

    train = {tuple(row) for row in pixels(splits.train)}
    validation = {tuple(row) for row in pixels(splits.validation)}
    test = {tuple(row) for row in pixels(splits.test)}
    in_train_file = {tuple(row) for row in data.train_images.double().flatten(1).tolist()}
    in_test_file = {tuple(row) for row in data.test_images.double().flatten(1).tolist()}
    assert len(train) == 30
    assert len(validation) == 12
    assert not train & validation
    assert train | validation <= in_train_file
    assert test <= in_test_file


def test_the_same_generator_draws_the_same_and_another_others():
    first, again, other = draw(), draw(), draw(1)
    for name in ("train", "train_labels", "validation", "test", "test_labels"):
        assert getattr(first, name).equal(getattr(again, name)), name
    assert not first.train.equal(other.train)


def test_too_many_images_are_refused():
    with pytest.raises(ValueError, match="n_train=132 asks for 44 images of each class"):
        draw(sizes=(120, 12, 60))


def test_all_images_may_be_taken_whatever_the_classes_shares():
    data = images()
    unequal = replace(data, train_images=data.train_images[3:], train_labels=data.train_labels[3:])
    n = len(unequal.train_labels)
    parts = split(unequal, None, data.num_classes, None, stream(0))
    assert len(parts.train) == n - data.num_classes
    assert len(parts.test) == len(data.test_labels)
    assert parts.validation_labels.sort().values.tolist() == list(range(data.num_classes))
    together = torch.cat([parts.train_labels, parts.validation_labels]).sort().values
    assert together.equal(unequal.train_labels.sort().values)
    with pytest.raises(ValueError, match="n_train"):
        split(unequal, n - 2, 3, None, stream(0))


def test_there_may_be_no_validation_images():
    splits = draw(sizes=(30, 0, 60))
    assert splits.validation.shape == (0, *splits.image_shape)
    assert len(splits.validation_labels) == 0
    assert len(splits.train) == 30
    both = torch.cat([splits.train_labels, draw(sizes=(30, 12, 60)).train_labels])
    assert both.bincount().tolist() == [20, 20, 20]
