"""The twenty superclasses of CIFAR-100, five classes each, as its authors publish them."""

from collections.abc import Sequence

from multiview import checks

# By name, https://www.cs.toronto.edu/~kriz/cifar.html; the files number them in this order.
SUPERCLASSES: dict[str, tuple[str, ...]] = {
    name: tuple(classes.split())
    for name, classes in {
        "aquatic_mammals": "beaver dolphin otter seal whale",
        "fish": "aquarium_fish flatfish ray shark trout",
        "flowers": "orchid poppy rose sunflower tulip",
        "food_containers": "bottle bowl can cup plate",
        "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
        "household_electrical_devices": "clock keyboard lamp telephone television",
        "household_furniture": "bed chair couch table wardrobe",
        "insects": "bee beetle butterfly caterpillar cockroach",
        "large_carnivores": "bear leopard lion tiger wolf",
        "large_man-made_outdoor_things": "bridge castle house road skyscraper",
        "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
        "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
        "medium_mammals": "fox porcupine possum raccoon skunk",
        "non-insect_invertebrates": "crab lobster snail spider worm",
        "people": "baby boy girl man woman",
        "reptiles": "crocodile dinosaur lizard snake turtle",
        "small_mammals": "hamster mouse rabbit shrew squirrel",
        "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
        "vehicles_1": "bicycle bus motorcycle pickup_truck train",
        "vehicles_2": "lawn_mower rocket streetcar tank tractor",
    }.items()
}


def superclasses_of(class_names: Sequence[str]) -> tuple[int, ...]:
    """The superclass of each class, as a position in ``SUPERCLASSES``.

    Raises:
        ValueError: If a name is none of CIFAR-100's.
    """
    places = {name: i for i, group in enumerate(SUPERCLASSES.values()) for name in group}
    unknown = [name for name in checks.items("class_names", class_names) if name not in places]
    if unknown:
        raise ValueError(
            f"class_names={unknown} are no classes of CIFAR-100: give those of its meta file."
        )
    return tuple(places[name] for name in class_names)
