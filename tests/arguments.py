"""Arbitrary argument lists for ``panda``: none may end in a traceback.

    python tests/arguments.py --count 10000

Every list runs in this process, in a folder of its own. Nothing is fetched, and the generator
behind every name and file is a tiny one, so that all verbs really run.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path
from unittest import mock

import torch
from conftest import GOLDENS, TinyGenerator
from PIL import Image

from panda import PandaError
from panda.cli import main
from panda.factorization.fit import fit
from panda.inversion import Inversion
from panda.naming.names import name_factors
from panda.weights import Weights
from panda.weights.model_weights import ModelWeights

VERBS = ["list", "info", "fetch", "plugins", "doctor", "check", "fit", "import", "convert", "parts"]
VERBS += ["edit", "edits", "refine", "localize", "remove", "invert", "walk", "demo"]
VERBS += ["compare", "name", "discover", "presets", "benchmark"]
KINDS = ["localization", "removal", "ablations", "locality", "parts"]
OPTIONS = ["--parts", "--appearances", "--seeds", "--truncation", "--label", "--solver", "--steps"]
OPTIONS += ["--learning-rate", "--out", "--device", "--json", "--file", "--edit", "--refine"]
OPTIONS += ["--latents", "--space", "--align", "--seed"]
OPTIONS += ["--appearance", "--part", "--threshold", "--strength", "--quick", "--generator"]
OPTIONS += ["--no-faces", "--samples", "--scored", "--levels", "--jobs", "--n", "--edits", "--top"]
OPTIONS += ["--psi", "--sead", "--what"]
OPTIONS += ["--method", "--published", "--boxes", "--select", "--shortlist", "--part"]
OPTIONS += ["--help", "--version", "-h", "--", "-", "--nothing", "-x", "--out=", "--seeds=1"]
VALUES = ["tiny", "a", "b", "c", "mobilestylegan-ffhq-1024", "stylegan*", "*", "[", "0", "1", "-1"]
VALUES += ["3", "12", "0-3", "5-1", "0,2", "1e3", "nan", "inf", "-0.0", "1e400", "0x10", "", " "]
VALUES += [
    "bg",
    "p0",
    "p99",
    "0:p0:2sd",
    "1+2:3:-4",
    "0:bg:1",
    "9:9:9",
    "0:0:1e9",
    "0:0:1e300",
    "::",
    "cpu",
]
VALUES += ["cuda", "meta", "cuda:99", "otsu", "mean", "joint", "paper", "factors", "out", "model"]
VALUES += ["hair", "object", "hair:p0:4sd", "0,1:p0:1", "0+1"]
VALUES += ["text", "empty", "pipe", "loop", "/", "/dev/null", "/dev/full", "/proc/self", ".", ".."]
VALUES += [
    "factors/config.json",
    "zoo.json",
    "zoo.json:smile",
    "me",
    "photo.png",
    "w+",
    "never",
    "x" * 5000,
    "\0",
    "\udc80",
    "é",
    "٣",
]
VALUES += ["\n", "\x1b[31m", "%s", "{}", "$HOME", "~", "--", "-1e5", "99999999999999999999", "1_0"]

REAL = [
    ["fit", "tiny", "a", "--seeds", "0-3", "--parts", "2", "--out", "out"],
    ["parts", "factors", "--seeds", "1", "--out", "out"],
    ["edit", "factors", "--edit", "0:p0:2sd", "--seeds", "1", "--out", "out"],
    ["refine", "factors", "--seeds", "1", "--out", "out"],
    ["localize", "factors", "--appearance", "bg", "--seeds", "1", "--out", "out"],
    ["remove", "factors", "--parts", "0", "--seeds", "1", "--out", "out"],
    ["parts", "factors", "--latents", "me", "--out", "out"],
    ["edit", "factors", "--edit", "0:p0:2sd", "--latents", "me", "--out", "out"],
    ["invert", "photo.png", "--generator", "tiny", "--align", "never", "--out", "out"],
    ["walk", "model", "3", "me/photo0", "--frames", "2", "--out", "walk.gif"],
    ["walk", "factors", "3", "--edit", "0:p0:0..2sd", "--frames", "2", "--out", "out"],
    ["convert", "model", "--out", "out.safetensors"],
    ["import", "tiny", "a", "--appearances", "text", "--parts", "text", "--out", "out"],
    ["info", "model", "--json"],
    ["edits", "zoo.json"],
    ["list", "mobile*", "--json"],
    ["fetch", "mobilestylegan-ffhq-1024", "--file", "text"],
    ["doctor", "--json"],
    ["compare", "model", "--quick", "--no-faces", "--samples", "3", "--out", "out"],
    ["name", "factors", "--no-faces", "--seeds", "0-3"],
    ["discover", "brighter", "named", "--top", "3"],
    ["benchmark", "removal", "factors", "--what", "hair", "--n", "1"],
    ["benchmark", "localization", "factors", "--n", "1"],
    [
        *("benchmark", "ablations", "tiny", "b", "--parts", "2", "--samples", "3"),
        *("--appearances", "3", "--held-out", "1", "--steps", "1", "--out", "out"),
    ],
    [
        *("benchmark", "locality", "tiny", "--no-faces", "--edits", "eyes", "--n", "1"),
        *("--method", "panda:samples=4", "--select", "1", "--shortlist", "1", "--part", "1/1"),
        *("--out", "out"),
    ],
]
"""Lists that mean something; most of those that are tried are these, changed."""

ZOO = (
    '{"format": 1, "edits": {"smile": {"generator": "tiny", "layer": "b", "appearances": 12,'
    ' "parts": 2, "edits": ["0:1:5"]}}}'
)


def arbitrary(dice: random.Random) -> list[str]:
    """A list of arguments: one that means something with a few changes, or none at all."""
    if dice.random() < 0.4:
        arguments = list(dice.choice(REAL))
        for _ in range(dice.choice([0, 1, 1, 2, 3])):
            place = dice.randrange(1, len(arguments) + 1)
            match dice.randrange(3):
                case 0:
                    arguments[place:place] = [_word(dice)]
                case 1:
                    arguments[place : place + 1] = [_word(dice)]
                case _:
                    del arguments[place : place + 1]
        return arguments
    verb = [dice.choice([*VERBS, _word(dice)])]
    if verb == ["benchmark"] and dice.random() < 0.9:
        verb.append(dice.choice(KINDS))
    return [*verb, *(_word(dice) for _ in range(dice.randrange(8)))]


def _word(dice: random.Random) -> str:
    kind = dice.random()
    if kind < 0.4:
        return dice.choice(OPTIONS)
    if kind < 0.9:
        return dice.choice(VALUES)
    return "".join(chr(dice.randrange(1, 0x2000)) for _ in range(dice.randrange(1, 12)))


@contextlib.contextmanager
def playground(folder: Path):
    """A folder with a little of everything, a tiny generator behind each name, and no network."""
    tiny, before = TinyGenerator(), Path.cwd()

    def create(name, **options):
        if name not in ("tiny", "model"):
            raise PandaError(f"there is no generator {name!r}")
        return tiny

    def no_network(*given):
        raise PandaError("there is no network")

    places = ["cli.rendering", "cli.fit", "cli.catalog", "cli.invert"]
    places += [
        "cli.benchmark.locality",
        "cli.benchmark.ablations",
        "cli.presets",
        "cli.walk",
        "demo.run",
        "testing.trial",
        "comparison.analysis",
    ]
    with contextlib.ExitStack() as stack:
        for place in places:
            __import__(f"panda.{place}")
            stack.enter_context(mock.patch(f"panda.{place}.create_generator", create))
        stack.enter_context(mock.patch.object(Weights, "fetch", no_network))
        stack.enter_context(mock.patch.object(ModelWeights, "load", no_network))
        home = {"PANDA_HOME": str(folder / "cache"), "HOME": str(folder / "home")}
        stack.enter_context(mock.patch.dict(os.environ, home))
        os.chdir(folder)
        try:
            factors = fit(tiny, "b", parts=2, seeds=range(8))
            factors.save(folder / "factors")
            name_factors(tiny, factors, None, seeds=range(4)).save(folder / "named")
            latents = tiny.sample([1])
            made = tiny.forward(latents)
            config = {"pictures": ["photo.png"], "lpips": [0.0], "pixels": [0.0]}
            Inversion.of("tiny", latents, made, made, config).save(folder / "me")
            Image.new("RGB", (40, 40)).save(folder / "photo.png")
            (folder / "model").write_bytes((GOLDENS / "stylegan2-sg3repo/network.pkl").read_bytes())
            (folder / "text").write_text("text")
            (folder / "zoo.json").write_text(ZOO)
            (folder / "empty").mkdir()
            (folder / "home").mkdir()
            os.mkfifo(folder / "pipe")
            (folder / "loop").symlink_to("loop")
            yield
        finally:
            os.chdir(before)


def attempt(arguments: list[str]) -> tuple[int, str]:
    """Run it; the exit status, and the traceback where there was one."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = stop.code
        except BaseException:
            return -1, traceback.format_exc()
    if code not in (0, 1, 2):
        return -1, f"exit status {code}"
    if code == 2 and not err.getvalue().strip():
        return -1, "wrong use without a word"
    return code, ""


