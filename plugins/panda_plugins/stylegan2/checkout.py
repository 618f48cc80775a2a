"""The checkout of NVIDIA's stylegan2-ada-pytorch: found, imported in a scope, its kernels built."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from panda.errors import PandaError, PandaWarning

COMMAND = "git submodule update --init third_party/stylegan2-ada-pytorch"
VARIABLE = "PANDA_STYLEGAN2_ADA"
PLACE = Path(__file__).resolve().parents[3] / "third_party" / "stylegan2-ada-pytorch"
"""Where the submodule stands in a clone of this project."""

ROOTS = ("dnnlib", "torch_utils", "training")
"""Its top-level modules: common names, which others use for modules of their own."""


class EasyDict(dict[str, Any]):
    """A dictionary whose entries are attributes too: all that the networks take from ``dnnlib``."""

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


@dataclass
class Checkout:
    """A folder with the repository, and the modules that have been imported from it."""

    folder: Path
    modules: dict[str, ModuleType] = field(default_factory=dict)

    @contextmanager
    def imported(self) -> Iterator[ModuleType]:
        """Yield ``training.networks``; within the block alone its modules can be imported.

        Networks are built in such a block, since their constructors look their modules up.
        """
        hidden = _take()
        sys.modules.update(self.modules or {"dnnlib": _dnnlib()})
        sys.path.insert(0, str(self.folder))
        try:
            yield import_module("training.networks")
        finally:
            sys.path.remove(str(self.folder))
            self.modules = _take()
            sys.modules.update(hidden)

    def build_kernels(self) -> None:
        """Compile the CUDA kernels once; where that fails, a warning, and reference operations.

        Its own builder imports what it has compiled by name, which newer versions of torch do not
        allow, and tries again at every call.
        """
        from torch.utils import cpp_extension

        folder = self.folder / "torch_utils" / "ops"
        for op in ("bias_act", "upfirdn2d"):
            module = self.modules[f"torch_utils.ops.{op}"]
            if module._inited:
                continue
            module._inited = True  # type: ignore[attr-defined]
            sources = [str(folder / f"{op}.{kind}") for kind in ("cpp", "cu")]
            try:
                module._plugin = cpp_extension.load(  # type: ignore[attr-defined]
                    f"{op}_plugin", sources, extra_cuda_cflags=["--use_fast_math"]
                )
            except Exception as error:  # compilers fail in any way at all
                reason = str(error).partition("\n")[0]
                warnings.warn(
                    f"the CUDA kernel {op!r} cannot be built ({reason}); its reference operations"
                    " run instead",
                    PandaWarning,
                    stacklevel=2,
                )


def find_checkout() -> Checkout:
    """The submodule, or the folder that PANDA_STYLEGAN2_ADA names; raises `PandaError` without."""
    folder = Path(os.environ.get(VARIABLE) or PLACE).expanduser()
    if not (folder / "training" / "networks.py").is_file():
        raise PandaError(
            f"the engine 'vendored' needs NVIDIA's stylegan2-ada-pytorch, which is not in {folder}:"
            f" run '{COMMAND}' in a clone of this project, or set {VARIABLE} to a clone of it"
        )
    return _checkout(folder.resolve())


def _dnnlib() -> ModuleType:
    """In place of a module that wants ``requests``, and ``distutils``, which Python dropped."""
    module = ModuleType("dnnlib")
    module.EasyDict = EasyDict  # type: ignore[attr-defined]
    return module


@cache
def _checkout(folder: Path) -> Checkout:
    return Checkout(folder)


def _take() -> dict[str, ModuleType]:
    """Remove the modules of these names from ``sys.modules``."""
    names = [name for name in sys.modules if name.partition(".")[0] in ROOTS]
    return {name: sys.modules.pop(name) for name in names}
