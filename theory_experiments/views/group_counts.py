"""Gains of an ensemble by the number of groups of inputs from which alone an image is got right."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multiview.bench import Bench, Classifier
from multiview.ensemble import mean_logits
from multiview.measures.errors import TestMeasure, module_bench
from multiview.probes import gain_by_count, view_counts
from multiview.train.metrics import wrong
from theory_experiments.views.shown_groups import LayerBench


@dataclass(frozen=True, kw_only=True)
class GainByGroups(TestMeasure):
    """For each ``count`` of networks that are right, 0 to G: errors and gains on these test images.

    How many ``samples``, and on these the errors of members and ensemble with all groups, the gain,
    and its share of the whole gain; in "<nets>_right_<count>" for each of two kinds of ``nets``.

    Attributes:
        members: Name of the method whose networks are averaged.
        nets: Names of methods that leave G networks, by how they are called in rows.
    """

    members: str
    nets: Mapping[str, str]

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, Any]]:
        """Errors and gains of each kind of networks at each count."""
        here = module_bench(bench)
        test, labels = here.samples.test, here.samples.test_labels.cpu()
        members = here.outputs(trained[self.members].logits, test)
        row = {}
        for name, method in self.nets.items():
            right = ~wrong(here.outputs(trained[method].logits, test), labels)
            split = gain_by_count(
                view_counts(right.T),
                wrong(members, labels),
                wrong(mean_logits(members), labels),
                right.shape[1],
            )
            measures = {
                "samples": split.samples,
                "member_error": split.one,
                "ensemble_error": split.ensemble,
                "gain": split.gain,
                "share_of_gain": split.share,
            }
            for count in range(len(split.samples)):
                found = {measure: values[count].item() for measure, values in measures.items()}
                row[f"{name}_right_{count}"] = {"nets": name, "count": count, **found}
        return row


@dataclass(frozen=True, kw_only=True)
class BaseError(TestMeasure):
    """``error`` of "base", the network whose channels are taken, where there is one."""

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, Any]]:
        """Error of the base network, which is no method here."""
        return {"base": {"error": bench.base_error}} if isinstance(bench, LayerBench) else {}
