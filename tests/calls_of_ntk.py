"""Calls of multiview.ntk."""

import contextlib
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from one_call import Call, double, finite, holds, keeps, labels, near, normal
from oracles_ntk import explicit_gram, explicit_jacobian
from torch import Tensor, nn

from multiview import ntk, stream
from multiview.ntk.layout import Layout

FOLDER = tempfile.TemporaryDirectory()  # until the tests end
ROWS, OTHERS = normal(3, 9, name="rows").double(), normal(2, 9, name="others").double()
KERNEL, CROSS = ROWS @ ROWS.T, OTHERS @ ROWS.T
TRACE = Layout(outputs="trace", n=3, k=None)
NET = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2)).double()
for _parameter in NET.parameters():
    _parameter.data = normal(*_parameter.shape, name=str(_parameter.shape)).double()
SAMPLES = {"x1": ("sample", "x2"), "x2": ("sample", "x1"), "x": ("sample",)}
MODULE = {"module": NET, "x1": normal(3, 3).double()}
PRECISION = {"dtype": torch.float64, "accumulate": torch.float64, "check_batches": True}


def _y() -> Tensor:
    return normal(3, 2, name="y").double()


def _p() -> Tensor:
    return normal(3, 2, name="p").double().softmax(-1)


def _tiling(**changes: Any) -> ntk.Tiling:
    settings: dict[str, Any] = {"form": "symmetric", "n1": 3, "n2": 3, "num_outputs": None}
    settings |= {"tile": 2, "dtype": "float64", "key": "key"}
    return ntk.Tiling(**(settings | changes))


def _stored(name: str, kernel: Tensor, form: str) -> ntk.TileStore:
    n1, n2 = kernel.shape
    tiling = _tiling(form=form, n1=n1, n2=n2, key=name)
    store = ntk.TileStore.create(Path(FOLDER.name) / name, tiling)
    for i, j in tiling.places():
        store.write(i, j, kernel[tiling.rows[i], tiling.columns[j]])
    return store


STORE = _stored("square", KERNEL, "symmetric")
CROSS_STORE = _stored("cross", CROSS, "rectangular")
MODEL = ntk.solve(KERNEL, _y())


def _block(kernel: Tensor, k: int) -> Tensor:
    """A kernel in any layout as one matrix of samples and outputs."""
    kernel = double(kernel)
    if kernel.dim() == 2:
        kernel = kernel.expand(k, *kernel.shape)
    if kernel.dim() == 3:
        kernel = torch.diag_embed(kernel.permute(1, 2, 0))
    return kernel.permute(0, 2, 1, 3).flatten(2).flatten(0, 1)


