"""The commands that `kills.py` kills: each in a folder of its own, most over earlier results."""

from __future__ import annotations

import fnmatch
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from comparing import PROGAN, STYLEGAN2
from conftest import GOLDENS, TinyGenerator
from PIL import Image
from web_server import WebServer

from panda.checkpoints import read, tensors
from panda.cli import catalog, main, naming, rendering
from panda.cli import fit as fit_verb
from panda.comparison import report
from panda.demo import run as demo_run
from panda.editing import refine
from panda.evaluation import results
from panda.factorization import fit as fitting
from panda.factorization import journal
from panda.files.cache import home
from panda.generators import registry
from panda.generators.card import Card
from panda.generators.registry import create_generator
from panda.inversion import coordinates, search
from panda.naming import names
from panda.weights import Url, Weights, download
from panda_plugins.stylegan2 import ARCHITECTURE

FILE = GOLDENS / "stylegan2-sg3repo" / "network.pkl"
FACES = GOLDENS / "stylegan2-genforce" / "checkpoint.pth"
# What verbs import when they run, once, before anything is forked.
assert all((read, tensors, report, results, refine, fitting, names))

Contents = set[tuple[str, bytes]]
"""Every file and folder, by its path, and every line of those that are written line by line."""


@dataclass(frozen=True)
class Command:
    """What is run, in a folder of its own, and where its result lies in that."""

    run: Callable[[], int]
    folder: Path
    result: str
    left: tuple[str, ...] = ()
    """What may stay in the folder beside the result: patterns of paths."""
    grows: bool = False
    """Whether the result appears file by file, and not as a whole."""
    once: bool = False
    """Whether it refuses to run, with status 2, where its result is."""
    prepare: Callable[[], int] = lambda: 0
    """Makes what the folder holds before, such as earlier results."""

    def contents(self) -> Contents:
        """All that there is in the folder but for what may stay."""
        found: Contents = set()
        for path in self.folder.rglob("*"):
            name = str(path.relative_to(self.folder))
            if any(fnmatch.fnmatch(name, pattern) for pattern in self.left):
                continue
            if path.is_dir():
                found.add((f"{name}/", b""))
            elif path.suffix == ".jsonl":
                found |= {(name, line) for line in path.read_bytes().splitlines() if _whole(line)}
            else:
                found.add((name, path.read_bytes()))
        return found


def _whole(line: bytes) -> bool:
    """Whether it is a row of figures; a kill may leave the beginning of one."""
    try:
        return bool(json.loads(line))
    except ValueError:
        return False


def small(name: str, device: object = None) -> TinyGenerator:
    """Stands in for `create_generator`: the tiny generator under every name."""
    return TinyGenerator()


class Distance:
    """Stands in for LPIPS and for its network: the mean square difference."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.network = device, self

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return images

    def distance(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a - b).square().mean((1, 2, 3))


def panda(*arguments: object) -> int:
    """Run a command on the tiny generator, with a journal that is written after every block."""
    journal.SECONDS = -1.0
    for module in (fit_verb, rendering, naming, demo_run):
        module.create_generator = small
    search.LPIPS, coordinates.SAMPLES = Distance, 100
    demo_run.QUICK = replace(demo_run.QUICK, fit_samples=12, shown_samples=1)
    demo_run.SEEDS = (0, 3)
    demo_run._layers = lambda generator: [(generator.layers["b"], 2)]
    return main(list(map(str, arguments)))


def _after_a_fit(command: Command, parts: int = 2) -> Command:
    """Return a command whose folder has factors before its own earlier results are made."""
    first = ("fit", "tiny", "b", "--parts", parts, "--seeds", "0-31")

    def prepare() -> int:
        return panda(*first, "--out", command.folder / "factors") or command.prepare()

    return replace(command, prepare=prepare)


def fit(folder: Path) -> Command:
    """Fit factors, over those of another fit."""

    def fitted(parts: int) -> int:
        words = ("fit", "tiny", "b", "--parts", parts, "--seeds", "0-95")
        return panda(*words, "--out", folder / "f")

    return Command(lambda: fitted(2), folder, "f", prepare=lambda: fitted(3))


def edit(folder: Path) -> Command:
    """Edit two samples, over another edit of one more."""

    def edited(strength: int, seeds: str) -> int:
        words = ("--edit", f"0:p0:{strength}sd", "--seeds", seeds)
        return panda("edit", folder / "factors", *words, "--out", folder / "out")

    command = Command(lambda: edited(2, "0-1"), folder, "out", prepare=lambda: edited(1, "0-2"))
    return _after_a_fit(command)


def refined(folder: Path) -> Command:
    """Refine parts, over those of other samples."""

    def refine(seeds: str) -> int:
        words = ("--seeds", seeds, "--out", folder / "out")
        return panda("refine", folder / "factors", *words)

    return _after_a_fit(Command(lambda: refine("0-1"), folder, "out", prepare=lambda: refine("2")))


def named(folder: Path) -> Command:
    """Name factors that have names from other samples."""

    def name(seeds: str) -> int:
        return panda("name", folder / "factors", "--no-faces", "--seeds", seeds)

    command = Command(lambda: name("0-3"), folder, "factors", prepare=lambda: name("4-5"))
    return _after_a_fit(command)


def inverted(folder: Path) -> Command:
    """Invert a photograph, over the inversion of another one."""

    def inverse(color: str) -> int:
        Image.new("RGB", (32, 32), color).save(folder.with_name(f"{color}.png"))
        words = ("--generator", FILE, "--align", "never", "--steps", 3)
        return panda("invert", folder.with_name(f"{color}.png"), *words, "--out", folder / "me")

    return Command(lambda: inverse("red"), folder, "me", prepare=lambda: inverse("blue"))


def demo(folder: Path) -> Command:
    """Run the demo, over the report of another generator, beside a file of the user's."""

    def demonstrated(name: str) -> int:
        return panda("demo", "--quick", "--generator", name, "--out", folder / "out")

    def prepare() -> int:
        code = demonstrated("other")
        (folder / "out" / "mine.txt").write_text("mine")
        return code

    return Command(lambda: demonstrated("tiny"), folder, "out", grows=True, prepare=prepare)


