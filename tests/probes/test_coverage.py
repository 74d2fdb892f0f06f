"""Coverage of classifiers whose views are known by construction."""

import itertools
from dataclasses import replace

import pytest
import torch

from multiview import stream
from multiview.data import MultiViewSpec, make_features
from multiview.probes import coverage_probes, missed_views, view_coverage

SPEC = MultiViewSpec(
    num_classes=4,
    num_views=3,
    patch_dim=20,
    num_patches=12,
    sparsity=1.0,
    gamma_other=0.2,
    sigma_p=0.01,
)


def knows(learned: torch.Tensor, features: torch.Tensor):
    """A classifier that sees exactly the features marked in ``learned`` (k, L)."""

    def classifier(patches):
        projection = torch.einsum("npd,kvd->nkvp", patches, features)
        seen = (projection - 0.1).clamp(min=0).sum(-1)
        return (seen * learned).sum(-1)

    return classifier


def test_exactly_the_learned_views_are_covered():
    features = make_features(SPEC, stream(0, "features"))
    learned = torch.tensor([[1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 1]]).float()
    coverage = view_coverage(knows(learned, features), SPEC, features, stream(0, "probes"))
    assert torch.equal(coverage.covered.float(), learned)
    assert coverage.fraction.item() == pytest.approx(7 / 12)
    assert coverage.views_per_class.tolist() == [1, 2, 3, 1]
    assert (coverage.margin[learned.bool()] > 0.5).all()
    assert (coverage.margin[~learned.bool()] <= 0).all()


def test_an_unknown_view_is_guessed_when_no_other_classs_known_feature_occurs():
    features = make_features(SPEC, stream(1, "features"))
    learned = torch.tensor([[1.0, 0, 0]]).expand(4, 3)
    known = knows(learned, features)

    def with_bias(patches):  # class 0 wins where nothing is seen
        return known(patches) + torch.tensor([0.05, 0, 0, 0])

    coverage = view_coverage(with_bias, SPEC, features, stream(1, "probes"), 2000)
    expected = (1 - SPEC.sparsity / 4) ** 3
    # 2000 probes: five standard errors.
    assert coverage.accuracy[0, 1].item() == pytest.approx(expected, abs=5 * 0.5 / 2000**0.5)
    assert coverage.accuracy[1, 1].item() == 0


def test_many_classifiers_have_their_own_rows():
    features = make_features(SPEC, stream(0, "features"))
    sets = [torch.zeros(4, 3), torch.ones(4, 3), torch.eye(4, 3)]
    together = view_coverage(
        lambda x: torch.stack([knows(s, features)(x) for s in sets], 1),
        SPEC,
        features,
        stream(0, "probes"),
    )
    for e, learned in enumerate(sets):
        alone = view_coverage(knows(learned, features), SPEC, features, stream(0, "probes"))
        torch.testing.assert_close(together.accuracy[e], alone.accuracy)
        torch.testing.assert_close(together.margin[e], alone.margin)
    assert together.fraction.tolist() == pytest.approx([0, 1, 3 / 12])


def test_probes_show_one_view_alone_even_where_weak_views_are_strong():
    spec = replace(SPEC, rho=1.0)
    probes = coverage_probes(spec, make_features(spec, stream(0, "features")), stream(0, "probes"))
    own = probes.strength[torch.arange(len(probes)), probes.labels]
    lone = torch.nn.functional.one_hot(probes.lone_view, 3).bool()
    assert (own[lone] >= 1).all()
    assert (own[~lone] == 0).all()


def test_too_few_probes_are_refused():
    features = make_features(SPEC, stream(0, "features"))
    with pytest.raises(ValueError, match="probes_per_view"):
        view_coverage(lambda x: x, SPEC, features, stream(0, "probes"), 5)


@pytest.mark.parametrize("members", [1, 2, 5])
def test_missed_views_are_those_of_every_choice_of_the_members(members):
    covered = torch.rand(members, 4, 3, generator=stream(members, "covered")) < 0.5
    for size in range(1, members + 1):
        choices = list(itertools.combinations(covered, size))
        missed = [~torch.stack(some).any(0) for some in choices]
        expected = torch.stack(missed).double().mean().item()
        assert missed_views(covered, size) == pytest.approx(expected)
    one = covered.double().mean().item()
    assert missed_views(covered, 1) == pytest.approx(1 - one)
    assert missed_views(covered, members) == pytest.approx((~covered.any(0)).double().mean().item())


def test_missed_views_estimate_the_law_of_independent_networks():
    c, repetitions = 0.4, 400
    covered = torch.rand(repetitions, 6, 5, 2, generator=stream(0, "covered")) < c
    for size in (2, 4):
        values = torch.tensor([missed_views(each, size) for each in covered])
        error = float(values.std()) / repetitions**0.5
        assert float(values.mean()) == pytest.approx((1 - c) ** size, abs=4 * error)


@pytest.mark.parametrize("size", [0, 4])
def test_more_members_than_there_are_cannot_be_chosen(size):
    with pytest.raises(ValueError, match="use 1 to 3"):
        missed_views(torch.ones(3, 2, 2, dtype=torch.bool), size)
