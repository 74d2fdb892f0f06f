"""ModuleSetting: what networks of any kind are trained on, and how."""

from torch import nn

from multiview import checks
from multiview.bench.nets import NetSpec
from multiview.bench.recipe import Recipe
from multiview.bench.setting import Setting
from multiview.bench.types import Course, DropoutKind
from multiview.rng import stream
from multiview.sparsity import with_gates

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

    @property
    def side_by_side(self) -> bool:
        """Whether students are trained several at once."""
        return self.students.together > 1

    def trainings(self, networks: int, course: Course) -> int:
        """As many at once as the recipe says."""
        return -(-networks // self.of_course(course).together)

    def of_course(self, course: Course) -> Recipe:
        """The recipe of networks on labels, or of whatever is taught."""
        return self.recipe if course == "labels" else self.students

    def __post_init__(self) -> None:
        checks.count("members", self.members, meaning="counts networks")
        checks.instance("recipe", self.recipe, Recipe)
        checks.instance("students", self.students, Recipe)
        if self.students.smoothing != self.recipe.smoothing:
            raise ValueError(
                f"students.smoothing={self.students.smoothing} and recipe.smoothing="
                f"{self.recipe.smoothing}: labels are smoothed alike for all, give both the same."
            )

    def with_net(self, net: NetSpec) -> Setting:
        """Refuse another kind of networks than the user's own."""
        raise ValueError(
            f"net={net} is a kind of networks for images: leave it out, or use an ImageSetting."
        )

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


def check_gates(net: nn.Module, dropout: float | tuple[float, ...]) -> None:
    """Refuse a network that cannot have such gates; it is left as it is.

    Raises:
        ValueError: As ``with_gates``, naming the network.
    """
    try:
        with_gates(net, dropout, stream(0, "gates"))
    except ValueError as error:
        raise ValueError(f"{type(net).__name__} cannot have these gates: {error}") from error
