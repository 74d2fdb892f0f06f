"""Laws of what a distillation step's student is taught: the teacher's view of the same sample."""

import torch
from torch import Tensor

from multiview.testing.check import Check
from multiview.testing.step_run import NEVER_ASKED, NEVER_TAUGHT, StepProbe, Trace
from multiview.testing.watched import Pass

UNKNOWN = (
    "which samples these are cannot be told, as their medians were changed: leave normalisation, "
    "changes of brightness and mixing of samples out of the step"
)
COUNTED = 0.01  # of the largest entry of a gradient, from where an entry counts
WEAK = 0.1  # of the strongest, below which a learned sample's rest is not looked at


def teacher_teaches(probe: StepProbe) -> float | tuple[float, str]:
    """Share of the student's samples that were drawn to a class that the teacher named.

    Cross-entropy with labels pushes all other classes down.
    """
    found = _raised(probe.first)
    if found is None:
        return NEVER_TAUGHT
    samples, to, strength = found
    if bool((samples < 0).any()):
        return torch.nan, UNKNOWN
    taught = samples[(to >= 0) & (strength > 0)].unique()
    return len(taught) / len(samples.unique())


def pairing(probe: StepProbe) -> float | tuple[float, str]:
    """Of what the student was taught by the teacher, the share that was of the same sample."""
    found = _raised(probe.first)
    if found is None:
        return NEVER_TAUGHT
    samples, to, strength = found
    if bool((samples < 0).any()):
        return torch.nan, UNKNOWN
    counts = strength > WEAK * strength.max()
    if not bool(counts.any()):
        return torch.nan, "the teacher's logits had no effect on the student's gradient"
    samples, to = samples[counts], to[counts]
    other = (samples != to).nonzero().flatten().tolist()
    seen = [f"sample {samples[i]} was taught the logits of sample {to[i]}" for i in other[:1]]
    return 1 - len(other) / len(samples), "".join(seen)


def same_views(probe: StepProbe) -> float | tuple[float, str]:
    """Share of the distinct inputs of the student in training that the teacher was given too."""
    trace = probe.first
    if not trace.student_passes:
        return NEVER_TAUGHT
    if not trace.teacher_passes:
        return NEVER_ASKED
    given = _distinct(trace.teacher_passes)
    same = [_is_among(row, given) for each in _distinct(trace.student_passes) for row in each]
    return sum(same) / len(same)


def _raised(trace: Trace) -> tuple[Tensor, Tensor, Tensor] | None:
    """Of each row that the student was trained on: its sample, whose logits it got, how strongly.

    The teacher names the class n + i for sample i, and the gradient of the student's logits is
    negative where they are drawn up. Drawn to none: -1, with strength 0.
    """
    passes = trace.student_passes
    if not passes:
        return None
    samples = torch.cat([each.samples for each in passes])
    gradients = torch.cat([each.gradient for each in passes if each.gradient is not None])
    used = gradients.any(1)  # the rest of a batch may have been left out of the loss
    if not bool(used.any()):
        return None
    samples, gradients = samples[used], gradients[used]
    low, to = gradients[:, trace.num_samples :].min(1)
    drawn = -low > COUNTED * gradients.abs().amax(1)
    return samples, torch.where(drawn, to, -1), torch.where(drawn, -low, 0.0)


def _distinct(passes: list[Pass]) -> list[Tensor]:
    """The inputs of all passes, each once, by shape and type."""
    kinds: dict[tuple, list[Tensor]] = {}
    for each in passes:
        kinds.setdefault((each.inputs.shape[1:], each.inputs.dtype), []).append(each.inputs)
    return [torch.cat(inputs).unique(dim=0) for inputs in kinds.values()]


def _is_among(row: Tensor, given: list[Tensor]) -> bool:
    """Whether an input is one of those given, up to the rounding of either's type."""
    for inputs in given:
        if inputs.shape[1:] == row.shape:
            slack = 2 * max(torch.finfo(each.dtype).eps for each in (inputs, row))
            one = row.double()
            near = (inputs.double() - one).abs() <= slack * one.abs()
            if bool(near.flatten(1).all(1).any()):
                return True
    return False


TARGETS = (
    Check(
        name="teacher_teaches",
        quantity="share of the student's samples that the teacher's logits teach",
        measure=teacher_teaches,
        expected=1.0,
        tolerance=0.0,
        bug="the teacher's logits do not reach the student: the loss compares the teacher with "
        "itself, its weight is 0, or some samples are left out.",
        remedy="compare the student's own logits with the teacher's in the loss that is "
        "differentiated.",
        reports=("labmlai/annotated_deep_learning_paper_implementations#66",),
    ),
    Check(
        name="pairing",
        quantity="share of what the teacher taught that was of the student's own sample",
        measure=pairing,
        expected=1.0,
        tolerance=0.0,
        bug="teacher's logits that were computed beforehand are taken by the number of the batch, "
        "while the loader shuffles anew: the student is taught other samples' logits.",
        remedy="compute them on the very batch, or store them by the sample's own index and look "
        "them up by it.",
        reports=(
            "haitongli/knowledge-distillation-pytorch#4",
            "haitongli/knowledge-distillation-pytorch#9",
        ),
    ),
    Check(
        name="same_views",
        quantity="share of the student's inputs that the teacher was given too",
        measure=same_views,
        expected=1.0,
        tolerance=0.0,
        bug="the teacher's logits are of the image before augmentation, or of one that was "
        "augmented otherwise.",
        remedy="augment once and give both networks the same tensor.",
        reports=("haitongli/knowledge-distillation-pytorch#23",),
    ),
)
