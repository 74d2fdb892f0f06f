"""diagnose: what averaging and distillation will gain, from two or three trained networks."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from multiview import checks
from multiview.diagnosis.averages import gaussian_gain
from multiview.diagnosis.calibration import Calibration, calibration
from multiview.diagnosis.found import Diagnosis
from multiview.diagnosis.outputs import outputs_of
from multiview.diagnosis.predictions import predictions_of
from multiview.ensemble import mean_logits, mean_probabilities
from multiview.probes import agreement, gain_by_count, view_counts
from multiview.rng import stream
from multiview.runs.engines import check_device
from multiview.train.metrics import wrong


def diagnose(
    nets: Sequence[nn.Module | Tensor],
    data: Any,
    *,
    sizes: Sequence[int] = (2, 5, 10),
    level: float = 0.95,
    seed: int = 0,
    batch_size: int = 256,
    device: str | None = None,
) -> Diagnosis:
    """Measure two or more trained networks, and predict what others made of such will do.

    The networks are trained alike and from different random starts; data are samples that they
    were not trained on. An ensemble of K is predicted from the gain of the M networks by an error
    that is linear in 1 / K (see ``gain_factor``), a student and self-distillation by the share of
    that gain which was measured in other experiments (``STUDENT_SHARES``, ``SELF_SHARES``). All
    intervals are for new networks and as many new samples. How often they were right is measured
    by the experiment ``diagnosis``.

    >>> from multiview.diagnosis import diagnose
    >>> labels = torch.arange(300) % 3
    >>> views = torch.nn.functional.one_hot(labels, 3).float()
    >>> nets = [views + torch.randn(300, 3) for _ in range(2)]  # logits: a mean and noise
    >>> found = diagnose(nets, labels)
    >>> found.predicted("ensemble", 10).gain.value > found.predicted("ensemble", 2).gain.value > 0
    True

    Args:
        nets: Modules that give logits (n, k), or an output with such ``logits``; or their logits,
            tensors (n, k). Modules are evaluated without gradients in eval mode, and left in the
            mode they were in.
        data: A loader of batches (inputs, labels), or the two tensors; for logits the labels alone
            will do.
        sizes: Numbers of networks K >= 2 to predict for.
        level: Probability that a measured value should lie in its interval, in [0.5, 0.999].
        seed: Of the draws that intervals and the Gaussian comparison are made by.
        batch_size: Of two tensors; a loader has its own.
        device: Where inputs are moved; None: where each network is.

    Raises:
        ValueError: If there are fewer than two networks, or any that are alike, no better than
            chance, or tell other classes apart; if data have no labels; or if a logit is NaN or
            infinite.
    """
    every, level, batch_size = settings_of(sizes, level, batch_size, device)
    logits, labels = outputs_of(nets, data, batch_size, device)
    return diagnosis_of(logits, labels, every, level, seed)


def settings_of(
    sizes: Sequence[int], level: float, batch_size: int, device: str | None
) -> tuple[tuple[int, ...], float, int]:
    """Sizes in their order, each once, level and batch size as ``diagnose`` takes them.

    Raises:
        ValueError: If one is out of its range, or there is no such device.
    """
    every = tuple(sorted(set(checks.counts("sizes", sizes, 2, meaning="counts networks"))))
    if not every:
        raise ValueError(f"sizes={sizes!r} is empty: name a number of networks, such as (10,).")
    level = checks.number("level", level, "[0.5, 0.999]", meaning="is a probability")
    batch_size = checks.count("batch_size", batch_size, meaning="counts samples")
    if device is not None:
        check_device(device)
    return every, level, batch_size


def diagnosis_of(
    logits: Float[Tensor, "n nets k"],
    labels: Int[Tensor, " n"],
    sizes: Sequence[int],
    level: float,
    seed: int,
) -> Diagnosis:
    """What is measured and predicted of networks that gave these logits."""
    found, predictions = predictions_of(logits, labels, sizes, level, seed)
    alone = wrong(logits, labels).double()
    together = wrong(mean_logits(logits), labels)
    number = logits.shape[1]
    single = [calibration(each.softmax(1), labels) for each in logits.unbind(1)]
    errors = {average: {size: by.error(size) for size in by.wrong} for average, by in found.items()}
    return Diagnosis(
        num_nets=number,
        num_samples=len(labels),
        num_classes=logits.shape[2],
        errors=tuple(alone.mean(0).tolist()),
        by_size=errors["logits"],
        by_size_probabilities=errors["probabilities"],
        agreement=agreement(logits, labels),
        counts=gain_by_count(view_counts(alone.T == 0), alone, together, number),
        gaussian_gain=gaussian_gain(logits, labels, stream(seed, "diagnose", "gaussian")),
        one=Calibration(
            ece=sum(each.ece for each in single) / number,
            nll=sum(each.nll for each in single) / number,
        ),
        together=calibration(mean_probabilities(logits), labels),
        predictions=predictions,
        level=level,
    )
