"""The settings in which methods are compared: synthetic patches, and images of three data sets."""

from dataclasses import replace

from multiview import checks
from multiview.bench import PatchSetting, Setting, Sgd
from multiview.bench.images import ImageSetting
from multiview.bench.nets import Dense, Fast, LeNet, Quick, Residual
from multiview.bench.recipe import fast_recipe
from multiview.bench.settings import SGD, SPEC
from multiview.data.images import READERS

NETS = {
    "fast": Fast(widths=(16, 32, 64)),
    "quick": Quick(),
    "dense": Dense(widths=(128, 64), dropout=0.2),
    "lenet": LeNet(),
    "resnet": Residual(depth=20),
    "wide_resnet": Residual(depth=16, widen=1),
}
# Members, their sum and networks with dropout take the steps of ``labels``; whatever is taught, has
# gates or is launched takes those of ``students``. Chosen on the seeds 1000 to 1005.
PATCHES = PatchSetting(
    spec=replace(SPEC, mu=0.02),
    num_train=400,
    members=4,
    q=3,
    training=Sgd(labels=SGD, students=replace(SGD, epochs=200)),
)


def setting_of(
    name: str,
    net: str | None = None,
    members: int | None = None,
    num_train: int | None = None,
    epochs: int | None = None,
) -> Setting:
    """The setting of this name.

    Args:
        net: Kind of network on images; None: "fast".
        members, num_train, epochs: None: as the setting has them, 4 members.

    Raises:
        ValueError: If there is no such setting or network, or patches are given a network.
    """
    counts = {"members": members, "num_train": num_train, "epochs": epochs}
    for what, value in counts.items():
        if value is not None:
            checks.count(what, value)
    members = 4 if members is None else members
    if name == "patches":
        return _patches(net, members, num_train, epochs)
    if name not in READERS:
        raise ValueError(f"setting={name!r} is none of patches, {', '.join(READERS)}.")
    chosen = net or "fast"
    if chosen not in NETS:
        raise ValueError(f"net={chosen!r} is none of {', '.join(NETS)}.")
    recipe = fast_recipe(epochs=epochs or 20)
    if name == "mnist":  # a digit's mirror image is no digit
        recipe = replace(recipe, flip=False)
    return ImageSetting(
        data=name,
        net=NETS[chosen],
        members=members,
        num_train=num_train or 2000,
        recipe=recipe,
        students=recipe,
    )


def _patches(
    net: str | None, members: int, num_train: int | None, epochs: int | None
) -> PatchSetting:
    if net is not None:
        raise ValueError(
            f"net={net!r} is a network of images, and patches have their own: leave it out."
        )
    setting = replace(PATCHES, members=members, num_train=num_train or PATCHES.num_train)
    if epochs is None:
        return setting
    optim = replace(SGD, epochs=epochs)
    return replace(setting, training=Sgd(labels=optim, students=optim))
