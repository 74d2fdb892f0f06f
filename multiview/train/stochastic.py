"""Dropout switched on or off by itself, in any module, and nothing else of the module changed."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from inspect import signature
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from multiview import checks
from multiview.train.compute import ComputeSpec, chosen, evaluating
from multiview.train.training import forked_rng

# nn.Dropout and its like call these too.
_WITH_SWITCH = {
    function: signature(function)
    for function in (
        functional.dropout,
        functional.dropout1d,
        functional.dropout2d,
        functional.dropout3d,
        functional.alpha_dropout,
        functional.feature_alpha_dropout,
        functional.multi_head_attention_forward,
    )
}
_IN_THIRD_PLACE = {  # (input, p, train)
    getattr(torch, name + ending)
    for name in ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
    for ending in ("", "_")
} | {torch.native_dropout}
_ATTENTION = functional.scaled_dot_product_attention  # has a probability and no switch
_INDEX_IN_ATTENTION = 4
# Whether a switch within another has decided the call already.
_decided: ContextVar[bool] = ContextVar("decided", default=False)


class DropoutSwitch(TorchFunctionMode):
    """Within, all dropout is random (``on``) or none is, whatever mode modules are in.

    Every call of ``torch.nn.functional``'s dropout is met, so it does not matter whether a module
    holds ``nn.Dropout``, whose presence can be looked up, or calls the function. Of switches within
    one another the innermost decides.

    Attributes:
        met: Calls so far that drop with positive probability.

    Raises:
        ValueError: In the forward pass, at a call of ``scaled_dot_product_attention`` with dropout,
            which can be switched off, but not on.
    """

    def __init__(self, *, on: bool) -> None:
        super().__init__()
        self.on = on
        self.met = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if _decided.get():
            return func(*args, **kwargs)
        if func in _WITH_SWITCH:
            named = _WITH_SWITCH[func].bind(*args, **kwargs)
            self.met += named.arguments["p" if "p" in named.arguments else "dropout_p"] > 0
            named.arguments["training"] = self.on
            args, kwargs = named.args, named.kwargs
        elif func in _IN_THIRD_PLACE:
            names = dict(zip(("input", "p", "train"), args, strict=False)) | kwargs
            self.met += names["p"] > 0
            args, kwargs = (names["input"], names["p"], self.on), {}
        elif func is _ATTENTION:
            args, kwargs = self._attention(args, kwargs)
        else:
            return func(*args, **kwargs)
        token = _decided.set(True)
        try:
            return func(*args, **kwargs)
        finally:
            _decided.reset(token)

    def _attention(self, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        index = _INDEX_IN_ATTENTION
        p = args[index] if len(args) > index else kwargs.get("dropout_p", 0.0)
        if p > 0 and self.on:
            raise ValueError(
                f"scaled_dot_product_attention drops with probability {p} and cannot be switched "
                "apart from its module's mode: use nn.MultiheadAttention, or functional.dropout "
                "with training=self.training."
            )
        if len(args) > index:
            return (*args[:index], 0.0, *args[index + 1 :]), kwargs
        return args, kwargs | {"dropout_p": 0.0}


def stochastic(module: nn.Module, compute: ComputeSpec | None = None) -> Callable[[Tensor], Tensor]:
    """The module as a function in eval mode but for its dropout, without gradient.

    The mirror of ``frozen``: a teacher by dropout masks. Each sample has masks of its own, drawn
    anew at each call from torch's global generator (``forked_rng`` makes that follow from another).
    Running statistics are used and kept, not updated.

    Args:
        compute: As of ``frozen``; never compiled, which would not see the switch.

    Raises:
        ValueError: Here or at the first call, if dropout cannot be switched: no dropout was met, an
            ``nn.LSTM``, ``GRU`` or ``RNN`` drops between its layers, attention drops outside of
            ``nn.MultiheadAttention``, or a call of dropout is made in train mode only. What a
            TorchScript module, or a branch that the first batch did not take, does is not seen.
    """
    checks.module("module", module)
    for name, part in module.named_modules():
        if isinstance(part, nn.RNNBase) and part.dropout > 0 and part.num_layers > 1:
            raise ValueError(
                f"{name or 'module'} is a recurrent net with dropout={part.dropout} inside, which "
                "cannot be switched by itself: stack one-layer nets with nn.Dropout between them."
            )
    function = replace(chosen(compute), compile=False).prepared(module)
    checked = False

    def outputs(inputs: Tensor) -> Tensor:
        nonlocal checked
        with evaluating(module), DropoutSwitch(on=True) as switch:
            values = function(inputs)
        if not checked:
            _check_dropout_met(switch.met, _met_in_train_mode(module, inputs))
            checked = True
        return values

    return outputs


def _met_in_train_mode(module: nn.Module, inputs: Shaped[Tensor, "n ..."]) -> int:
    """Calls of dropout of a copy in train mode."""
    probe = copy.deepcopy(module).train()
    few = inputs[:2].repeat_interleave(2, 0)  # BatchNorm takes no single value
    unmoved = forked_rng(torch.Generator(), inputs.device)
    with unmoved, torch.no_grad(), DropoutSwitch(on=True) as switch:
        probe(few)
    return switch.met


def _check_dropout_met(met: int, in_train_mode: int) -> None:
    if in_train_mode > met:
        raise ValueError(
            f"{in_train_mode - met} of {in_train_mode} calls of dropout are made in train mode "
            "only: replace `if self.training:` before functional.dropout by its argument "
            "training=self.training."
        )
    if met == 0:
        raise ValueError(
            "no dropout of positive probability was met in the module, so all masks would be "
            "alike: give a module trained with dropout, or frozen(module) for a teacher without."
        )


@contextmanager
def dropout_off(module: nn.Module) -> Iterator[None]:
    """Within, no forward pass of ``module`` drops at random; dropout outside of it is untouched.

    By hooks, which compiled code may not see; they are removed at the end, whatever happens.
    """
    entered: list[DropoutSwitch] = []  # a module may call itself

    def enter(module: nn.Module, args: Any) -> None:
        switch = DropoutSwitch(on=False)
        switch.__enter__()
        entered.append(switch)

    def leave(module: nn.Module, args: Any, outputs: Any) -> None:
        entered.pop().__exit__(None, None, None)

    hooks = (
        module.register_forward_pre_hook(enter),
        module.register_forward_hook(leave, always_call=True),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class WithoutDropout(nn.Module):
    """A module in which no dropout is random, in train mode neither; its weights are in ``net``."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Any, **settings: Any) -> Any:
        with DropoutSwitch(on=False):
            return self.net(*inputs, **settings)


def without_dropout(module: nn.Module) -> WithoutDropout:
    """A copy of ``module`` that has its weights, none of them shared, and no dropout.

    torch divides what dropout leaves by 1 - p while training, so the weights are those of the net
    without dropout as they are; where nothing was divided, the weights behind each dropout would
    have to be multiplied by 1 - p.
    """
    net = copy.deepcopy(module)
    for part in net.modules():
        if isinstance(part, nn.RNNBase):
            part.dropout = 0.0  # inside one call, where no switch reaches
    return WithoutDropout(net)
