"""Specialists on tiny made-up images: who is trained on what, and what is measured."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_image_contrast import images

from multiview import stream
from multiview.data.splits import split
from multiview.distill.combination import combine, consulted
from multiview.runs.experiment import Context
from multiview.train.compute import ComputeSpec
from multiview.train.optim import OptimSpec
from theory_experiments import _specialists as image_part
from theory_experiments._image_nets import Fast, Recipe
from theory_experiments._specialist_sets import ImageSpecialistCell

IMAGES = ImageSpecialistCell(
    data="multi_view",
    num_train=60,
    num_validation=30,
    num_test=30,
    members=2,
    num_sets=2,
    smallest_set=1,
    net=Fast(widths=(3, 4, 4)),
    recipe=Recipe(
        optim=OptimSpec(epochs=2, batch_size=10, learning_rate=0.2),
        flip=False,
        compute=ComputeSpec(),  # bfloat16 ties
    ),
    tuned_epochs=1,
)


def larger():
    """The made-up images, each pixel four times."""
    data = images()
    grown = {
        name: getattr(data, name).repeat_interleave(2, 2).repeat_interleave(2, 3)
        for name in ("train_images", "test_images")
    }
    return replace(data, **grown)


@pytest.fixture(scope="module")
def kept():
    """A row on images and what stands behind it."""
    noted: dict = {"families": {}, "starts": [], "corrected": []}
    with pytest.MonkeyPatch.context() as patch:
        family, start = image_part._family, image_part.specialist_from
        correct = image_part.corrected

        def note_correction(logits, oversampling):
            noted["corrected"].append((oversampling, correct(logits, oversampling)))
            return noted["corrected"][-1][1]

        def note_family(cell, who, sets, *rest):
            noted["families"][who] = (sets, rest, family(cell, who, sets, *rest))
            return noted["families"][who][-1]

        def note_start(net, head, classes):
            weights = {name: value.clone() for name, value in net.state_dict().items()}
            noted["starts"].append((classes, weights))
            return start(net, head, classes)

        patch.setattr(image_part, "_family", note_family)
        patch.setattr(image_part, "specialist_from", note_start)
        patch.setattr(image_part, "corrected", note_correction)
        data = larger()
        noted["row"] = image_part.run_image_specialists(IMAGES, data, Context())
        noted["splits"] = split(data, 60, 30, 30, stream(0, "images", "split"))
    return noted


def test_every_family_has_its_sets_and_its_start(kept):
    families, starts = kept["families"], iter(kept["starts"])
    assert families["superclass"][0] == [[0, 1], [2]]  # neighbours, for want of superclasses
    assert families["tuned"][0] == families["fresh"][0]
    sizes = {who: sorted(map(len, sets)) for who, (sets, *_) in families.items()}
    assert sizes["random"] == sizes["tuned"]
    first = None
    for who, (sets, *_) in families.items():
        for classes in sets:
            seen, weights = next(starts)
            assert seen == classes
            first = first or weights
            same = all(weights[name].equal(value) for name, value in first.items())
            assert same == (who != "fresh")


def test_specialists_speak_of_images_that_ask_them_and_of_all_of_their_classes(kept):
    labels, unasked = kept["splits"].test_labels, 0
    for sets, (_, _, _, z, _), family in kept["families"].values():
        asked = consulted(z, sets)
        for i, (classes, logits) in enumerate(family):
            own = torch.isin(labels, torch.tensor(classes))
            assert logits.any(1).equal(asked[:, i] | own)
            unasked += int((own & ~asked[:, i]).sum())
    assert unasked > 0


def test_what_specialists_say_is_corrected_by_how_few_others_they_saw(kept):
    noted = iter(kept["corrected"])
    for _, _, family in kept["families"].values():
        for classes, logits in family:
            oversampling, said = next(noted)
            # 20 images of each of 3 classes: of one class as many others, of two all 20.
            assert oversampling == (2 if len(classes) == 1 else 1)
            assert logits[logits.any(1)].equal(said)


def test_fresh_specialists_are_trained_as_generalists_are(kept):
    for who, (_, (_, recipe, *_), _) in kept["families"].items():
        assert recipe == (IMAGES.recipe if who == "fresh" else IMAGES.tuned)
    assert IMAGES.tuned.optim.epochs == 1
    assert IMAGES.tuned.optim.learning_rate == IMAGES.tuned_rate


def test_the_row_says_what_generalist_and_specialists_say_together(kept):
    row, labels = kept["row"], kept["splits"].test_labels
    for who, (_, (_, _, _, z, _), family) in kept["families"].items():
        wrong = combine(z, family).argmax(1) != labels
        assert row[who]["error"] == pytest.approx(float(wrong.double().mean()))
        assert row[who]["specialists"] == len(family)
        own = []
        for classes, logits in family:  # within a set of classes: both on average
            mine = torch.isin(labels, torch.tensor(classes))
            mean = z.softmax(1)[:, classes] + logits.softmax(1)[:, :-1]
            picked = torch.tensor(classes)[mean.argmax(1)]
            own.append((picked != labels)[mine])
        expected = float(torch.cat(own).double().mean())
        assert row[who]["conditional"] == pytest.approx(expected)
    assert row["generalist"]["error"] == pytest.approx(
        float((z.argmax(1) != labels).double().mean())
    )
    assert [row[who]["size"] for who in ("member", "ensemble_2")] == [1, 2]
    assert "ensemble_3" not in row
    assert 0 <= row["continued"]["error"] <= 1
    assert row["continued"]["epochs"] == round(sum(2 * (20 if n == 1 else 30) for n in (1, 2)) / 60)
    assert row["data"]["null_low"] <= 0 <= row["data"]["null_high"]


def test_small_sets_have_no_specialist_and_their_classes_no_gain_of_their_own():
    row = image_part.run_image_specialists(
        replace(IMAGES, smallest_set=2, num_sets=2), larger(), Context()
    )
    assert row["tuned"]["specialists"] == 1
    assert row["data"]["share_outside"] == pytest.approx(1 / 3)
    assert row["data"]["share_inside"] == pytest.approx(2 / 3)
    # Of 60 images the specialist sees 40 of its classes and 20 others.
    assert row["continued"]["epochs"] == 1
    for who in ("tuned", "generalist"):
        shares = [row["data"][name] for name in ("share_outside", "share_inside")]
        errors = [row[who][name] for name in ("error_outside", "error_inside")]
        assert np.dot(shares, errors) == pytest.approx(row[who]["error"])


@pytest.mark.parametrize(
    ("sets", "epochs"),
    [([[0, 1], [2]], 17), ([[2]], 7), ([[0, 1]], 10), ([], 1)],
)
def test_the_generalist_goes_on_for_as_many_images_as_the_specialists_see(sets, epochs):
    # Of 60 images 20 are of each class: one of them shows 40 in an epoch, two all 60.
    cell = replace(IMAGES, tuned_epochs=10)
    splits = split(larger(), 60, 30, 30, stream(0, "images", "split"))
    recipe = image_part._as_many_images(cell, splits, sets)
    assert recipe == replace(cell.tuned, optim=replace(cell.tuned.optim, epochs=epochs))
