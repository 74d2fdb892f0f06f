"""Stand-ins for real images: what they show, where, and how often."""

import pytest
import torch
from unchecked import unchecked

from multiview import stream
from multiview.data.stand_ins import (
    GREY,
    STRENGTH,
    gaussian_images,
    multi_view_images,
    show_views,
    view_textures,
)


def textures(side=8):
    return view_textures(3, stream(0, "textures"), channels=2, side=side)


def multi_view(seed=0, n_train=60, n_test=30, **settings):
    usual = {"image_size": (24, 32), "contrast": 60.0, "noise": 2.0}
    return multi_view_images(
        textures(), n_train, n_test, stream(seed, "images"), **(usual | settings)
    )


def gaussian(seed=0, n_train=60, n_test=30, **settings):
    usual = {"num_classes": 3, "image_shape": (2, 9, 7)}
    return gaussian_images(n_train, n_test, stream(seed, "images"), **(usual | settings))


def cells_of(images, side):
    """(n, cells, C, side, side): every place a view can stand."""
    return images.unfold(2, side, side).unfold(3, side, side).flatten(2, 3).transpose(1, 2)


def strengths(images, known):
    """(n, k, 2): the largest projection of any cell on each texture, 1 where it stands."""
    flat = cells_of(images, known.shape[-1]).flatten(2)
    return torch.einsum("ncp,kvp->nckv", flat, known.flatten(2)).amax(1) / known[0, 0].numel()


@pytest.mark.parametrize("make", [gaussian, multi_view])
def test_labels_are_balanced_and_pixels_are_bytes(make):
    data = make()
    assert data.name == make.__name__
    assert data.num_classes == 3
    for images, labels, n in (
        (data.train_images, data.train_labels, 60),
        (data.test_images, data.test_labels, 30),
    ):
        assert images.dtype == torch.uint8
        assert images.shape == (n, 2, *((9, 7) if make is gaussian else (24, 32)))
        assert labels.bincount().tolist() == [n // 3] * 3
        assert not labels.equal(labels.sort().values)
        assert not labels.equal(torch.arange(n) % 3)


@pytest.mark.parametrize("make", [gaussian, multi_view])
def test_the_generator_decides_all(make):
    one, again, other = make(), make(), make(seed=1)
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        assert getattr(one, name).equal(getattr(again, name))
        assert not getattr(one, name).equal(getattr(other, name))


def test_the_usual_shape_is_that_of_cifar():
    for data in (
        gaussian_images(10, 10, stream(0)),
        multi_view_images(view_textures(10, stream(0)), 10, 10, stream(0)),
    ):
        assert data.train_images.shape == (10, 3, 32, 32)
        assert data.num_classes == 10


def test_gaussian_classes_are_noise_around_means_so_far_apart():
    data = gaussian(n_train=3000, image_shape=(3, 16, 16), separation=6.0, noise=25.0)
    pixels = data.train_images.double() - GREY
    means = torch.stack([pixels[data.train_labels == label].mean(0) for label in range(3)])
    rest = pixels - means[data.train_labels]
    assert rest.std().item() == pytest.approx(25, rel=0.02)
    assert abs(rest.mean().item()) < 0.1
    neighbours = (rest[..., 1:] * rest[..., :-1]).mean() / rest.square().mean()
    assert abs(neighbours.item()) < 0.01  # each pixel is on its own
    # 1,000 images a class leave 2 x 768 / 1000 of noise in each squared distance of means.
    squares = torch.pdist(means.flatten(1) / 25).square() - 2 * 768 / 1000
    assert squares.mean().sqrt().item() == pytest.approx(6, rel=0.1)


def test_views_stand_where_said_and_nowhere_else():
    known, generator = textures(side=4), stream(0, "shown")
    labels = torch.arange(300) % 3
    shown = torch.randint(2, (300, 2), generator=generator).bool()
    images = show_views(known, labels, shown, (13, 18), generator)
    assert (images[:, :, 12:] == 0).all()  # what is no whole cell stays empty
    assert (images[..., 16:] == 0).all()
    cells = cells_of(images, 4)
    occupied = cells.abs().amax((2, 3, 4)) > 0
    assert occupied.sum(1).equal(shown.sum(1))  # views never hide each other
    for i in range(300):
        wanted = known[labels[i], shown[i]]
        found = cells[i][occupied[i]]
        sizes = found.abs().mean((1, 2, 3))
        assert ((sizes >= STRENGTH[0]) & (sizes <= STRENGTH[1])).all()
        units = {tuple(each.sign().flatten().tolist()) for each in found}
        assert units == {tuple(each.flatten().tolist()) for each in wanted}
    # Every cell is used, about equally often.
    share = occupied.double().mean(0) / occupied.double().mean()
    assert ((share > 0.6) & (share < 1.4)).all()


@pytest.mark.parametrize("mu", [0.0, 0.25, 1.0])
def test_a_fraction_mu_shows_one_view_of_its_own_class(mu):
    data, known = multi_view(n_train=120, n_test=60, mu=mu), textures()
    for images, labels in (
        (data.train_images, data.train_labels),
        (data.test_images, data.test_labels),
    ):
        found = strengths((images.float() - GREY) / 60, known) > 0.7
        own = found[torch.arange(len(labels)), labels]
        assert int((own.sum(1) == 1).sum()) == round(mu * len(labels))
        assert (own.sum(1) >= 1).all()
        if mu == 1:
            assert 0.3 < own[:, 0].double().mean() < 0.7  # either view may be the lost one
        others = found.clone()
        others[torch.arange(len(labels)), labels] = False
        assert others.double().mean() < 0.02


def test_noise_is_of_the_size_asked_for():
    data = multi_view(n_train=300, mu=1.0, noise=30.0)
    corner = data.train_images.float()[..., :8, :8]
    empty = corner[(corner - GREY).mean((1, 2, 3)).abs() < 5]
    assert empty.std().item() == pytest.approx(30, rel=0.15)


def test_pixels_beyond_the_range_are_black_or_white():
    pixels = multi_view(contrast=400.0).train_images
    assert pixels[(pixels.float() - GREY).abs() > 20].unique().tolist() == [0, 255]
    assert {0, 255} <= set(gaussian(noise=200.0).train_images.unique().tolist())


def test_textures_are_blocks_of_signs_that_differ():
    known = view_textures(10, stream(0), side=8)
    assert known.shape == (10, 2, 3, 8, 8)
    assert (known.abs() == 1).all()
    assert known[..., ::2, ::2].repeat_interleave(2, -1).repeat_interleave(2, -2).equal(known)
    assert len({tuple(each.flatten().tolist()) for each in known.flatten(0, 1)}) == 20


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: multi_view(mu=1.5), "mu=1.5"),
        (lambda: multi_view(n_train=61), "n_train=61 .* multiple of 3"),
        (lambda: gaussian(n_test=0), "n_test=0"),
        (lambda: gaussian(noise=0.0), "noise=0.0"),
        (lambda: gaussian(separation=float("nan")), "separation=nan"),
        (lambda: multi_view(contrast=-1.0), "contrast=-1"),
        (lambda: multi_view(image_size=(15, 8)), "1 cells of 8 x 8 .* larger images"),
        (lambda: view_textures(3, stream(0), side=5), "side=5"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with unchecked(), pytest.raises(ValueError, match=message):
        call()
