"""What training on groups of inputs will take."""

from collections.abc import Sequence
from dataclasses import replace

from multiview.bench import Cell, Context
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

    return costs.cost(map(quick, cells), context)
