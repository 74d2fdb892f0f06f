"""A user's own network: made, looked at before any training, and told from others."""

import hashlib
import inspect
from collections.abc import Callable

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from multiview.rng import stream
from multiview.train.training import forked_rng

Factory = Callable[[], nn.Module]


def made(factory: Factory, generator: torch.Generator, device: str = "cpu") -> nn.Module:
    """A network whose initial weights follow from ``generator``, unmoved, whatever drew before.

    Raises:
        ValueError: If ``factory`` makes no module, or takes arguments.
    """
    if isinstance(factory, nn.Module):
        raise ValueError(
            f"net is a {type(factory).__name__}, already made: give what makes one, such as "
            "lambda: MyNet(...), since every network needs weights of its own."
        )
    try:
        with forked_rng(generator, torch.device(device)):
            net = factory()
    except TypeError as error:
        raise ValueError(
            f"net makes no network ({error}): give a function that takes no argument, such as "
            "lambda: MyNet(...)."
        ) from error
    if not isinstance(net, nn.Module):
        raise ValueError(
            f"net makes a {type(net).__name__}: give a function that makes a torch.nn.Module."
        )
    return net.to(device)


def check_net(factory: Factory, inputs: Shaped[Tensor, "n ..."], num_classes: int) -> None:
    """Refuse a network that does not give one output for each class, or is made only once.

    Raises:
        ValueError: If it does not, fails on the inputs, or two networks share weights.
    """
    net, other = (made(factory, stream(0, "own net", i)) for i in range(2))
    if {id(each) for each in net.parameters()} & {id(each) for each in other.parameters()}:
        raise ValueError(
            "net gives the same weights twice, so that all networks would be one: make a new "
            "module at every call."
        )
    if not any(each.requires_grad for each in net.parameters()):
        raise ValueError(
            f"net makes a network ({type(net).__name__}) of which no parameter requires gradients, "
            "so that nothing can be trained: give one with such parameters."
        )
    few = inputs[:2]
    try:
        with torch.no_grad():
            outputs = net.eval()(few)
    except Exception as error:
        raise ValueError(
            f"net fails on inputs of shape {tuple(few.shape)} and type {few.dtype}: {error}. Give "
            "inputs that it takes, or another net."
        ) from error
    wanted = (len(few), num_classes)
    if not isinstance(outputs, Tensor) or tuple(outputs.shape) != wanted:
        shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ValueError(
            f"net gives {shape} for inputs of shape {tuple(few.shape)}: one output for each "
            f"of {num_classes} classes is needed, {wanted}."
        )


def net_digest(factory: Factory, inputs: Shaped[Tensor, "n ..."]) -> str:
    """Name of the network's class, and a digest of what it is and does.

    Of a network made from a fixed seed: its parts and their settings, its initial weights, its
    outputs on two inputs, and the source of its classes where there is one to read. So it does not
    depend on how the function that makes it is written.
    """
    net = made(factory, stream(0, "own net", 0)).eval()
    digest = hashlib.sha256(repr(net).encode())
    for name, value in net.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(bytes_of(value))
    for kind in sorted({type(each) for each in net.modules()}, key=lambda each: each.__qualname__):
        digest.update(_source(kind).encode())
    try:
        with torch.no_grad():
            digest.update(bytes_of(net(inputs[:2])))
    except Exception:  # said by ``check_net``
        digest.update(b"no outputs")
    return f"{type(net).__name__} {digest.hexdigest()[:16]}"


def bytes_of(value: Tensor) -> bytes:
    """The bytes of a tensor's values."""
    return value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _source(kind: type) -> str:
    """The source of a class, torch's own by name alone."""
    if kind.__module__.partition(".")[0] == "torch":
        return kind.__qualname__
    try:
        return inspect.getsource(kind)
    except (TypeError, OSError):  # typed at a prompt
        return kind.__qualname__
