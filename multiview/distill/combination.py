"""One prediction from a generalist and the specialists of the classes it thinks of.

Hinton, Vinyals & Dean, arXiv 1503.02531, Section 5.4.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from multiview import checks, shapes
from multiview.distill.specialists import check_classes

# A specialist at test time: its classes S and its ``corrected`` logits, the dustbin last.
Specialist = tuple[Sequence[int], Float[Tensor, "n _"]]


def consulted(
    generalist: Float[Tensor, "n k"], specialists: Sequence[Sequence[int]], top: int = 1
) -> Bool[Tensor, "n specialists"]:
    """Whether each specialist's classes hold one of the generalist's ``top`` best."""
    k = shapes.fit(generalist=(generalist, "float n k"))["k"]
    top = checks.count("top", top, 1, k, meaning="counts classes")
    for i, classes in enumerate(checks.items("specialists", specialists)):
        check_classes(classes, k, f"specialists[{i}]", "generalist")
    best = torch.zeros_like(generalist, dtype=torch.bool)
    best.scatter_(1, generalist.topk(top, 1).indices, True)
    columns = [best[:, list(classes)].any(1) for classes in specialists]
    return torch.stack(columns, 1) if columns else best[:, :0]


def combine(
    generalist: Float[Tensor, "n k"],
    specialists: Sequence[Specialist],
    top: int = 1,
    *,
    tolerance: float = 1e-10,
    max_steps: int = 2000,
) -> Float[Tensor, "n k"]:
    """Logits whose softmax q minimises KL(p_g || q) + sum over m in A of KL(p_m || q^m).

    A: the specialists ``consulted`` for the sample. q^m: q of the classes of m and, in the place of
    its dustbin, q of all others together; all at T = 1. Hinton et al. descend the gradient in the
    logits. But up to constants this is minus the log-likelihood of samples of classes drawn from q,
    some of which are known no closer than "none of S_m": convex in q, and its EM algorithm needs no
    step size, never goes up, and ends at the minimum.

    Args:
        generalist: Its logits.
        specialists: Classes and ``corrected`` logits of each, of the same samples.
        top: A holds those whose classes meet the generalist's so many best ones.
        tolerance: EM ends when no probability moves by more than this.
        max_steps: Of EM. One specialist takes one step; EM is slow where several all say "none of
            mine" of a sample that the generalist is sure is theirs.

    Returns:
        log q; the generalist's own logits where A is empty.

    Raises:
        ValueError: If the logits do not fit together or hold NaN, or as ``specialist_labels``.
    """
    shapes.fit(generalist=(generalist, "float n k"))
    shapes.logits(generalist=generalist)
    tolerance = checks.not_negative("tolerance", tolerance)
    max_steps = checks.count("max_steps", max_steps)
    n, k = generalist.shape
    specialists = checks.items("specialists", specialists)
    for i, pair in enumerate(specialists):
        name = f"specialists[{i}]"
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(f"{name}={checks.shown(pair)}: give pairs of (classes, logits).")
        classes, logits = pair
        check_classes(classes, k, name, "generalist")
        shapes.fit(**{f"{name} logits": (logits, "float n outputs")})
        shapes.logits(**{f"{name} logits": logits})
        if logits.shape != (n, len(classes) + 1):  # as generalist has it
            raise ValueError(
                f"the specialist of {list(classes)} has logits of shape {tuple(logits.shape)}: it "
                f"takes {(n, len(classes) + 1)}, those of its classes and of the dustbin, "
                "for each sample of generalist."
            )
    used = consulted(generalist, [classes for classes, _ in specialists], top)
    some = used.any(1)
    if not some.any():
        return generalist
    chosen = [(list(classes), logits[some].double()) for classes, logits in specialists]
    q = _minimiser(generalist[some].double(), chosen, used[some], tolerance, max_steps)
    out = generalist.clone()
    out[some] = q.clamp(min=torch.finfo(generalist.dtype).tiny).log().to(generalist.dtype)
    return out


def _minimiser(
    generalist: Float[Tensor, "n k"],
    specialists: Sequence[tuple[list[int], Tensor]],
    used: Bool[Tensor, "n specialists"],
    tolerance: float,
    max_steps: int,
) -> Float[Tensor, "n k"]:
    """EM: each dustbin's probability is split as q has it, then q is the mean of all models."""
    by_class = generalist.softmax(1)  # probabilities class by class, summed over the models
    dustbins = []  # (n, 1) each: the probability of none of a specialist's classes
    for (classes, logits), mine in zip(specialists, used.unbind(1), strict=True):
        p = logits.softmax(1) * mine.unsqueeze(1)
        by_class[:, classes] += p[:, :-1]
        dustbins.append(p[:, -1:])
    others = torch.ones(len(specialists), generalist.shape[1], dtype=by_class.dtype).to(
        by_class.device
    )
    for outside, (classes, _) in zip(others, specialists, strict=True):
        outside[classes] = 0
    outside_mass = torch.cat(dustbins, 1)
    models = 1 + used.sum(1, keepdim=True)
    # Of classes that the same specialists hold, q is in the proportions of ``by_class`` at the
    # minimum. EM would be slow to find these where that is small, but it keeps them.
    by_class = by_class.clamp(min=torch.finfo(by_class.dtype).tiny)  # EM could not leave 0
    q = by_class / by_class.sum(1, keepdim=True)
    for _ in range(max_steps):
        share = outside_mass / (q @ others.T).clamp(min=torch.finfo(q.dtype).tiny)
        before, q = q, (by_class + q * (share @ others)) / models
        if (q - before).abs().max() <= tolerance:
            break
    return q
