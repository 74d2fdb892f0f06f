"""All that is predicted from the outputs of a few networks, without how it is shown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from jaxtyping import Float, Int
from torch import Tensor

from multiview.diagnosis.averages import Average, BySize, by_size
from multiview.diagnosis.predict import Kind, Prediction, ensemble, taught
from multiview.rng import stream
from multiview.train.metrics import wrong


def predictions_of(
    logits: Float[Tensor, "n nets k"],
    labels: Int[Tensor, " n"],
    sizes: Sequence[int],
    level: float,
    seed: int,
) -> tuple[Mapping[Average, BySize], tuple[Prediction, ...]]:
    """Errors of averages of the networks, and predictions of larger ones and of what they teach.

    Args:
        sizes: Numbers of networks to predict for.
        level: Of the intervals.
        seed: Of the draws that are made.
    """
    drawn = stream(seed, "diagnose", "sets")
    found: dict[Average, BySize] = {
        "logits": by_size(logits, labels, "logits", drawn),
        "probabilities": by_size(logits, labels, "probabilities", drawn),
    }
    alone = wrong(logits, labels).double()

    def predictions() -> Iterator[Prediction]:
        for average, each in found.items():
            for size in sizes:
                generator = stream(seed, "diagnose", average, size)
                yield ensemble(each, alone, size, average, level, generator)
        kinds: Iterable[tuple[Kind, int]] = [*(("student", size) for size in sizes), ("self", 1)]
        for kind, size in kinds:
            generator = stream(seed, "diagnose", kind, size)
            yield taught(found["logits"], alone, kind, size, level, generator)

    return found, tuple(predictions())


def chosen(
    predictions: Sequence[Prediction], kind: Kind, size: int = 1, average: str = "logits"
) -> Prediction:
    """The prediction for an "ensemble" or "student" of so many networks, or for "self".

    Raises:
        ValueError: If there is none; the message says for what there is one.
    """
    for each in predictions:
        if (each.kind, each.size, each.average) == (kind, size, average):
            return each
    there = ", ".join(f"{each.kind} of {each.size}" for each in predictions)
    raise ValueError(
        f"kind={kind!r}, size={size}, average={average!r}: there are {there}; others need "
        "sizes=(...) in diagnose."
    )
