"""Fixed-feature models of untrained networks on images: what is measured, and what cells take."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch

from multiview.bench import Bench, Cell, Classifier, Context, Method
from multiview.bench.cost import PROGRAM, Cost, count, gemm_rate
from multiview.bench.images import MADE_UP, ImageSetting
from multiview.data.splits import split
from multiview.ensemble import mean_logits
from multiview.measures.errors import TestMeasure, errors, mean, module_bench
from multiview.methods import KernelModel, Kernels, Linearised, LinearisedModel
from multiview.ntk import plan_gram
from multiview.rng import stream

FIXED = (Kernels, KernelModel, Linearised, LinearisedModel)
MODELS = {"kernel": "NTK", "linearised": "linearised network", "last_layer": "last layer"}


@dataclass(frozen=True, kw_only=True)
class ModelErrors(TestMeasure):
    """Test errors of each kind of ``model`` by its ``role``: what the method does to it.

    Of "member" the mean, with ``error_each`` and its ``size`` 1; of the means of 2 and more members
    that over all choices of as many, with their ``size``; of "first" the first member's, whose
    features the student has.
    """

    models: tuple[str, ...] = tuple(MODELS)

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, Any]]:
        """Errors of each model and role, on all test images at once: kernels are computed once."""
        here = module_bench(bench)
        test, labels = here.samples.test, here.samples.test_labels.cpu()
        row: dict[str, dict[str, Any]] = {}

        def note(model: str, role: str, **measures: Any) -> None:
            row[f"{model}_{role}"] = {"model": model, "role": role, **measures}

        for model in self.models:
            single = trained[f"{model}_member"].logits(test)
            each = errors(single, labels).tolist()
            note(model, "member", size=1, error=sum(each) / len(each), error_each=each)
            note(model, "first", error=each[0])
            for size in range(2, len(each) + 1):
                choices = itertools.combinations(range(len(each)), size)
                found = [mean(errors(mean_logits(single[:, list(c)]), labels)) for c in choices]
                role = "ensemble" if size == len(each) else f"ensemble_{size}"
                note(model, role, size=size, error=sum(found) / len(found))
            for role in ("summed", "distilled"):
                logits = trained[f"{model}_{role}"].logits(test)
                note(model, role, error=mean(errors(logits, labels)))
        return row


def cost(cells: Sequence[Cell], context: Context) -> Cost | None:
    """What kernels, descents and training of the cells on real images will take, at least."""
    real = [c for c in cells if isinstance(c.setting, ImageSetting) and c.setting.data != MADE_UP]
    if not real:
        return None
    setting = real[0].setting
    assert isinstance(setting, ImageSetting)
    kernels, solves, memory = kernel_cost(setting, real[0], context)
    training = networks_cost(setting, real[0], context)
    rate, double = gemm_rate(context.device), gemm_rate("cpu", torch.float64)
    seconds = (kernels + training) / rate + solves / double
    least = timedelta(seconds=round(len(real) * seconds))
    trained = f"{len(real) * training:.1e} of training, " if training else ""
    text = (
        f"Expected for {len(real)} cells: {len(real) * kernels:.1e} FLOP of kernels, {trained}"
        f"{len(real) * solves:.1e} of solves; at least {least} at the {rate:.1e} FLOP/s of float32 "
        f"products here. Kernels hold {memory / 1e9:.1f} GB."
    )
    return Cost(text=text, memory=PROGRAM + memory)


def networks_cost(setting: ImageSetting, cell: Cell, context: Context) -> float:
    """FLOP of the networks that a cell trains beside models of fixed features."""
    networks = [each for each in cell.methods.values() if not isinstance(each, FIXED)]
    return count(setting, networks, context).flop


def kernel_cost(setting: ImageSetting, cell: Cell, context: Context) -> tuple[float, float, float]:
    """FLOP of kernels, FLOP of factorisations and descents in float64, and bytes of a cell."""
    images, n, t = setting.images(0, context), setting.num_train, setting.num_test
    assert n is not None
    assert t is not None
    k = images.num_classes
    few = split(images, k, 0, k, stream(0), context.device)
    net = setting.net.build(few, stream(0))
    own = plan_gram(net, few.train[:1], n, outputs="trace")
    cross = plan_gram(net, few.train[:1], t, n, outputs="trace")
    members, methods = setting.members, list(cell.methods.values())
    fits = (members + 2) * sum(isinstance(each, Kernels) for each in methods)
    steps = sum(descent_steps(each, members) for each in methods)
    solves = fits * n**3 / 3 + steps * 2 * n * n * k
    # Of all members and their sum; beside them a copy and its factor. float64.
    memory = 8 * ((members + 1) * n * (n + t) + 2 * n * n)
    return members * (own.flop + cross.flop), solves, memory


def descent_steps(method: Method, members: int) -> int:
    """Steps that a method takes on linearised networks, those of all members together."""
    if isinstance(method, Linearised):
        return members * method.steps
    if isinstance(method, LinearisedModel):
        own = {"summed": method.of.steps, "distilled": method.student_steps}
        return own.get(method.kind, 0)
    return 0
