import torch
from hypothesis import given
from strategies import generators, multi_view_specs

from multiview import stream
from multiview.data import MultiViewSpec, make_features


def orthonormality_error(features: torch.Tensor) -> float:
    frame = features.double().flatten(0, 1)
    return float((frame @ frame.T - torch.eye(len(frame))).abs().max())


@given(multi_view_specs(), generators())
def test_features_are_orthonormal(spec, generator):
    features = make_features(spec, generator)
    assert features.shape == (spec.num_classes, spec.num_views, spec.patch_dim)
    assert features.dtype == torch.float32
    assert orthonormality_error(features) < 1e-6


def test_many_features_in_many_dimensions_are_orthonormal():
    spec = MultiViewSpec(num_classes=100, num_views=3, patch_dim=1000, num_patches=20)
    assert orthonormality_error(make_features(spec, stream(0, "features"))) < 1e-6


def test_features_span_a_space_they_fill():
    spec = MultiViewSpec(num_classes=3, num_views=4, patch_dim=12)
    assert orthonormality_error(make_features(spec, stream(0, "features"))) < 1e-6


def test_same_seed_same_bits_and_other_seed_other_features():
    spec = MultiViewSpec()
    features = make_features(spec, stream(0, "features"))
    assert torch.equal(features, make_features(spec, stream(0, "features")))
    assert not torch.allclose(features, make_features(spec, stream(1, "features")))


def test_every_direction_is_equally_likely():
    # A uniform frame has independent signs and E[v v'] = 1/d. 48 z-scores bounded by 5.6: a
    # fresh seed gives a false alarm with probability 1e-6.
    spec = MultiViewSpec(num_classes=2, num_views=2, patch_dim=6, num_patches=4, sparsity=1.0)
    generator, n, d = stream(0, "frames"), 500, 6
    frames = torch.stack([make_features(spec, generator) for _ in range(n)]).flatten(1, 2).double()
    mean = frames.mean(0) * (n * d) ** 0.5
    squares = (frames**2).mean(0)
    std_of_square = (3 / (d * (d + 2)) - 1 / d**2) ** 0.5
    assert mean.abs().max() < 5.6
    assert ((squares - 1 / d) * n**0.5 / std_of_square).abs().max() < 5.6