def run(count: int, seed: int, folder: Path) -> tuple[Counter, list[str]]:
    """Try so many lists; how many ended with each status, and what went wrong."""
    dice, statuses, problems = random.Random(seed), Counter(), []
    torch.set_num_threads(1)
    with playground(folder):
        for _ in range(count):
            arguments = arbitrary(dice)
            if _is_long(arguments):
                continue
            code, problem = attempt(arguments)
            statuses[code] += 1
            if sum(statuses.values()) % 500 == 0:
                print(dict(statuses), file=sys.stderr, flush=True)
            if problem:
                problems.append(f"panda {arguments!r:.500}\n{problem[-1200:]}")
    return statuses, problems


def _is_long(arguments: list[str]) -> bool:
    """Whether it would work for minutes, which is no mistake: a demo, the default of 1000 seeds."""
    first = arguments[0]
    seeds = next((a for a in arguments if a in ("0-3", "1", "3", "0,2", "12", "0")), None)
    if first == "compare" or "ablations" in arguments:
        return "--samples" not in arguments
    return first in ("demo", "check") or (
        first == "fit" and (seeds is None or "paper" in arguments)
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        statuses, problems = run(options.count, options.seed, Path(scratch))
    print(
        f"{sum(statuses.values())} lists of arguments: "
        + ", ".join(f"{number} ended with {code}" for code, number in sorted(statuses.items()))
    )
    for problem in problems[:10]:
        print(problem)
    sys.exit(bool(problems))
