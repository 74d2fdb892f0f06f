"""A pickle reader that can build plain containers and arrays of numbers, and nothing else.

It is a small machine of its own rather than a restricted ``pickle.Unpickler``, whose C code can be
kept busy for ever before it asks for a single name: by keys of dicts whose hashes collide, by
tuples that contain each other twice over, by containers made of one byte each.
"""

import pickletools
from collections.abc import Callable
from typing import Any

from multiview.data.pickled_arrays import Dtype, PickledArray, RefusedPickle, StandIn, stand_ins

# The training file of CIFAR-100, the largest, has about 0.5 million opcodes and 0.2 million objects
# in one dict of five keys.
MOST_OPCODES = 1_000_000
MOST_OBJECTS = 1_000_000
MOST_KEYS = 1000
MOST_DEPTH = 8


def load_plain_pickle(content: bytes) -> Any:
    """Read a pickle of dicts, lists, bytes, strings, integers and numpy arrays.

    Whatever it names is looked up in a table of five stand-ins and never imported, so nothing a
    file says is ever run, numpy's own constructors included. Strings of Python 2 load as bytes, as
    with ``encoding="bytes"``. Time and memory are bounded, by the limits above and the file's size.

    Raises:
        RefusedPickle: If the pickle names anything else, holds anything else, is larger than any
            image file in one of these respects, or does not parse.
    """
    try:
        value = _Machine(content).run()
    except RefusedPickle:
        raise
    except Exception as error:  # a damaged pickle may raise almost anything
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise RefusedPickle(f"not a readable pickle: {reason}") from error
    return _plain(value)


class _Machine:
    """The stack machine that a pickle is a program for, as far as image files need it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.names = stand_ins(len(content))
        self.stack: list[Any] = []
        self.marks: list[int] = []  # heights of the stack
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The object that the pickle describes."""
        for count, (opcode, argument, _) in enumerate(pickletools.genops(self.content)):
            if count >= MOST_OPCODES:
                raise RefusedPickle(f"the pickle has more than {MOST_OPCODES} opcodes")
            if opcode.name not in _STEPS:
                raise RefusedPickle(f"the pickle asks for {opcode.name}, which no image file needs")
            _STEPS[opcode.name](self, argument)
        return self.stack.pop()

    def push(self, value: Any) -> None:
        """Put an object on the stack."""
        self.stack.append(value)

    def push_integer(self, value: int) -> None:
        """Put an integer on the stack, unless its size alone would cost time at each use."""
        if value.bit_length() > 64:
            raise RefusedPickle(f"the pickle holds an integer of {value.bit_length()} bits")
        self.push(value)

    def above_mark(self) -> list[Any]:
        """Take everything above the topmost mark off the stack."""
        return self.take(len(self.stack) - self.marks.pop())

    def take(self, count: int) -> list[Any]:
        """Take the topmost ``count`` objects off the stack."""
        height = len(self.stack) - count
        if height < 0:
            raise RefusedPickle("the pickle takes more than there is")
        found = self.stack[height:]
        del self.stack[height:]
        return found

    def extend(self, items: list[Any]) -> None:
        """Put items at the end of the list on top."""
        if type(self.stack[-1]) is not list:
            raise RefusedPickle("the pickle appends to something that is no list")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        """Put keys and values, which take turns, into the dict on top."""
        target = self.stack[-1]
        if type(target) is not dict:
            raise RefusedPickle("the pickle sets keys of something that is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (bytes, str, int):
                raise RefusedPickle(f"the pickle holds a key of type {type(key).__name__}")
            target[key] = value
            if len(target) > MOST_KEYS:
                raise RefusedPickle(f"the pickle holds a dict of more than {MOST_KEYS} keys")

    def new_dict(self, items: list[Any]) -> None:
        """Put a dict of these keys and values on the stack."""
        self.push({})
        self.update(items)

    def remember(self, index: int) -> None:
        """Give the object on top a number."""
        if index > MOST_OPCODES:
            raise RefusedPickle(f"the pickle reserves memory for {index} objects"[:100])
        self.memo[index] = self.stack[-1]

    def name(self, module_name: str, global_name: str) -> None:
        """Put the stand-in of a name on the stack."""
        if not (type(module_name) is str and type(global_name) is str):
            raise RefusedPickle("the pickle asks for a name that is no text")
        if (module_name, global_name) not in self.names:
            raise RefusedPickle(
                f"the pickle asks for {module_name[:100]}.{global_name[:100]}, which no image file "
                "needs: nothing of it was run"
            )
        self.push(self.names[module_name, global_name])

    def call(self) -> None:
        """Call a stand-in."""
        function, arguments = self.take(2)
        if not isinstance(function, StandIn) or type(arguments) is not tuple:
            raise RefusedPickle(f"the pickle calls a {type(function).__name__}")
        self.push(function(*arguments))

    def set_state(self) -> None:
        """Give the type or the array below its state."""
        (state,) = self.take(1)
        if not isinstance(self.stack[-1], Dtype | PickledArray):
            raise RefusedPickle("the pickle alters a function or class")
        self.stack[-1].set_state(state)


# What each opcode does, by its name in pickletools; those that are not here are refused.
_STEPS: dict[str, Callable[[_Machine, Any], object]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda machine, _: None),
    **dict.fromkeys(
        ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"), _Machine.push_integer
    ),
    **dict.fromkeys(("FLOAT", "BINFLOAT"), _Machine.push),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), _Machine.push),
    **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _Machine.push),
    **dict.fromkeys(  # Python 2's strings
        ("STRING", "BINSTRING", "SHORT_BINSTRING"),
        lambda machine, text: machine.push(text.encode("latin1")),
    ),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.above_mark())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.take(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.take(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.take(3))),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "LIST": lambda machine, _: machine.push(machine.above_mark()),
    "APPEND": lambda machine, _: machine.extend(machine.take(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.above_mark()),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "DICT": lambda machine, _: machine.new_dict(machine.above_mark()),
    "SETITEM": lambda machine, _: machine.update(machine.take(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.above_mark()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.remember),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    **dict.fromkeys(
        ("GET", "BINGET", "LONG_BINGET"), lambda machine, index: machine.push(machine.memo[index])
    ),
    "GLOBAL": lambda machine, names: machine.name(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.take(2)),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.set_state(),
}


def _plain(value: Any) -> Any:
    """Put arrays in the place of their stand-ins, and refuse every other type.

    Objects are counted as often as they are met, for what comes out is walked through as a tree: a
    list that is named 200 times in a list is 200 lists.
    """
    count = 0

    def plain(value: Any, depth: int) -> Any:
        nonlocal count
        count += 1
        if count > MOST_OBJECTS:
            raise RefusedPickle(f"the pickle stands for more than {MOST_OBJECTS} objects")
        if depth > MOST_DEPTH:  # also ends a list that contains itself
            raise RefusedPickle("the pickle nests deeper than any image file")
        if type(value) is dict:
            return {key: plain(item, depth + 1) for key, item in value.items()}
        if type(value) is list:
            return [plain(item, depth + 1) for item in value]
        if type(value) is PickledArray and value.numpy is not None:
            return value.numpy
        if type(value) in (bytes, str, int):
            return value
        raise RefusedPickle(f"the pickle holds a {type(value).__name__}, which no image file needs")

    return plain(value, depth=0)
