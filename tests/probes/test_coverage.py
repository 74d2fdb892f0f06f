"""Coverage of classifiers whose views are known by construction."""

import itertools
from dataclasses import replace

import pytest
import torch

from multiview import stream
from multiview.data import MultiViewSpec, make_features
from multiview.probes import coverage_probes, union_coverage, view_coverage

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
def test_the_union_of_members_is_the_mean_over_all_subsets(members):
    covered = torch.rand(members, 4, 3, generator=stream(members, "covered")) < 0.4
    wanted = [
        torch.stack([covered[list(chosen)].any(0) for chosen in subsets]).double().mean()
        for subsets in (
            list(itertools.combinations(range(members), size)) for size in range(1, members + 1)
        )
    ]
    torch.testing.assert_close(union_coverage(covered), torch.stack(wanted))


def test_the_union_of_one_is_its_own_coverage_and_that_of_all_what_any_covers():
    covered = torch.tensor([[[True, False]], [[False, False]]])
    assert union_coverage(covered).tolist() == [0.25, 0.5]
    assert union_coverage(torch.zeros(3, 2, 2, dtype=torch.bool)).tolist() == [0, 0, 0]
