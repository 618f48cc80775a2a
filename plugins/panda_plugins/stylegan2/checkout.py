"""The checkout of NVlabs/stylegan2-ada-pytorch: where it is, its modules and its kernels."""

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
"""The command that gets the checkout."""

VARIABLE = "PANDA_STYLEGAN2_ADA"
"""The environment variable that names another checkout."""

PLACE = Path(__file__).resolve().parents[3] / "third_party" / "stylegan2-ada-pytorch"
"""Path of the submodule in a clone of this project."""

ROOTS = ("dnnlib", "torch_utils", "training")
"""Its top-level modules; their names are common, so other packages may use them too."""


class EasyDict(dict[str, Any]):
    """A dictionary whose entries are attributes too: all that the networks use of ``dnnlib``."""

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


@dataclass
class Checkout:
    """A folder with the repository.

    Attributes:
        folder: The folder.
        modules: The modules that have been imported from it, by name.
    """

    folder: Path
    modules: dict[str, ModuleType] = field(default_factory=dict)

    @contextmanager
    def imported(self) -> Iterator[ModuleType]:
        """Yield ``training.networks``; only inside the block can its modules be imported.

        Build networks inside the block: their constructors look modules up by name.
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
        """Compile the CUDA kernels once; warn where that fails, and leave reference operations.

        The repository's own builder imports the compiled module by name, which newer versions of
        torch do not support, and tries again at every call.
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
            except Exception as error:  # a failing compiler may raise anything
                reason = str(error).partition("\n")[0]
                warnings.warn(
                    f"the CUDA kernel {op!r} cannot be built ({reason}); its reference operations"
                    " run instead",
                    PandaWarning,
                    stacklevel=2,
                )


def find_checkout() -> Checkout:
    """Return the folder that PANDA_STYLEGAN2_ADA names, or else the submodule.

    Raises:
        PandaError: The folder does not contain the repository.
    """
    folder = Path(os.environ.get(VARIABLE) or PLACE).expanduser()
    if not (folder / "training" / "networks.py").is_file():
        raise PandaError(
            f"the engine 'vendored' needs NVIDIA's stylegan2-ada-pytorch, which is not in {folder}:"
            f" run '{COMMAND}' in a clone of this project, or set {VARIABLE} to a clone of it"
        )
    return _checkout(folder.resolve())


def _dnnlib() -> ModuleType:
    """Return a stand-in for ``dnnlib``, which needs ``requests`` and the removed ``distutils``."""
    module = ModuleType("dnnlib")
    module.EasyDict = EasyDict  # type: ignore[attr-defined]
    return module


@cache
def _checkout(folder: Path) -> Checkout:
    return Checkout(folder)


def _take() -> dict[str, ModuleType]:
    """Remove the modules of `ROOTS` from ``sys.modules`` and return them."""
    names = [name for name in sys.modules if name.partition(".")[0] in ROOTS]
    return {name: sys.modules.pop(name) for name in names}
