"""ModuleSetting: what networks of any kind are trained on, and how."""

from multiview.bench.recipe import Recipe
from multiview.bench.setting import Setting
from multiview.bench.types import DropoutKind

MOST_KERNEL_SAMPLES = 10_000  # n^2 numbers of a kernel, each of several, in float64


class ModuleSetting(Setting):
    """What networks of any kind are trained on, and how.

    Attributes:
        recipe: Of networks on labels.
        students: Of whatever is taught.
    """

    members: int
    num_train: int | None
    recipe: Recipe
    students: Recipe

    def check_dropout(self, kind: DropoutKind, rate: float | None) -> None:
        """Refuse dropout of patches."""
        if kind == "patch":
            raise ValueError(
                "kind='patch' drops patches of synthetic samples, and these inputs have none: use "
                "kind='neuron'."
            )

    def check_shared(self, shared: int) -> None:
        """Refuse to share layers of networks that have no booster made for them."""
        if shared:
            raise ValueError(
                f"shared={shared}: networks here share nothing with a booster: use shared=0."
            )

    def check_kernels(self) -> None:
        """Refuse kernels of too many samples."""
        if self.num_train is None or self.num_train > MOST_KERNEL_SAMPLES:
            raise ValueError(
                f"num_train={self.num_train}: tangent kernels of more than {MOST_KERNEL_SAMPLES} "
                "samples do not fit into memory: use fewer samples, or no kernels."
            )
