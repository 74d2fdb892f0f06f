"""The settings that experiments on synthetic patches share."""

from dataclasses import replace

from multiview.bench import Sgd
from multiview.bench.settings import SGD, SPEC
from multiview.comparison.settings import PATCHES as BY_SGD

SMALL_SPEC = replace(  # of smoke presets
    SPEC, num_classes=4, patch_dim=40, num_patches=8, sparsity=1.2, mu=0.02, sigma_p=40**-0.5
)
PAPER_SPEC = replace(SPEC, patch_dim=300, num_patches=11, mu=0.005, sigma_p=300**-0.5)
__all__ = ["BY_SGD", "PAPER_BY_SGD", "PAPER_SPEC", "SGD", "SMALL_SPEC", "SMOKE_BY_SGD", "SPEC"]

SMOKE_BY_SGD = replace(
    BY_SGD,
    spec=SMALL_SPEC,
    num_train=100,
    members=2,
    width=4,
    training=Sgd(
        labels=replace(SGD, epochs=5, batch_size=50),
        students=replace(SGD, epochs=5, batch_size=50),
    ),
)
PAPER_BY_SGD = replace(BY_SGD, spec=PAPER_SPEC, num_train=2000, members=10, width=20)
