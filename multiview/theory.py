"""Closed forms of the multi-view theory, to be held against measurements.

Coverage c is the fraction of class-view pairs a classifier has learned. Theorems 1-4 of arXiv
2012.09816 are errors mu (1 - c): c = 1/2 for one network, 1 - 2^-K for K of them.
"""

import math

import numpy as np

from multiview import checks
from multiview.data import MultiViewSpec


def single_view_error(coverage: float, lost: float = 1.0) -> float:
    """Error on single-view samples of a classifier that covers this fraction of the views.

    Args:
        coverage: c in [0, 1]; 1 / L for a network with one of L views of each class, hence the
            0.5 mu of Theorem 1.
        lost: Probability that a sample whose strong view is unknown is wrong; see ``lost_error``.

    Raises:
        ValueError: If ``coverage`` or ``lost`` is not in [0, 1].
    """
    return (1 - checks.fraction("coverage", coverage)) * checks.fraction("lost", lost)


def mixed_error(mu: float, single: float, multi: float = 0.0) -> float:
    """Error on D, of which a fraction ``mu`` is single-view, from those on its two parts.

    Raises:
        ValueError: If an argument is not in [0, 1].
    """
    mu = checks.fraction("mu", mu)
    single, multi = checks.fraction("single", single), checks.fraction("multi", multi)
    return mu * single + (1 - mu) * multi


def coverage(all_learned: float, num_views: int = 2) -> float:
    """c of a network that learned every view of some classes and one view of each other.

    Args:
        all_learned: Fraction of the classes with every view learned; 0 in the theory.
        num_views: L.

    Raises:
        ValueError: If ``all_learned`` is not in [0, 1], or ``num_views`` is no integer >= 1.
    """
    all_learned = checks.fraction("all_learned", all_learned)
    num_views = checks.count("num_views", num_views)
    return all_learned + (1 - all_learned) / num_views


def ensemble_error(members: int, covered: float = 0.5) -> float:
    """Single-view error (1 - c)^K of K averaged networks; 2^-K at c = 1/2, as in Theorem 2.

    A sample's view is unknown to each with probability 1 - c, independently.

    Args:
        members: K >= 1.
        covered: c of one network; see ``coverage``.

    Raises:
        ValueError: If ``members`` is no integer >= 1, or ``covered`` is not in [0, 1].
    """
    return (1 - checks.fraction("covered", covered)) ** checks.count("members", members)


def kept_coverage(members: int, kept: int, num_views: int) -> float:
    """c of K averaged networks where L' of the L views of every class can be seen.

    A sample's strong view is among those kept with probability L'/L; each network then knows it
    with probability 1/L'. So c = (L'/L) (1 - (1 - 1/L')^K), and 1/L for one network whatever L':
    it knows one view, seen or not the others. Where every lost view is an error, averaging
    gains c_K - c_1 = (L'/L) ((1 - 1/L') - (1 - 1/L')^K), which is (L' - 1)/L for many networks and
    0 with one view left: an ensemble gains by the views its members can share out.

    Args:
        members: K >= 1.
        kept: L' from 1 to L, the same views for all networks and for the test samples.
        num_views: L.

    Raises:
        ValueError: If ``kept`` is not from 1 to ``num_views``.
    """
    num_views = checks.count("num_views", num_views)
    kept = checks.count("kept", kept, 1, num_views, meaning=f"views of num_views={num_views}")
    return kept / num_views * (1 - ensemble_error(members, 1 / kept))


def student_coverage(teacher: float, own: float = 0.5) -> float:
    """c = 1 - (1 - c_T) (1 - c_0) of a student that adds what it would learn alone.

    A view is missing only if the teacher lacks it and the student's lottery drew another: with
    c_T = c_0 = 1/2 that leaves 1/4, which is Theorem 4.

    Args:
        teacher: c_T.
        own: c_0 of a network trained on labels; 1/2 with one of two views of each class.

    Raises:
        ValueError: If ``teacher`` or ``own`` is not in [0, 1].
    """
    return 1 - (1 - checks.fraction("teacher", teacher)) * (1 - checks.fraction("own", own))


def lost_error(spec: MultiViewSpec, views_learned: float = 1.0) -> float:
    """Probability that a sample whose strong view is unknown is wrong.

    Its label speaks through the weak views at strength rho, other classes through those of their
    learned features that occur, at strength Gamma; it is lost if one of these is the stronger. With
    rho < Gamma that is the chance that any occurs, about 1 - e^{-s} for one view a class; with
    rho > Gamma lost views do no harm. Holds also where features are redrawn until they fit. Left
    out, all of which help or hurt a few percent of the samples: noise on the projections, views
    learned in part, and several features of one class adding up.

    Args:
        views_learned: Mean number of views learned of a class; the number of learned features is
            taken as the two whole numbers next to it.

    Raises:
        ValueError: If ``spec`` is no ``MultiViewSpec``, or ``views_learned`` is not from 0 to
            ``spec.num_views``.
    """
    checks.instance("spec", spec, MultiViewSpec)
    interval = f"[0, {spec.num_views}]"
    views_learned = checks.number("views_learned", views_learned, interval, meaning="counts views")
    from scipy.stats import hypergeom  # by far the slowest import of most scripts after torch

    counts = np.arange(spec.max_other_features + 1)
    low, high = spec.interval("rho")
    rho = np.linspace(low, high, 1001) if high > low else np.array([low])
    low, high = spec.interval("gamma_other")
    if high > low:
        stronger = np.clip((high - rho) / (high - low), 0, 1)  # P(Gamma > rho)
    else:
        stronger = (low > rho).astype(float)
    learned = views_learned * (spec.num_classes - 1)
    whole = math.floor(learned)
    error = 0.0
    for number, weight in ((whole, whole + 1 - learned), (whole + 1, learned - whole)):
        if weight > 0:
            # Of m features that occur, any m of all, this many were learned.
            occurring = np.arange(number + 1)
            given = hypergeom.pmf(occurring, spec.num_other_features, number, counts[:, None])
            probabilities = np.asarray(spec.other_count_probabilities()) @ given
            harmless = (1 - stronger[:, None]) ** occurring @ probabilities
            error += weight * (1 - float(harmless.mean()))
    return max(0.0, error)