def _times(kernel: Tensor, dual: Tensor) -> Tensor:
    """K @ dual, whatever the layout."""
    k = dual.shape[-1]
    moved = dual.flatten(-2) @ _block(kernel, k).T
    return moved.view(*dual.shape[:-2], moved.shape[-1] // k, k)


def _solves(found: ntk.Solution, kernel: Tensor, targets: Tensor) -> bool:
    """Whether (K + (ridge + jitter) scale) dual are the targets, for each ridge."""
    many = isinstance(found.ridge, tuple)
    ridges = torch.tensor(found.ridge if many else [found.ridge], dtype=torch.float64)
    duals = found.dual if many else found.dual[None]
    fitted = [
        _times(kernel, dual) + (ridge + found.jitter) * found.scale * dual
        for ridge, dual in zip(ridges, duals, strict=True)
    ]
    return finite(targets) and near(torch.stack(fitted), double(targets).expand(duals.shape))


def _ridge(found: ntk.Solution | ntk.Factor, ridge: Any) -> bool:
    return type(found.ridge) in (int, float) and found.ridge == float(ridge)


def _decomposed(found: ntk.Spectrum, a: dict[str, Any]) -> bool:
    built = found.vectors * found.values[:, None] @ found.vectors.mT
    kernel = double(a["kernel"])
    wanted = kernel[None] if kernel.dim() == 2 else _block(kernel, 1)[None]
    return near(built, kernel if kernel.dim() == 3 else wanted) and finite(built)


def _flowed(found: ntk.FlowModel, a: dict[str, Any]) -> bool:
    given = KERNEL if isinstance(a["kernel"], ntk.TileStore | ntk.Spectrum) else a["kernel"]
    gap = double(a["targets"]) - (0 if a.get("start") is None else double(a["start"]))
    kernel = _block(given, gap.shape[-1])
    times = [float(time) for time in a["times"]]
    moved = []
    for time in times:
        rest = torch.matrix_exp(-kernel * time / gap.shape[-2]) if time < math.inf else 0 * kernel
        moved.append((gap.flatten(-2) @ (torch.eye(len(kernel)) - rest).T).view(gap.shape))
    reached = torch.stack([_times(given, dual) for dual in found.dual])
    plain = [*found.times] == times and {*map(type, found.times)} <= {int, float}
    return near(reached, torch.stack(moved)) and finite(gap) and plain


def _descended(found: ntk.Descent, a: dict[str, Any]) -> bool:
    y = double(a["targets"])
    dual = torch.zeros_like(y)
    for _ in range(int(a["steps"])):
        outputs = _times(a["kernel"], dual)
        outputs = outputs if a.get("start") is None else outputs + double(a["start"])
        pull = outputs if a["loss"] == "squared" else outputs.softmax(-1)
        dual = dual - found.learning_rate * (pull - y) / y.shape[-2]
    rate = a.get("learning_rate")
    right = rate is None or (found.learning_rate == float(rate) and _plain(found))
    return near(found.dual[-1], dual) and found.steps[-1] == a["steps"] and finite(dual) and right


def _plain(found: ntk.Descent) -> bool:
    return type(found.learning_rate) in (int, float) and {*map(type, found.steps)} == {int}


def _fits_as_kernel_methods(found: ntk.FittedKernels, a: dict[str, Any]) -> bool:
    """Whether a model of one kind predicts its training samples as the four methods together."""
    kernels = [double(each) for each in a["kernels"]]
    settings = {name: a[name] for name in ("ridge", "temperature", "student_ridge")}
    pairs = [(each, each) for each in kernels]
    outputs = ntk.kernel_methods(pairs, a["targets"], **settings)
    expected = getattr(outputs, a["kind"])
    own = found(kernels)
    return near(own[:, 0] if a["kind"] == "distilled" else own, expected)


def _compared(
    fit: Callable[[dict[str, Any], Tensor, Tensor, bool], ntk.DualModel],
    teach: Callable[[dict[str, Any], Tensor], Tensor],
) -> Callable[[Any, dict[str, Any]], bool]:
    """The four methods, put together from single fits."""

    def right(found: ntk.KernelOutputs, a: dict[str, Any]) -> bool:
        pairs = [(double(train), double(test)) for train, test in a["kernels"]]
        models = [fit(a, train, a["targets"], False) for train, _ in pairs]
        own = [ntk.predict(pair[0], m) for pair, m in zip(pairs, models, strict=True)]
        single = [ntk.predict(pair[1], m) for pair, m in zip(pairs, models, strict=True)]
        train, test = (torch.stack(each).sum(0) for each in zip(*pairs, strict=True))
        student = fit(a, pairs[0][0], teach(a, torch.stack(own).mean(0)), True)
        return (
            near(found.single, torch.stack(single, 1))
            and near(found.ensemble, torch.stack(single).mean(0))
            and near(found.summed, ntk.predict(test, fit(a, train, a["targets"], False)))
            and near(found.distilled, ntk.predict(pairs[0][1], student))
            and finite(found.single, found.distilled, found.summed)
        )

    return right


def _ridge_fit(a: dict[str, Any], kernel: Tensor, y: Tensor, student: bool) -> ntk.DualModel:
    own = student and a["student_ridge"] is not None
    return ntk.solve(kernel, y, a["student_ridge" if own else "ridge"])


def _ridge_teach(a: dict[str, Any], outputs: Tensor) -> Tensor:
    return outputs if a["temperature"] is None else ntk.soft_targets(outputs, a["temperature"])


def _descent_fit(a: dict[str, Any], kernel: Tensor, y: Tensor, student: bool) -> ntk.DualModel:
    steps = a["student_steps"] if student and a["student_steps"] is not None else a["steps"]
    rate = ntk.descend(kernel, y, steps=0).learning_rate * a["relative_rate"]
    end = ntk.descend(kernel, y, steps=steps, learning_rate=rate)
    scale = a["temperature"] if student else 1.0
    return ntk.DualModel(dual=scale * end.dual[-1], layout=end.layout)


def _descent_teach(a: dict[str, Any], outputs: Tensor) -> Tensor:
    return (outputs / a["temperature"]).softmax(-1)


def _gram(found: Tensor, a: dict[str, Any]) -> bool:
    """Equal to the kernel from one gradient a sample and output."""
    x1, x2 = (None if x is None else x.double() for x in (a["x1"], a.get("x2")))
    wanted = explicit_gram(NET, x1, x1 if x2 is None else x2, a["outputs"])
    return near(found, wanted) and finite(found) and found.dtype == a.get("accumulate", found.dtype)


def _planned(plan: Any, a: dict[str, Any]) -> bool:
    whole = 1 <= plan.held <= a["n1"] and 1 <= plan.together <= plan.num_outputs
    asked = a["chunk_size"] is None or plan.held == min(a["chunk_size"], a["n1"])
    kind = {type(plan.held), type(plan.bytes_held)} == {int}
    return whole and asked and kind and 0 < plan.flop < math.inf


def _sketched(found: Tensor, a: dict[str, Any]) -> bool:
    """The derivatives along the directions that the generator draws."""
    size = sum(p.numel() for p in NET.parameters())
    generator = stream(0) if isinstance(a["generator"], torch.Generator) else stream(0, "sketch")
    drawn = [torch.randn(size, generator=generator) for _ in range(int(a["width"]))]
    directions = torch.stack(drawn).double() / len(drawn) ** 0.5
    wanted = explicit_jacobian(NET, a["x"].double()).transpose(0, 1) @ directions.T
    return near(found, wanted) and finite(found)


def _patches(found: Tensor, a: dict[str, Any]) -> bool:
    w = double(a["weight"])
    x1, x2 = (double(a["x1"] if x is None else x) for x in (a["x1"], a["x2"]))
    features = []
    for x in (x1, x2):
        z = torch.einsum("npd,...md->...nmp", x, w)
        slope = (z.clamp(0, a["relu_knee"]) / a["relu_knee"]) ** (a["q"] - 1) * (z > 0)
        features.append(torch.einsum("...nmp,npd->...nmd", slope, x).flatten(-2))
    return near(found, features[0] @ features[1].mT) and finite(found) and w.dim() in (3, 4)


def _one_hot(found: Tensor, a: dict[str, Any]) -> bool:
    k = int(a["num_classes"])
    wanted = torch.full((len(a["labels"]), k), -1 / k)
    wanted[range(len(wanted)), a["labels"].long()] += 1
    return near(found, wanted)


def _softened(found: Tensor, a: dict[str, Any]) -> bool:
    p = (double(a["outputs"]) / a["temperature"]).softmax(-1)
    return near(found, p - 1 / p.shape[-1]) and finite(found)


def _named(found: str, a: dict[str, Any]) -> bool:
    """32 hexadecimal digits, and the same ones a second time."""
    return len(found) == 32 and int(found, 16) >= 0 and found == ntk.fingerprint(**a)


def _apart(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function in an empty folder of its own, in which relative paths lie."""

    def call(**arguments: Any) -> Any:
        with tempfile.TemporaryDirectory(dir=FOLDER.name) as folder, contextlib.chdir(folder):
            return function(**arguments)

    return call


def _filled(**arguments: Any) -> tuple[list[Any], Tensor]:
    """What ``fill_tiles`` left out, and the kernel it wrote."""
    store = ntk.fill_tiles(**arguments)
    return store.missing(), store.dense()


def _created(**arguments: Any) -> bool:
    """Whether what is begun can be opened."""
    store = ntk.TileStore.create(**arguments)
    return ntk.TileStore.open(arguments["directory"]) == store and store.shape == (3, 3)


def _upper(**arguments: Any) -> tuple[ntk.Factor, Tensor]:
    factor = ntk.factor_tiles(**arguments)
    return factor, factor.tiles.dense()


def _factored(found: tuple[ntk.Factor, Tensor], a: dict[str, Any]) -> bool:
    factor, upper = found
    shift = (factor.ridge + factor.jitter) * torch.eye(3)
    return near(upper.mT @ upper, KERNEL / factor.scale + shift) and _ridge(factor, a["ridge"])


def _pairs() -> list[tuple[Tensor, Tensor]]:
    return [(KERNEL.clone(), CROSS.clone()), (2 * KERNEL + torch.eye(3), CROSS + 1)]


KERNELS = {"kernel": ("kernel", "targets"), "kernels": ("kernel", "k_test_train", "targets")}
CALLS = {
    # What functions return.
    "DualModel": Call(
        function=ntk.DualModel, arguments=lambda: {"dual": _y(), "layout": TRACE}, right=holds
    ),
    "Descent": Call(
        function=ntk.Descent,
        arguments=lambda: {
            "dual": _y()[None], "layout": TRACE, "steps": (1,), "losses": normal(1),
            "learning_rate": 0.5,
        },
        right=holds,
    ),
    "FlowModel": Call(
        function=ntk.FlowModel,
        arguments=lambda: {"dual": _y()[None], "layout": TRACE, "times": (1.0,)},
        right=holds,
    ),
    "Solution": Call(
        function=ntk.Solution,
        arguments=lambda: {
            "dual": _y(), "layout": TRACE, "scale": torch.ones(1), "jitter": torch.zeros(1),
            "ridge": 0.1,
        },
        right=holds,
    ),
    "Spectrum": Call(
        function=ntk.Spectrum,
        arguments=lambda: {
            "values": torch.ones(1, 3), "vectors": torch.eye(3)[None], "scale": torch.ones(1),
            "negative": torch.zeros(1), "layout": TRACE,
        },
        right=holds,
    ),
    "Factor": Call(
        function=ntk.Factor,
        arguments=lambda: {
            "tiles": STORE, "layout": TRACE, "scale": torch.ones(1), "jitter": torch.zeros(1),
            "ridge": 0.1,
        },
        right=holds,
    ),
    "FittedKernels": Call(
        function=ntk.FittedKernels,
        arguments=lambda: {"kind": "single", "models": (ntk.DualModel(dual=_y(), layout=TRACE),)},
        right=holds,
    ),
    "KernelOutputs": Call(
        function=ntk.KernelOutputs,
        arguments=lambda: {
            "single": normal(2, 2, 2), "ensemble": normal(2, 2), "summed": normal(2, 2),
            "distilled": normal(2, 2), "jitter": 0.5,
        },
        right=holds,
    ),
    "TileError": Call(
        function=lambda message: ntk.TileError(message),
        arguments=lambda: {"message": "no tile"},
        right=lambda error, a: isinstance(error, ValueError) and error.args == (a["message"],),
    ),
    # Kernels.
    "gram": Call(
        function=ntk.gram,
        arguments=lambda: {
            **MODULE, **PRECISION, "x2": normal(2, 3, name="x2").double(), "outputs": "full",
            "method": "auto", "chunk_size": 2, "memory": 10**6,
        },
        right=_gram,
        says=SAMPLES,
    ),
    "gram, symmetric": Call(
        function=ntk.gram,
        arguments=lambda: {**MODULE, "outputs": "trace"},
        right=_gram,
        says=SAMPLES,
    ),
    "plan_gram": Call(
        function=ntk.plan_gram,
        arguments=lambda: {
            "module": NET, "x": normal(2, 3).double(), "n1": 3, "n2": 4, "outputs": "per_class",
            "method": "auto", "chunk_size": 2, "memory": 10**6, "dtype": torch.float64,
        },
        right=_planned,
        says=SAMPLES,
    ),
    "patch_net_gram": Call(
        function=ntk.patch_net_gram,
        arguments=lambda: {
            "weight": normal(2, 2, 4, name="w").double(), "x1": normal(3, 2, 4).double(),
            "x2": normal(2, 2, 4, name="x2").double(), "q": 3.0, "relu_knee": 1.5,
            "order": "auto", "dtype": torch.float64,
        },
        right=_patches,
        says=SAMPLES,
    ),
    "sketch": Call(
        function=ntk.sketch,
        arguments=lambda: {
            "module": NET, "x": normal(3, 3).double(), "width": 4, "generator": stream(0),
            "chunk_size": 2, "dtype": torch.float64,
        },
        right=_sketched,
        says=SAMPLES,
    ),
    "fingerprint": Call(
        function=ntk.fingerprint,
        arguments=lambda: {
            **MODULE, "x2": normal(2, 3, name="x2").double(), "outputs": "trace", "tile": 2,
            "dtype": torch.float64, "accumulate": torch.float64, "method": "auto",
        },
        right=_named,
        says=SAMPLES,
    ),
    # Fits.
    "centred_one_hot": Call(
        function=ntk.centred_one_hot,
        arguments=lambda: {"labels": labels(), "num_classes": 3},
        right=_one_hot,
        says={"num_classes": ("labels",)},
    ),
    "solve": Call(
        function=ntk.solve,
        arguments=lambda: {"kernel": KERNEL.clone(), "targets": _y(), "ridge": 0.1},
        right=lambda found, a: (
            _solves(found, a["kernel"], a["targets"]) and _ridge(found, a["ridge"])
        ),
        says=KERNELS,
    ),
    "solve, a kernel each": Call(
        function=ntk.solve,
        arguments=lambda: {"kernel": torch.stack([KERNEL, 2 * KERNEL]), "targets": _y()},
        right=lambda found, a: _solves(found, a["kernel"], a["targets"]),
        says=KERNELS,
    ),
    "predict": Call(
        function=ntk.predict,
        arguments=lambda: {"k_test_train": CROSS.clone(), "model": MODEL},
        right=lambda found, a: (
            near(found, _times(a["k_test_train"], a["model"].dual)) and finite(found)
        ),
        says={"k_test_train": ("kernel",)},
    ),
    "decompose": Call(
        function=ntk.decompose,
        arguments=lambda: {"kernel": KERNEL.clone()},
        right=_decomposed,
    ),
    "ridge_path": Call(
        function=ntk.ridge_path,
        arguments=lambda: {
            "spectrum": ntk.decompose(KERNEL), "targets": _y(), "ridges": [0.1, 1.0],
        },
        right=lambda found, a: (
            _solves(found, KERNEL, a["targets"]) and [*found.ridge] == [*map(float, a["ridges"])]
        ),
    ),
    "gradient_flow": Call(
        function=ntk.gradient_flow,
        arguments=lambda: {
            "kernel": KERNEL.clone(), "targets": _y(), "times": [0.5, 2.0], "start": _y() / 2,
        },
        right=_flowed,
        says=KERNELS | {"targets": ("start",)},
    ),
    "gradient_flow, of a spectrum": Call(
        function=ntk.gradient_flow,
        arguments=lambda: {"kernel": ntk.decompose(KERNEL), "targets": _y(), "times": [0.5, 2.0]},
        right=_flowed,
    ),
    "gradient_flow, of a store": Call(
        function=ntk.gradient_flow,
        arguments=lambda: {"kernel": STORE, "targets": _y(), "times": [0.5, 2.0]},
        right=_flowed,
    ),
    "descend": Call(
        function=ntk.descend,
        arguments=lambda: {
            "kernel": KERNEL.clone(), "targets": _p(), "loss": "cross_entropy", "steps": 3,
            "learning_rate": 0.2, "start": _y(), "record_every": 2,
        },
        right=_descended,
        says=KERNELS | {"targets": ("start",)},
    ),
    "descend, at the safe rate": Call(
        function=ntk.descend,
        arguments=lambda: {
            "kernel": KERNEL.clone(), "targets": _y(), "loss": "squared", "steps": 3,
        },
        right=_descended,
        says=KERNELS | {"loss": ("targets",)},
    ),
    "soft_targets": Call(
        function=ntk.soft_targets,
        arguments=lambda: {"outputs": _y(), "temperature": 2.0},
        right=_softened,
    ),
    "kernel_methods": Call(
        function=ntk.kernel_methods,
        arguments=lambda: {
            "kernels": _pairs(), "targets": _y(), "ridge": 0.1, "temperature": 2.0,
            "student_ridge": 0.2,
        },
        right=_compared(_ridge_fit, _ridge_teach),
        says=KERNELS,
    ),
    "fit_kernels": Call(
        function=ntk.fit_kernels,
        arguments=lambda: {
            "kind": "distilled", "kernels": [train for train, _ in _pairs()], "targets": _y(),
            "ridge": 0.1, "temperature": 2.0, "student_ridge": 0.2,
        },
        right=_fits_as_kernel_methods,
        says=KERNELS,
    ),
    "descent_methods": Call(
        function=ntk.descent_methods,
        arguments=lambda: {
            "kernels": _pairs(), "targets": _p(), "steps": 3, "student_steps": 2,
            "temperature": 2.0, "relative_rate": 0.5,
        },
        right=_compared(_descent_fit, _descent_teach),
        says=KERNELS,
    ),
    # On disk.
    "Tiling": Call(
        function=ntk.Tiling,
        arguments=lambda: {
            "form": "symmetric", "n1": 3, "n2": 3, "num_outputs": 2, "tile": 2,
            "dtype": "float64", "key": "key", "version": 1,
        },
        right=lambda found, a: (
            keeps(found, a) and len(found.shape) == 2 + (found.num_outputs is not None)
        ),
    ),
    "TileStore": Call(
        function=ntk.TileStore,
        arguments=lambda: {"directory": FOLDER.name, "tiling": _tiling()},
        right=lambda found, a: found.shape == (3, 3),
    ),
    "TileStore, begun": Call(
        function=_apart(_created),
        arguments=lambda: {"directory": "kernels", "tiling": _tiling()},
        right=lambda found, a: found,
    ),
    "fill_tiles": Call(
        function=_apart(_filled),
        arguments=lambda: {
            **MODULE, **PRECISION, "directory": "kernels", "x2": normal(2, 3, name="x2").double(),
            "outputs": "per_class", "tile": 2, "method": "auto", "executor": None,
            "progress": lambda done, total: None,
        },
        right=lambda found, a: found[0] == [] and _gram(found[1], a),
        says=SAMPLES,
    ),
    "factor_tiles": Call(
        function=_apart(_upper),
        arguments=lambda: {"store": STORE, "directory": "kernels", "ridge": 0.1},
        right=_factored,
    ),
    "solve_tiles": Call(
        function=_apart(ntk.solve_tiles),
        arguments=lambda: {
            "store": STORE, "targets": _y(), "ridge": 0.1, "directory": "kernels",
        },
        right=lambda found, a: _solves(found, KERNEL, a["targets"]) and _ridge(found, a["ridge"]),
    ),
    "predict_tiles": Call(
        function=ntk.predict_tiles,
        arguments=lambda: {"k_test_train": CROSS_STORE, "model": MODEL},
        right=lambda found, a: near(found, CROSS @ MODEL.dual),
    ),
}  # fmt: skip
