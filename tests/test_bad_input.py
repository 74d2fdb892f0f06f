"""A wrong argument is refused by name, or the result is right: for every public name."""

import dis
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile_values import hostile
from hypothesis import given
from hypothesis import strategies as st
from one_call import ROUGH, Call
from public_calls import CALLS, MODULES, public_names
from unchecked import unchecked

import multiview
from multiview.checks import shown

PACKAGE = Path(multiview.__file__).parent


def listed(call: str) -> str:
    """The public name that a call is of: "PatchNet" of "PatchNet, called"."""
    return call.split(",")[0]


def test_every_public_name_has_a_call():
    modules = map(importlib.import_module, MODULES)
    public = {name for module in modules for name in public_names(module)}
    assert public == {listed(call) for call in CALLS}, "give it an entry in public_calls.py"


@pytest.mark.parametrize("name", CALLS)
def test_the_valid_call_is_right(name):
    outcome(name, {})


@pytest.mark.parametrize("name", CALLS)
@given(st.data())
def test_a_wrong_argument_is_refused_by_name_or_the_result_is_right(name, data):
    arguments = CALLS[name].arguments()
    number = min(len(arguments), 2)
    changed = data.draw(st.sets(st.sampled_from([*arguments]), min_size=1, max_size=number))
    places = {key: len(hostile(arguments[key])) - 1 for key in sorted(changed)}
    outcome(name, {key: data.draw(st.integers(0, most)) for key, most in places.items()})


def outcome(name: str, changes: dict[str, int]) -> str:
    """Call with these hostile values in place; "refused" or "right", or fail."""
    call = CALLS[name]
    arguments = call.arguments()
    for key, place in changes.items():
        arguments[key] = hostile(arguments[key])[place]
    ROUGH.set(any(getattr(x, "dtype", x) is torch.half for x in arguments.values()))
    what = f"{name} with { {key: shown(arguments[key]) for key in changes} }"
    result, error = None, None
    with unchecked():
        try:
            result = call.function(**arguments)
        except (ValueError, TypeError) as raised:
            error = raised
        if error is None:
            assert call.right(result, arguments), f"{what} gave {result!r}"
            return "right"
    assert changes, f"{what} is valid: {error}"
    assert ours(error), f"{what}: not refused by us, but {error!r}"
    assert names(error, call, {key: arguments[key] for key in changes}), f"{what}: {error}"
    return "refused"


def names(error: Exception, call: Call, changed: dict[str, Any]) -> bool:
    """Whether the message names one of the arguments, or its value."""
    words = [each for key in changed for each in (key, *call.says.get(key, ()))]
    values = [shown(x) for x in changed.values() if not isinstance(x, str)]
    named = any(re.search(rf"\b{re.escape(word)}\b", str(error)) for word in words)
    return named or any(len(value) > 3 and value in str(error) for value in values)


def ours(error: Exception) -> bool:
    """Whether it comes from a ``raise`` in a file of the package."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    code = trace.tb_frame.f_code
    raised = dis.opname[code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"
    return raised and Path(code.co_filename).is_relative_to(PACKAGE)


def test_an_error_of_torch_is_not_ours():
    with pytest.raises(ValueError, match="empty") as error:
        max([])
    assert not ours(error.value)
    with pytest.raises(ValueError, match="probability") as error:
        torch.nn.Dropout(2.0)
    assert not ours(error.value)
