"""Closed forms of the multi-view theory, to be held against measurements."""


def single_view_error(coverage: float, distractor: float = 1.0) -> float:
    """Error on single-view samples of a classifier that covers this fraction of the views.

    A sample whose strong view is unknown is lost only if a learned feature of another class
    occurs in it. A network with one of two views a class has coverage 1/2, hence the 0.5 mu of
    arXiv 2012.09816, Theorem 1.

    Args:
        coverage: c, the fraction of class-view pairs covered, in [0, 1].
        distractor: Probability that a learned feature of another class occurs.
    """
    return (1 - coverage) * distractor


def distractor_probability(inclusion: float, num_classes: int, views_learned: float = 1.0) -> float:
    """Probability that at least one learned feature of another class occurs in a sample.

    Features occur independently here; where they are redrawn until they fit, this is an
    approximation (0.94 for 0.95 in the laptop preset of ``ensemble_vs_ntk``).

    Args:
        inclusion: Probability of each feature, s/k; ``MultiViewSpec.inclusion_probability``.
        num_classes: k.
        views_learned: Mean number of views learned of a class.
    """
    return 1 - (1 - inclusion) ** (views_learned * (num_classes - 1))


def ensemble_error(members: int, num_views: int = 2) -> float:
    """Single-view error (1 - 1/L)^K of K averaged networks that each learn a view at random.

    The sample's view is unknown to all of them with that probability; 2^-K with two views.

    Args:
        members: K >= 1.
        num_views: L.
    """
    return (1 - 1 / num_views) ** members
