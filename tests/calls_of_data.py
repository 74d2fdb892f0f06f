"""Calls of multiview, multiview.data, .ensemble, .rng and .theory."""

from itertools import islice
from typing import Any

import numpy as np
import torch
from one_call import FEATURES, SPEC, Call, batch, double, finite, near, normal

from multiview import ensemble, stream, theory
from multiview.data import (
    MultiViewDataset,
    MultiViewSpec,
    MultiViewStream,
    PatchBatch,
    make_features,
    sample_patches,
    stream_patches,
    tensor_batches,
)

FIELDS = {
    "num_classes": 3, "num_views": 2, "patch_dim": 8, "num_patches": 6, "patches_per_feature": 1,
    "sparsity": 1.5, "mu": 0.5, "rho": 0.1, "gamma_other": (0.1, 0.3), "gamma_noise": 0.1,
    "sigma_p": 0.1, "sigma_background": 0.2, "label_strength": (1.0, 1.2), "other_strength": 0.1,
}  # fmt: skip
ENTRIES = [{"pixels": torch.ones(()), "classes": torch.zeros(())}]


def _drawable(spec: MultiViewSpec, a: dict[str, Any]) -> bool:
    given = {name: tuple(x) if isinstance(x, list) else x for name, x in a.items()}
    same = all(getattr(spec, name) == value for name, value in given.items())
    drawn = sample_patches(spec, make_features(spec, stream(0)), 3, stream(1))
    return same and finite(drawn.patches) and len(drawn) == 3


def _samples(found: PatchBatch, a: dict[str, Any]) -> bool:
    spec, n = a["spec"], int(a["n"])
    oracle = sample_patches(spec, double(a["features"]).float(), n, stream(0, "draw"), a["kind"])
    shape = (n, spec.num_patches, spec.patch_dim)
    return found.patches.shape == shape and near(found.patches, oracle.patches)


def _streamed(found: list[PatchBatch], a: dict[str, Any]) -> bool:
    sizes = [len(each) for each in found]
    return sum(sizes) == int(a["n"]) and all(size <= int(a["at_once"]) for size in sizes)


def _orthonormal(found: torch.Tensor, a: dict[str, Any]) -> bool:
    flat = double(found).flatten(0, 1)
    return near(flat @ flat.T, torch.eye(len(flat)))


def _same_stream(found: torch.Generator, a: dict[str, Any]) -> bool:
    names = [a["name"], a["member"]]
    ints = all(type(x) in (int, str) for x in [a["seed"], *names])
    return ints and torch.equal(found.get_state(), stream(a["seed"], *names).get_state())


def _lost(found: float, a: dict[str, Any]) -> bool:
    """With as many views learned as there are, what occurs decides; between, it interpolates."""
    learned = a["views_learned"] * (a["spec"].num_classes - 1)
    low, high = int(np.floor(learned)), int(np.ceil(learned))
    ends = [theory.lost_error(a["spec"], x / (a["spec"].num_classes - 1)) for x in (low, high)]
    return 0 <= found <= 1 and near(found, ends[0] + (learned - low) * (ends[1] - ends[0]))


