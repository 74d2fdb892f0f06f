"""View coverage: which views of which class a classifier has learned."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from multiview import checks, shapes
from multiview.data import MultiViewSpec, PatchBatch, sample_patches
from multiview.data.patches import check_features
from multiview.train.metrics import margin

COVERED = 0.9  # a view is learned when its probes are classified right at least this often
PROBES_AT_ONCE = 2000


@dataclass(frozen=True)
class Coverage:
    """What a classifier does on samples that show one view of their class and nothing else of it.

    With ``members`` classifiers every tensor has that axis first.

    Raises:
        ValueError: If the two are no floating-point numbers of one shape (*members, k, L).
    """

    accuracy: Float[Tensor, "*members k L"]
    margin: Float[Tensor, "*members k L"]  # mean of label logit - largest other logit

    def __post_init__(self) -> None:
        shapes.fit(
            accuracy=(self.accuracy, "float *members k L"),
            margin=(self.margin, "float *members k L"),
        )

    @property
    def covered(self) -> Bool[Tensor, "*members k L"]:
        """Views classified right on at least 90% of their probes."""
        return self.accuracy >= COVERED

    @property
    def fraction(self) -> Float[Tensor, "*members"]:
        """c: the fraction of all class-view pairs covered; 1 / L for a net with one view each."""
        return self.covered.double().mean((-2, -1))

    @property
    def views_per_class(self) -> Float[Tensor, "*members k"]:
        """Number of covered views of each class."""
        return self.covered.double().sum(-1)


def coverage_probes(
    spec: MultiViewSpec,
    features: Float[Tensor, "k L d"],
    generator: torch.Generator | int,
    probes_per_view: int = 100,
) -> PatchBatch:
    """Samples of class j that carry view v alone, for all j and v.

    A probe is a single-view sample whose weak views are absent (rho = 0): view v of the label at
    full strength, other classes' features at the strength Gamma, and the usual noise.

    Args:
        generator: Sole source of randomness, advanced in place; or a seed.
        probes_per_view: Mean number of probes for each class and view; they are drawn at random,
            so the number of one pair varies.

    Raises:
        ValueError: If ``probes_per_view`` is below 20, too few to tell 0.9 from chance.
    """
    checks.count("probes_per_view", probes_per_view, 20, meaning="is too few")
    generator = checks.generator("generator", generator, "probes")
    check_features(spec, features)
    number = probes_per_view * spec.num_classes * spec.num_views
    return sample_patches(replace(spec, rho=0.0), features, number, generator, kind="single")


def coverage_of(logits: Float[Tensor, "n *members k"], probes: PatchBatch) -> Coverage:
    """Coverage of the classifier, or of each of many, that gave these logits on the probes.

    A learned view is recognised whatever else is there; one that is not, only where no learned
    feature of another class happens to occur, (1 - s/k)^(k-1) of the time for one view a class.

    Raises:
        ValueError: If ``probes`` are no ``PatchBatch`` or hold multi-view samples, or ``logits``
            are not finite or not of their number and classes.
    """
    checks.instance("probes", probes, PatchBatch)
    k, L = probes.strength.shape[1:]
    known = {"n": len(probes), "k": k}
    shapes.fit(known, **{"logits of the classifier": (logits, "float n *members k")})
    if not bool((probes.lone_view >= 0).all()):
        raise ValueError("probes hold multi-view samples: make them by coverage_probes.")
    shapes.finite(logits=logits)
    lead = margin(logits, probes.labels)
    right = (lead > 0).to(lead.dtype)
    pair = probes.labels * L + probes.lone_view

    def mean_by_pair(values: Tensor) -> Tensor:  # (n, *members) -> (*members, k, L)
        total = torch.zeros(k * L, *values.shape[1:], dtype=values.dtype)
        total.index_add_(0, pair, values)
        count = pair.bincount(minlength=k * L).view(-1, *[1] * (values.dim() - 1))
        return (total / count).movedim(0, -1).unflatten(-1, (k, L))

    return Coverage(accuracy=mean_by_pair(right), margin=mean_by_pair(lead))


def view_coverage(
    classifier: Callable[[Tensor], Tensor],
    spec: MultiViewSpec,
    features: Float[Tensor, "k L d"],
    generator: torch.Generator | int,
    probes_per_view: int = 100,
) -> Coverage:
    """Which views a classifier has learned: ``coverage_of`` its logits on ``coverage_probes``.

    Args:
        classifier: Logits (n, k), or (n, members, k) of many classifiers, from patches (n, P, d).
        generator: Draws the probes; advanced in place.
        probes_per_view: Mean number of probes for each class and view, at least 20.

    Raises:
        ValueError: If ``classifier`` is no function or gives no tensor; otherwise as
            ``coverage_probes`` and ``coverage_of``.
    """
    checks.function("classifier", classifier)
    probes = coverage_probes(spec, features, generator, probes_per_view)
    with torch.no_grad():
        parts = [classifier(part) for part in probes.patches.split(PROBES_AT_ONCE)]
    for part in parts:
        if not isinstance(part, Tensor):
            raise ValueError(f"classifier gave {checks.shown(part)}: give one that returns logits.")
    return coverage_of(torch.cat(parts), probes)


def missed_views(covered: Bool[Tensor, "members k L"], size: int) -> float:
    """Fraction of views that none of ``size`` members covers, over all choices of the members.

    A view covered by j of M members is missed by C(M - j, K) of the C(M, K) choices of K of them.
    That is a U-statistic (Hoeffding, Annals of Mathematical Statistics 19, 1948, 293-325): of all
    unbiased estimates for K networks that M of them allow, the one with the least variance. Where
    an ensemble knows what any member knows, its single-view error is this times ``lost_error``.

    Args:
        covered: Of ``coverage_of`` the logits of all M members.
        size: K from 1 to M.

    Raises:
        ValueError: If ``size`` is not from 1 to the number of members.
    """
    M = shapes.fit(covered=(covered, "bool members k L"))["members"]
    size = checks.count("size", size, 1, M, meaning=f"of the {M} members of covered")
    share = [math.comb(M - j, size) / math.comb(M, size) for j in range(M + 1)]
    return float(torch.tensor(share, dtype=torch.float64)[covered.sum(0)].mean())
