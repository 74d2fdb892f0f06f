"""What a diagnosis of a few networks predicts, beside what others made of such then do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Int
from torch import Tensor

from multiview import checks
from multiview.bench import Bench, Classifier, Measure, PatchBench, Setting
from multiview.data import sample_patches
from multiview.diagnosis import Prediction
from multiview.diagnosis.averages import by_size
from multiview.diagnosis.predictions import chosen, predictions_of
from multiview.measures.errors import errors, module_bench
from theory_experiments.views.gaussian_tasks import TaskBench

LEVEL = 0.95  # of the intervals
Samples = tuple[Tensor, Int[Tensor, " n"]]


@dataclass(frozen=True, kw_only=True)
class Diagnosed(Measure):
    """Predictions from 2, 3, ... networks, held against other networks on other test samples.

    Of the members the first ``others`` are those that the predictions are about, and of those
    behind them the first 2, 3, ... are diagnosed, on the first half of the test samples; all that
    is measured is measured on the second half. Under names such as "ensemble_5_from_2" stand
    ``kind``, ``size`` and ``known`` (the number diagnosed); ``predicted``, ``low`` and ``high`` of
    the gain over one network, and ``gain``, which is measured; ``inside`` and ``error_inside``, the
    share of measured gains and errors in their intervals; and ``miss``, ``miss_none`` and
    ``miss_known``, how far from the measured gain the predicted one lies, no gain, and the gain of
    all that were diagnosed.

    Attributes:
        others: Number of networks that are not diagnosed; the largest ensemble.
        known: Of networks that are diagnosed.
        sizes: Of ensembles.
        num_test: Of synthetic patches, which are drawn: single-view samples.
    """

    others: int = 5
    known: tuple[int, ...] = (2, 3)
    sizes: tuple[int, ...] = (2, 5)
    num_test: int = 4000

    def __post_init__(self) -> None:
        checks.count("others", self.others, 2, meaning="counts networks")
        checks.counts("known", self.known, 2, meaning="counts networks")
        checks.counts("sizes", self.sizes, 2, most=self.others, meaning="counts networks")
        checks.count("num_test", self.num_test, 2, meaning="counts samples")

    def check(self, setting: Setting) -> None:
        """Refuse too few members."""
        needed = self.others + max(self.known)
        if setting.members < needed:
            raise ValueError(
                f"members={setting.members}: {self.others} others and {max(self.known)} that are "
                f"diagnosed are {needed}, use as many."
            )

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, Any]]:
        """Each prediction, and what is measured of it."""
        inputs, labels = self.samples(bench)
        half = len(labels) // 2
        outputs = {name: bench.outputs(each.logits, inputs) for name, each in trained.items()}
        members = outputs["member"].double()
        drawn = bench.stream("diagnosed")
        tested = by_size(members[half:, : self.others], labels[half:], "logits", drawn)
        measured = {f"ensemble_{size}": [tested.error(size)] for size in self.sizes}
        for name in ("student", "self"):
            if name in outputs:
                measured[name] = errors(outputs[name][half:], labels[half:]).tolist()
        row: dict[str, dict[str, Any]] = {}
        for known in self.known:
            nets = members[:half, self.others : self.others + known]
            sizes = sorted(set(self.sizes))
            found, predictions = predictions_of(nets, labels[:half], sizes, LEVEL, bench.seed)
            gained = found["logits"].error(1) - found["logits"].error(known)
            for name, each in measured.items():
                held = compared(self.prediction(predictions, name), each, tested.error(1))
                row[f"{name}_from_{known}"] = held | {
                    "known": known,
                    "miss_known": abs(held["gain"] - gained),
                }
        return row

    def prediction(self, predictions: Sequence[Prediction], name: str) -> Prediction:
        """What is predicted of "ensemble_5", of "student" or of "self"."""
        kind, _, size = name.partition("_")
        if kind == "ensemble":
            return chosen(predictions, "ensemble", int(size))
        if kind == "self":
            return chosen(predictions, "self")
        return chosen(predictions, "student", self.others)

    def samples(self, bench: Bench) -> Samples:
        """The test samples of a bench."""
        if isinstance(bench, TaskBench):
            test = bench.tests[""]
            return test.patches, test.labels
        if isinstance(bench, PatchBench):
            spec, drawn = bench.setting.spec, bench.stream("diagnosed", "test")
            batch = sample_patches(spec, bench.features, self.num_test, drawn, "single")
            return batch.patches, batch.labels
        found = module_bench(bench).samples
        return found.test, found.test_labels.cpu()


def compared(each: Prediction, measured: list[float], one: float) -> dict[str, Any]:
    """A prediction beside the errors of what it is about, one or several alike.

    Args:
        one: The mean error of single networks.
    """
    gains = [one - error for error in measured]
    gain = sum(gains) / len(gains)
    return {
        "kind": each.kind,
        "size": each.size,
        "predicted": each.gain.value,
        "low": each.gain.low,
        "high": each.gain.high,
        "gain": gain,
        "inside": sum(map(each.gain.contains, gains)) / len(gains),
        "error_inside": sum(map(each.error.contains, measured)) / len(measured),
        "miss": abs(gain - each.gain.value),
        "miss_none": abs(gain),
    }