CALLS = {
    "MultiViewSpec": Call(function=MultiViewSpec, arguments=FIELDS.copy, right=_drawable),
    "PatchBatch": Call(
        function=PatchBatch,
        arguments=lambda: {name: x.clone() for name, x in vars(batch()).items()},
        right=lambda found, a: all(getattr(found, name) is x for name, x in a.items()),
    ),
    "make_features": Call(
        function=make_features,
        arguments=lambda: {"spec": SPEC, "generator": stream(0)},
        right=_orthonormal,
    ),
    "sample_patches": Call(
        function=sample_patches,
        arguments=lambda: {
            "spec": SPEC,
            "features": FEATURES.clone(),
            "n": 4,
            "generator": stream(0, "draw"),
            "kind": "mixed",
        },
        right=_samples,
    ),
    "stream_patches": Call(
        function=lambda **a: [*stream_patches(**a)],
        arguments=lambda: {
            "spec": SPEC,
            "features": FEATURES.clone(),
            "n": 4,
            "generator": stream(0, "draw"),
            "kind": "mixed",
            "at_once": 3,
        },
        right=_streamed,
    ),
    "MultiViewDataset": Call(
        function=MultiViewDataset,
        arguments=lambda: {
            "spec": SPEC,
            "features": FEATURES.clone(),
            "n": 4,
            "generator": stream(0, "draw"),
            "kind": "mixed",
            "fields": ["patches", "labels"],
        },
        right=lambda found, a: (
            [*found.fields] == [*a["fields"]]
            and (isinstance(a["generator"], int) or _samples(found.batch, a))
        ),
    ),
    "MultiViewStream": Call(
        function=MultiViewStream,
        arguments=lambda: {
            "spec": SPEC,
            "features": FEATURES.clone(),
            "generator": 3,
            "kind": "mixed",
            "n": 4,
            "fields": ["patches", "labels"],
        },
        right=lambda found, a: (
            len(list(islice(found, 5))) == (a["n"] or 5) and [*found.fields] == [*a["fields"]]
        ),
    ),
    "tensor_batches": Call(
        function=lambda inputs, labels: [*tensor_batches(ENTRIES, inputs, labels)],
        arguments=lambda: {"inputs": "pixels", "labels": "classes"},
        right=lambda found, a: (
            [*found[0]] == [ENTRIES[0][a["inputs"]], ENTRIES[0][a["labels"]]]
            if a["labels"]
            else found == [ENTRIES[0][a["inputs"]]]
        ),
    ),
    "stream": Call(
        function=lambda seed, name, member: stream(seed, name, member),
        arguments=lambda: {"seed": 3, "name": "init", "member": 1},
        right=_same_stream,
        says={"member": ("name",)},
    ),
    "mean_logits": Call(
        function=ensemble.mean_logits,
        arguments=lambda: {"logits": normal(5, 2, 3)},
        right=lambda found, a: near(found, double(a["logits"]).mean(1)),
    ),
    "mean_probabilities": Call(
        function=ensemble.mean_probabilities,
        arguments=lambda: {"logits": normal(5, 2, 3)},
        right=lambda found, a: near(found, double(a["logits"]).softmax(-1).mean(1)),
    ),
    "single_view_error": Call(
        function=theory.single_view_error,
        arguments=lambda: {"coverage": 0.4, "lost": 0.9},
        right=lambda found, a: 0 <= found <= 1 and near(found, (1 - a["coverage"]) * a["lost"]),
    ),
    "mixed_error": Call(
        function=theory.mixed_error,
        arguments=lambda: {"mu": 0.3, "single": 0.5, "multi": 0.1},
        right=lambda found, a: (
            near(found, a["mu"] * a["single"] + (1 - a["mu"]) * a["multi"]) and 0 <= found <= 1
        ),
    ),
    "coverage": Call(
        function=theory.coverage,
        arguments=lambda: {"all_learned": 0.2, "num_views": 3},
        right=lambda found, a: (
            near(found, a["all_learned"] + (1 - a["all_learned"]) / a["num_views"])
            and type(a["num_views"]) is not float
            and 0 < found <= 1
        ),
    ),
    "ensemble_error": Call(
        function=theory.ensemble_error,
        arguments=lambda: {"members": 3, "covered": 0.5},
        right=lambda found, a: near(found, (1 - a["covered"]) ** a["members"]) and 0 <= found <= 1,
    ),
    "kept_coverage": Call(
        function=theory.kept_coverage,
        arguments=lambda: {"members": 3, "kept": 2, "num_views": 4},
        right=lambda found, a: near(
            found, a["kept"] / a["num_views"] * (1 - (1 - 1 / a["kept"]) ** a["members"])
        ),
    ),
    "student_coverage": Call(
        function=theory.student_coverage,
        arguments=lambda: {"teacher": 0.7, "own": 0.5},
        right=lambda found, a: (
            near(found, 1 - (1 - a["teacher"]) * (1 - a["own"])) and 0 <= found <= 1
        ),
    ),
    "lost_error": Call(
        function=theory.lost_error,
        arguments=lambda: {"spec": SPEC, "views_learned": 0.8},
        right=_lost,
    ),
}
