"""What training on groups of inputs will take."""

from collections.abc import Sequence
from dataclasses import replace

from multiview.bench import Cell, Context, Setting
from multiview.bench import cost as costs
from multiview.bench.recipe import fast_recipe
from theory_experiments.views.shown_groups import GroupSetting


def cost(cells: Sequence[Cell], context: Context) -> costs.Cost | None:
    """What the cells on real images will take, without the net below the layer."""

    def quick(cell: Cell) -> Cell:
        if not isinstance(cell.setting, GroupSetting):
            return cell
        few = {"num_pretrain": 100, "pretrain": fast_recipe(epochs=1)}
        return replace(cell, setting=replace(cell.setting, **few))

    found = costs.cost(map(quick, cells), context)
    below = max((_below(each.setting, context) for each in cells), default=0.0)
    return found and replace(found, memory=max(found.memory, costs.PROGRAM + below))


def _below(setting: Setting, context: Context) -> float:
    """Bytes of all images while the net below the layer is trained; its own thrice, augmented."""
    if not isinstance(setting, GroupSetting) or setting.inputs != "layer":
        return 0.0
    images = setting.images(0, context).train_images[:1]
    number = 3 * setting.num_pretrain + (setting.num_train or 0) + (setting.num_test or 0)
    return 4.0 * number * images.numel()
