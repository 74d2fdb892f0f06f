"""How many networks a method leaves, and refusals of methods that need another number of them."""

from typing import Any

from multiview import checks
from multiview.bench.method import Method
from multiview.bench.setting import Setting


def optional_count(name: str, value: Any, *, meaning: str) -> None:
    """Refuse all but None and a whole number from 1 on."""
    if value is not None:
        checks.count(name, value, meaning=meaning)


def a_method(name: str, value: Any) -> None:
    """Refuse what is no method, such as the name of one."""
    checks.instance(name, value, Method, "give one such as Ensemble()")


def several(name: str, method: Method, setting: Setting) -> int | None:
    """The number of networks that a method leaves; None where that is not known.

    Raises:
        ValueError: If it leaves the logits of one.
    """
    number = method.networks(setting)
    if number == 0:
        raise ValueError(
            f"{name}={method} leaves one network, and several are needed: name a method of "
            "several, such as Members()."
        )
    return number


def at_most(size: int | None, networks: int | None) -> None:
    """Refuse an ensemble of more networks than there are, where both numbers are known."""
    if size is not None and networks is not None and size > networks:
        raise ValueError(f"size={size}: there are {networks} networks, use at most as many.")


def single(name: str, method: Any, setting: Setting) -> None:
    """Refuse a method that leaves several networks where one is needed; all else may pass."""
    if isinstance(method, Method) and method.networks(setting):
        raise ValueError(
            f"{name}={method} leaves several networks, and one is needed: use Ensemble(of=...) or "
            "Member(of=...)."
        )
