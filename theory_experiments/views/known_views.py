"""Which views each trained method knows, where the views of samples are known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from multiview import checks
from multiview.bench import Bench, Classifier, Measure, Setting
from multiview.bench.modules import ModuleBench
from multiview.bench.patches import PatchBench, PatchSetting
from multiview.diagnosis import missing_views, shown_by
from multiview.probes import coverage_of, coverage_probes
from theory_experiments.views.half_accuracies import known
from theory_experiments.views.two_halves import TwoImages, only

Covered = dict[str, Bool[Tensor, "*networks k L"]]
PROBES_PER_VIEW = 30


@dataclass(frozen=True)
class Taught:
    """A student and what it is held against, by the names of methods; see ``missing_views``."""

    student: str
    teacher: str
    alone: str
    able: str
    temperature: float


@dataclass(frozen=True, kw_only=True)
class WhyMissing(Measure):
    """Why each student lacks views: the fractions of ``MissingViews``.

    Also ``known``, their ``own`` and ``taken`` together; ``teacher_knows``, the teacher's fraction
    of views; ``shown``, what its soft labels tell apart; and ``views``, how many there are.

    Attributes:
        students: Those that are looked at.
        of_networks: The method whose networks say how well classes of two images can be known.
    """

    students: tuple[Taught, ...]
    of_networks: str = "member"

    def check(self, setting: Setting) -> None:
        """Refuse samples whose views are not known."""
        if not isinstance(setting, PatchSetting | TwoImages):
            raise ValueError(
                f"WhyMissing needs samples whose views are known, not a {type(setting).__name__}: "
                "use a PatchSetting or TwoImages."
            )

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, Any]]:
        """Measures of each student, under its name."""
        covered, row = known_views(bench, trained, self.of_networks), {}
        for each in self.students:
            names = (each.student, each.teacher, each.alone, each.able)
            student, teacher, alone, able = (covered[name] for name in names)
            logits = bench.outputs(trained[each.teacher].logits, bench.inputs)
            shown = shown_by(logits, bench.labels.cpu(), each.temperature)
            found = missing_views(student, teacher, alone, able, shown)
            row[each.student] = {
                **vars(found),
                "known": found.known,
                "teacher_knows": float(teacher.double().mean()),
                "shown": shown,
                "views": student.shape[-2:].numel(),
            }
        return row


def known_views(bench: Bench, trained: Mapping[str, Classifier], of_networks: str) -> Covered:
    """The views of each class that each method covers.

    Of patches as ``coverage_of`` has it. The left and the right half of two images are views too;
    one is covered as ``Halves`` has it, of which ``of_networks`` are the networks it starts from.
    """
    if isinstance(bench, PatchBench):
        drawn = bench.stream("probes")
        probes = coverage_probes(bench.setting.spec, bench.features, drawn, PROBES_PER_VIEW)
        return {
            name: coverage_of(bench.outputs(each.logits, probes.patches), probes).covered
            for name, each in trained.items()
        }
    here = checks.instance("bench", bench, ModuleBench)
    test, labels = here.samples.test, here.samples.test_labels.cpu()
    whole = known(here.outputs(trained[of_networks].logits, test), labels)
    enough = whole.mean(0)[:, None] / 2
    halves = [only(test, half) for half in (0, 1)]
    found: Covered = {}
    for name, each in trained.items():
        seen = [known(here.outputs(each.logits, half), labels) for half in halves]
        covered = torch.stack(seen, -1) > enough  # (networks, k, 2)
        found[name] = covered if here.outputs(each.logits, test[:2]).dim() == 3 else covered[0]
    return found