def conversion(folder: Path) -> Command:
    """Convert a checkpoint."""
    arguments = ["convert", str(FILE), "--out", str(folder / "x.safetensors")]
    return Command(lambda: main(arguments), folder, "x.safetensors", once=True)


def fetching(folder: Path) -> Command:
    """Fetch weights from a server on this machine."""
    server = WebServer()
    server.files["/net.pkl"] = FILE.read_bytes()
    source = Url({"net.pkl": f"{server.address}/net.pkl"})
    size = create_generator(str(FILE)).size
    mine = Weights("toy", source, ARCHITECTURE, size)
    card = Card("StyleGAN2", "random", size, "MIT", "here", mine.load, mine)

    def run() -> int:
        registry.cards = catalog.cards = lambda: {"toy": card}
        download.CHUNK, download.PAUSE = 1 << 14, 0.0
        os.environ |= {"no_proxy": "127.0.0.1", "PANDA_HOME": str(folder)}
        return main(["fetch", "toy"])

    left = (".lock", "downloads", "downloads/????????", "downloads/????????/net.pkl.json")
    return Command(run, folder, str(mine.path.relative_to(home())), left)


def comparison(
    folder: Path, names: Sequence[str] = (STYLEGAN2, PROGAN), levels: str = "4,2"
) -> Command:
    """Compare two small networks at two levels, where one was compared before."""
    arguments = ["--quick", "--no-faces", "--levels", levels, "--samples", "8"]
    arguments += ["--parts", "2", "--scored", "1", "--out", str(folder / "out")]

    def compared(names: Sequence[str]) -> int:
        journal.SECONDS = -1.0
        return main(["compare", *names, *arguments])

    def prepare() -> int:
        code = compared(names[:1])
        (folder / "out" / "mine.txt").write_text("mine")
        return code

    left = ("out/.lock",)
    return Command(lambda: compared(names), folder, "out", left, grows=True, prepare=prepare)


def comparison_of_minis(folder: Path) -> Command:
    """Compare two of the mini generators in the same way."""
    return comparison(folder, ["mini-stylegan2-faces-64", "mini-proggan-faces-64"], "8,4")


def locality(folder: Path) -> Command:
    """Benchmark three kinds of methods on a few images of a small network."""
    methods = ["sefa:components=2", "style=stylespace:images=1:samples=5:probes=1:channels=2"]
    methods += ["panda:layers=8.conv1@3:samples=6:appearances=2"]
    arguments = ["benchmark", "locality", str(FACES), "--edits", "eyes,nose", "--no-faces"]
    arguments += [word for method in methods for word in ("--method", method)]
    arguments += ["--n", "6", "--strength", "0.05", "--select", "1", "--shortlist", "1"]
    arguments += ["--pictures", "2", "--out", str(folder / "out")]
    return Command(lambda: main(arguments), folder, "out", ("out/.*.lock",), grows=True)


def training(folder: Path) -> Command:
    """Train a mini generator for a few steps, on noise; needs the weights of its frozen network."""
    sys.path.append(str(Path(__file__).parents[1]))  # the folder is not installed
    from training import mini

    cache, dice = folder.with_name("cache"), np.random.default_rng(0)
    faces = cache / "training" / "faces-64"
    faces.mkdir(parents=True)
    (cache / "models").symlink_to(home() / "models")
    np.save(faces / "train-0000.npy", dice.integers(0, 256, (500, 3, 64, 64), dtype=np.uint8))
    with (faces / "train-0000.w").open("wb") as file:
        np.save(file, dice.standard_normal((500, 512), dtype=np.float32))
    arguments = ["stylegan2", "--faces", "40", "--images", "16", "--batch", "4"]
    arguments += ["--device", "cpu", "--folder", str(folder / "out")]

    def run() -> int:
        os.environ["PANDA_HOME"] = str(cache)
        sys.argv[1:] = arguments
        mini.main()
        return 0

    # What it goes on from holds the same numbers, pickled in one way or another; what it draws for
    # people on the way has noise of its own.
    left = ("out/*state.pt", "out/*samples-*.png", "out/*.lock")
    return Command(run, folder, "out", left, grows=True)


COMMANDS = {
    "convert": conversion,
    "fetch": fetching,
    "fit": fit,
    "edit": edit,
    "refine": refined,
    "name": named,
    "invert": inverted,
    "demo": demo,
    "compare": comparison,
    "compare-minis": comparison_of_minis,
    "benchmark": locality,
    "training": training,
}
