"""What networks that part from one training gain by averaging, and which views they choose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from multiview import checks
from multiview.bench import Bench, Classifier
from multiview.data import sample_patches
from multiview.ensemble import mean_logits
from multiview.measures.errors import TestMeasure, errors, module_bench
from multiview.measures.patches import PatchMeasure, Row, patch_bench
from multiview.probes import coverage_of, coverage_probes
from multiview.train.metrics import wrong

APART = "apart"  # the way of networks that share nothing


@dataclass(frozen=True, kw_only=True)
class ImageGains(TestMeasure):
    """Of several networks the mean test error of ``one``, and that of them ``averaged``."""

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """Errors of each method's networks, and of their mean logits."""
        here, row = module_bench(bench), {}
        labels = here.samples.test_labels.cpu()
        for name, each in trained.items():
            outputs = here.outputs(each.logits, here.samples.test)
            row[name] = {
                "one": float(errors(outputs, labels).mean()),
                "averaged": float(errors(mean_logits(outputs), labels)),
            }
        return row


@dataclass(frozen=True, kw_only=True)
class PatchGains(PatchMeasure):
    """The same on single-view test samples, and ``same``: what view networks choose, by class.

    ``same`` says, (k,), whether all networks recognise the same view by the larger margin.
    """

    num_test: int
    probes_per_view: int

    def __post_init__(self) -> None:
        checks.count("num_test", self.num_test, meaning="counts samples")
        checks.count("probes_per_view", self.probes_per_view, meaning="counts probes")

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """Errors and choices of each method's networks."""
        here, row = patch_bench(bench), {}
        spec, features = here.setting.spec, here.features
        test = sample_patches(
            spec, features, self.num_test, here.stream("test", "single"), "single"
        )
        probes = coverage_probes(spec, features, here.stream("probes"), self.probes_per_view)
        for name, each in trained.items():
            outputs = here.outputs(each.logits, test.patches)
            chosen = coverage_of(here.outputs(each.logits, probes.patches), probes).margin.argmax(
                -1
            )
            row[name] = {
                "one": float(wrong(outputs, test.labels).double().mean()),
                "averaged": float(wrong(mean_logits(outputs), test.labels).double().mean()),
                "same": (chosen == chosen[0]).all(0),
            }
        return row


def pooled(table: pd.DataFrame) -> pd.DataFrame:
    """One line for each way and time of parting, the mean over its starts.

    ``gain`` is how much less the mean of the networks errs than one of them, ``share`` that over
    the gain of networks apart; ``same`` the fraction of classes in which all networks that part
    together choose one view, of ``same_of`` classes of all starts.
    """
    table = table.assign(gain=table["one"] - table["averaged"])
    lines = []
    for _, starts in table.groupby(["seed", "part", "way", "at"], sort=False, dropna=False):
        line = starts.iloc[0].copy()
        for name in ("one", "averaged", "gain"):
            line[name] = starts[name].mean()
        line["method"] = str(line["method"]).rpartition(" ")[0]
        by_class: Any = starts.get("same", ())
        chosen = [value for each in by_class if np.ndim(each) for value in each]
        if chosen:
            # Classes of all starts are counted: given the samples, starts are independent draws of
            # initial weights and orders, and what is claimed is that branches of one start agree,
            # not those of several. What the samples, which they share, do to all starts shows as
            # variance between repetitions, from which the interval takes its over-dispersion.
            line["same"], line["same_of"] = sum(chosen) / len(chosen), len(chosen)
        lines.append(line)
    found = pd.DataFrame(lines).reset_index(drop=True)
    apart = found.loc[found["way"] == APART].set_index(["seed", "part"])["gain"]
    keys = pd.MultiIndex.from_arrays([found["seed"], found["part"]])
    # Where networks apart gain nothing there is nothing to have a share of.
    return found.assign(share=found["gain"] / apart.where(apart > 0).reindex(keys).to_numpy())
