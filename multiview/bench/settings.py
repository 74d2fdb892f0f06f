"""Samples of synthetic patches and an optimiser with which the theory shows at small size."""

from multiview.data import MultiViewSpec
from multiview.train import OptimSpec

# Noise of norm 1 on patches that carry a feature makes single-view training samples memorable.
SPEC = MultiViewSpec(
    patch_dim=120,
    num_patches=9,
    mu=0.01,
    gamma_other=0.25,
    sigma_p=120**-0.5,
    sigma_background=0.0,
    other_strength=(0.3, 0.4),
)
# With q = 3 and momentum a class is learned within some hundred steps; with q = 4, which the
# experiments along the gradient flow have, it takes tens of thousands. Chosen on the seed 1000.
SGD = OptimSpec(epochs=60, batch_size=100, learning_rate=2.0, warmup=0.1, weight_decay=0.0)
