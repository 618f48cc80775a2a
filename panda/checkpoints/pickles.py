"""Pickles read as data.

A pickle is a program that builds objects by calling what it names. This reader calls nothing: the
opcodes only move plain values, and every call becomes a `Record`, which the readers of containers
may interpret or ignore. A name that no checkpoint needs is refused as soon as it is read.
"""

from __future__ import annotations

import pickletools
import sys
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast

from panda.errors import PandaError
from panda.files.budget import Budget

ALLOWED = frozenset(
    {
        # NVIDIA PyTorch: networks, and the tensors inside
        "torch_utils.persistence._reconstruct_persistent_obj",
        "dnnlib.util.EasyDict",
        "torch.storage._load_from_bytes",
        # NVIDIA TensorFlow: networks
        "tfutil.Network",
        "dnnlib.tflib.network.Network",
        # torch files, and everything that torch pickles
        "collections.OrderedDict",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_tensor_v2",
        *(f"torch.{kind}Storage" for kind in ("Float", "Double", "Half", "BFloat16", "Bool")),
        *(f"torch.{kind}Storage" for kind in ("Long", "Int", "Short", "Char", "Byte")),
        "torch.jit._pickle.build_intlist",
        "argparse.Namespace",
        "builtins.set",
        "__builtin__.set",
        # numpy 1 and numpy 2
        "numpy.dtype",
        "numpy.ndarray",
        *(
            f"numpy.{core}.multiarray.{name}"
            for core in ("core", "_core")
            for name in ("_reconstruct", "scalar")
        ),
    }
)
"""Every global a checkpoint may name. Nothing of it is imported or called."""

TORCHSCRIPT = "__torch__."
"""Prefix of the classes that a TorchScript archive defines; they may be named too."""

_DICTS = {"collections.OrderedDict", "dnnlib.util.EasyDict"}
_SETS = {"builtins.set", "__builtin__.set"}
_ARGUMENTS = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"}
    | {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
    | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
)
"""Opcodes that put their argument on the stack."""


@dataclass(frozen=True)
class Global:
    """A name on the allow-list, as it is in the pickle."""

    name: str


@dataclass(eq=False, repr=False, slots=True)
class Record:
    """An object that a pickle would build: ``name(*args)``, then given ``state``. It is not built.

    A persistent id (torch keeps storages outside the pickle) has the name ``persistent_id``.
    """

    name: str
    args: tuple[Any, ...]
    state: Any = None


class Stream(Protocol):
    """A `BytesIO` or a `File`: they return no more than they have, however much is requested."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes."""

    def readline(self) -> bytes:
        """Return the bytes up to the next line feed."""


def parse(stream: Stream, budget: Budget, persistent: list[Any] | None = None) -> Any:
    """Read a pickle up to its end.

    Args:
        stream: Where the pickle begins.
        budget: What reading it may cost: a step for each opcode.
        persistent: Persistent ids are appended to this list; if None, they are refused.

    Returns:
        The content: plain values, dicts (of any kind), lists (sets too) and `Record` objects.

    Raises:
        PandaError: The pickle is damaged, has a name that is not on the allow-list or an opcode
            that no checkpoint has, or costs more than the budget has left.
    """
    machine = _Machine(persistent)
    try:
        for opcode, argument, _ in pickletools.genops(cast("IO[bytes]", stream)):
            budget.step()
            machine.step(opcode.name, argument)
        return machine.stack[-1]
    except (ValueError, TypeError, IndexError) as error:
        raise PandaError(f"a damaged or truncated pickle ({error!s:.150})") from error


class _Machine:
    """The stack machine of pickle, without calls. A damaged file raises Python's errors."""

    def __init__(self, persistent: list[Any] | None) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}
        self.persistent = persistent

    def step(self, code: str, argument: Any) -> None:
        """Execute an opcode."""
        stack = self.stack
        if code in _ARGUMENTS:
            stack.append(argument)
            return
        match code:
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                if argument not in self.memo:
                    raise ValueError(f"nothing is memoized under {argument}")
                stack.append(self.memo[argument])
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[code])
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST" | "EMPTY_SET":  # a set stays a list, so that nothing is hashed
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(reversed([stack.pop() for _ in range(int(code[-1]))])))
            case "MARK":
                self.below.append(stack)
                self.stack = []
            case "TUPLE":
                items = self._since_mark()
                self.stack.append(tuple(items))
            case "APPEND":
                item = stack.pop()
                _of_type(stack[-1], list).append(item)
            case "APPENDS" | "ADDITEMS":
                items = self._since_mark()
                _of_type(self.stack[-1], list).extend(items)
            case "SETITEM":
                item, key = stack.pop(), _key(stack.pop())
                _of_type(stack[-1], dict)[key] = item
            case "SETITEMS":
                items = self._since_mark()
                pairs = zip(map(_key, items[::2]), items[1::2], strict=True)
                _of_type(self.stack[-1], dict).update(pairs)
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._since_mark()
            case "GLOBAL":
                stack.append(_global(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(_global(f"{_of_type(module, str)}.{_of_type(name, str)}"))
            case "REDUCE" | "NEWOBJ":
                args, callee = stack.pop(), stack.pop()
                stack.append(_record(_of_type(callee, Global).name, _of_type(args, tuple)))
            case "BUILD":
                state = stack.pop()
                if not isinstance(stack[-1], dict):  # attributes of a dict (state dicts have them)
                    _of_type(stack[-1], Record).state = state
            case "BINPERSID" if self.persistent is not None:
                self.persistent.append(stack[-1])
                stack.append(Record("persistent_id", (stack.pop(),)))
            case _:
                raise PandaError(f"a pickle with the opcode {code}, which no checkpoint uses")

    def _since_mark(self) -> list[Any]:
        """Return what is above the last mark, and drop the mark."""
        items, self.stack = self.stack, self.below.pop()
        return items


def _of_type(value: Any, kind: type) -> Any:
    """Return the value, if it is of a type."""
    if not isinstance(value, kind):
        raise TypeError(f"{describe(value)} where a {kind.__name__.lower()} belongs")
    return value


def _key(value: Any) -> str | int:
    """Return a key that hashes fast and apart: hashing a very deep tuple would end the process."""
    if isinstance(value, str) or (type(value) is int and 0 <= value < sys.hash_info.modulus):
        return value
    raise TypeError(f"{describe(value)} where the key of a dict belongs")


def _global(name: str) -> Global:
    """Return a name that is on the allow-list."""
    if name not in ALLOWED and not name.startswith(TORCHSCRIPT):
        shown = name if name.isprintable() and len(name) < 100 else repr(name[:100])
        raise PandaError(
            f"a pickle that asks for {shown}, which no checkpoint needs; nothing of it was run,"
            " expected tensors and plain data only"
        )
    return Global(name)


def _record(name: str, args: tuple[Any, ...]) -> Any:
    """Return what stands for a call: a dict, a list of a set's items, or a `Record`."""
    match name, args:
        case _, () if name in _DICTS:
            return {}
        case _, (list() as items,) if name in _SETS:
            return items
    return Record(name, args)


def describe(value: Any) -> str:
    """Return in a few words what a pickle or a JSON file contains."""
    match value:
        case dict():
            shown = ", ".join(
                repr(key if isinstance(key, int) else key[:40]) for key in list(value)[:6]
            )
            return f"a dict of {shown}{', ...' if len(value) > 6 else ''}" if shown else "a dict"
        case list() | tuple():
            return f"a {type(value).__name__} of {len(value)}"
        case Record(name) | Global(name):
            return f"an object of {name}"
        case None | bool():
            return repr(value)
    return f"a value of type {type(value).__name__}"
