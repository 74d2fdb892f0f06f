"""flip_and_crop and cutout against loops over images."""

import pytest
import torch

from multiview import stream
from multiview.data import augment
from multiview.data.augment import cutout, flip_and_crop, hide


def images(n: int = 200) -> torch.Tensor:
    return torch.randn(n, 2, 6, 5, generator=stream(0, "images"))


def candidates(image: torch.Tensor, flip: bool, padding: int) -> list[torch.Tensor]:
    """Every mirrored and shifted version of one image."""
    _, height, width = image.shape
    found = []
    for version in [image, image.flip(2)] if flip else [image]:
        padded = torch.zeros(len(image), height + 2 * padding, width + 2 * padding)
        padded[:, padding : padding + height, padding : padding + width] = version
        for top in range(2 * padding + 1):
            for left in range(2 * padding + 1):
                found.append(padded[:, top : top + height, left : left + width])
    return found


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("padding", [0, 1])
def test_each_image_becomes_one_of_its_versions_and_every_version_occurs(flip, padding):
    x = images()
    y = flip_and_crop(x, stream(1, "augment"), flip=flip, padding=padding)
    assert y.shape == x.shape
    used = set()
    for before, after in zip(x, y, strict=True):
        same = [i for i, c in enumerate(candidates(before, flip, padding)) if c.equal(after)]
        assert len(same) == 1
        used.add(same[0])
    # 200 images over at most 18 versions: one stays unused with probability below 2e-4.
    assert used == set(range((1 + flip) * (2 * padding + 1) ** 2))


def test_augmentation_is_determined_by_its_generator():
    x = images()
    first = flip_and_crop(x, stream(1, "augment"))
    assert first.equal(flip_and_crop(x, stream(1, "augment")))
    assert not first.equal(flip_and_crop(x, stream(2, "augment")))


def test_the_first_draws_move_images_down_and_the_second_to_the_side():
    x = torch.randn(20, 2, 5, 6, generator=stream(0, "images"))
    found = flip_and_crop(x, stream(1, "augment"), flip=False, padding=2)
    tops, lefts = torch.randint(5, (2, 20), generator=stream(1, "augment")).tolist()
    padded = torch.nn.functional.pad(x, [2] * 4)
    for image, whole, top, left in zip(found, padded, tops, lefts, strict=True):
        assert image.equal(whole[:, top : top + 5, left : left + 6])


@pytest.mark.parametrize("padding", [0, 2])
def test_images_are_moved_alike_however_many_at_once(padding, monkeypatch):
    x = torch.randn(10, 3, 6, 7, generator=stream(0, "images"))
    at_once = flip_and_crop(x, stream(1, "augment"), padding=padding)
    monkeypatch.setattr(augment, "AT_ONCE", 3)
    in_parts = flip_and_crop(x, stream(1, "augment"), padding=padding)
    assert at_once.equal(in_parts)
    assert at_once.stride() == in_parts.stride()


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_cutout_makes_one_square_hole_anywhere(size):
    x = images(400).abs() + 1
    y = cutout(x, stream(1, "augment"), size=size)
    seen = set()
    for before, after in zip(x, y, strict=True):
        hole = after[0] == 0
        assert (after[:, hole] == 0).all()
        assert after[:, ~hole].equal(before[:, ~hole])
        rows, columns = hole.any(1).nonzero(), hole.any(0).nonzero()
        top, left, bottom, right = (
            int(end) for end in (rows[0], columns[0], rows[-1], columns[-1])
        )
        assert hole[top : bottom + 1, left : right + 1].all()  # a rectangle, whole
        height, width = bottom - top + 1, right - left + 1
        for length, begin, end, all_of_it in ((height, top, bottom, 6), (width, left, right, 5)):
            assert length == size or (length < size and (begin == 0 or end == all_of_it - 1))
        seen.add((top, left, bottom, right))
    # Of 30 centres each is drawn 13 times on average; different centres cut different holes here.
    assert len(seen) == 30


def test_cutout_of_nothing_draws_nothing():
    x, generator = images(3), stream(0)
    assert cutout(x, generator, size=0) is x
    assert generator.get_state().equal(stream(0).get_state())


@pytest.mark.parametrize("shape", [(200, 10, 3), (50, 3, 20, 20)])
def test_hidden_patches_and_pixels_are_zero_in_all_of_them_at_the_stated_rate(shape):
    inputs = torch.ones(shape)
    hidden = hide(inputs, stream(0, "hide"), fraction=0.3)
    gone = (hidden == 0).all(2 if len(shape) == 3 else 1)
    kept = (hidden == 1).all(2 if len(shape) == 3 else 1)
    assert (gone | kept).all()
    assert abs(gone.double().mean() - 0.3) < 5 * (0.21 / gone.numel()) ** 0.5
    assert (inputs == 1).all()
    assert hide(inputs, stream(0), fraction=0.0).equal(inputs)


def test_what_cannot_be_hidden_is_refused():
    with pytest.raises(ValueError, match="fraction=1"):
        hide(torch.ones(2, 3, 4), stream(0), fraction=1.0)
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        hide(torch.ones(2, 3), stream(0), fraction=0.5)
