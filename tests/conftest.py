from __future__ import annotations

import asyncio
import gc
import os
import warnings

if "PYTEST_XDIST_WORKER" in os.environ:  # one process for each core: threads would fight for them
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# isort: split

import panda  # noqa: F401, it prepares the environment that torch reads when it is loaded

# isort: split

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fetching import FILE
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from toy_plugins import install  # noqa: F401
from web_server import WebServer

from panda import Generator, Latents, Layer, PandaError, State, create_generator
from panda.factorization import cached, verdict
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.factorization.solvers import joint
from panda.generators.registry import cards
from panda.generators.seeds import seeded_normal
from panda.weights import download

# What a test writes must not depend on how busy its machine is, in subprocesses either; the program
# itself does not know pytest.
os.environ.setdefault("TQDM_DISABLE", "1")

CPU = torch.device("cpu")
GOLDENS = Path(__file__).parent / "goldens"
MINI = "mini-stylegan2-faces-64"


def golden(name: str) -> dict[str, Tensor]:
    return load_file(GOLDENS / name / "io.safetensors")


class TinyGenerator(Generator):
    """A small convolutional generator with random weights: 4 -> 8 -> 16 pixels."""

    usual_truncation = 1.0

    def __init__(self, device: torch.device = CPU, dtype: torch.dtype = torch.float32) -> None:
        torch.manual_seed(1)
        self.name = "tiny"
        self.device, self.dtype = device, dtype
        self.size = (16, 16)
        self.dense = nn.Linear(8, 12 * 16).requires_grad_(False)
        self.convs = nn.ModuleList(
            nn.Conv2d(12, 12, 3, padding=1) for _ in range(2)
        ).requires_grad_(False)
        self.rgb = nn.Conv2d(12, 3, 1).requires_grad_(False)
        for network in (self.dense, self.convs, self.rgb):
            network.to(device, dtype)
        self.layers = {
            name: Layer(name, 12, pixels, pixels)
            for name, pixels in (("a", 4), ("b", 8), ("c", 16))
        }

    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | None = None
    ) -> Latents:
        if label is not None:
            raise PandaError(f"{self.name} has no classes, but label {label} was given")
        z = torch.from_numpy(seeded_normal(seeds, 8)).to(self.device, self.dtype)
        return Latents(tuple(seeds), {"z": truncation * z})

    def head(self, latents: Latents, layer: str) -> State:
        x = F.leaky_relu(self.dense(latents.tensors["z"])).view(-1, 12, 4, 4)
        for conv in self.convs[: self.index(layer)]:
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2)))
        return State(x)

    def tail(self, state: State, layer: str) -> Tensor:
        x = state.x
        for conv in self.convs[self.index(layer) :]:
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2)))
        return torch.tanh(self.rgb(x))

    def index(self, layer: str) -> int:
        return list(self.layers).index(self.layer(layer).name)

    def forward(self, latents: Latents) -> Tensor:
        return self.tail(self.head(latents, "a"), "a")


class AdvancingGenerator(TinyGenerator):
    """One that takes edits at several layers; a state's ``rest`` is a running image."""

    def head(self, latents: Latents, layer: str) -> State:
        x = super().head(latents, "a").x
        return self.run(State(x, x.new_zeros(len(x), 3, 4, 4)), 0, self.index(layer))

    def advance(self, state: State, layer: str, to_layer: str) -> State:
        return self.run(state, self.index(layer), self.index(to_layer))

    def tail(self, state: State, layer: str) -> Tensor:
        end = self.run(state, self.index(layer), len(self.convs))
        return torch.tanh(end.rest + self.rgb(end.x))

    def run(self, state: State, start: int, stop: int) -> State:
        x, image = state.x, state.rest
        for conv in self.convs[start:stop]:
            image = F.interpolate(image + self.rgb(x), scale_factor=2)
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2)))
        return State(x, image)


SLOWEST = ("test_kills.py", "test_arguments.py", "test_readme.py", "test_odd_configs.py")
"""Files that are run first, so that no process is left alone with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slowest files first; all others stay in their order."""
    items.sort(key=lambda item: item.path.name not in SLOWEST)


@pytest.fixture(autouse=True)
def any_verdict(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take backgrounds as found and parts as stable: few tests ask, and random weights are not."""
    if "verdict" not in request.keywords:
        monkeypatch.setattr(verdict, "AGREEMENT", -1.0)
        monkeypatch.setattr(verdict, "COVERED", 0.0)
        monkeypatch.setattr(joint, "STABLE", -1.0)


@pytest.fixture
def tiny() -> TinyGenerator:
    return TinyGenerator()


@pytest.fixture(scope="session")
def faces() -> Generator:
    """The real generator; its weights (38 MB) are fetched by `panda demo`, never by a test."""
    name = "mobilestylegan-ffhq-1024"
    weights = cards()[name].weights
    if weights is None or not weights.cached:
        pytest.skip("the weights are not cached; run 'panda demo --quick' once")
    return create_generator(name)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, empty."""
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """A web server with the file of `fetching`, of which downloads expect quick answers."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "TIMEOUT", 0.9)
    monkeypatch.setattr(download, "PAUSE", 0.0)
    server = WebServer()
    server.files["/net.pkl"] = FILE
    yield server
    server.close()


@pytest.fixture(scope="module")
def small_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of a module's own, whose factors are fitted to few samples."""
    usual = {**cached.fit_cached.__kwdefaults__, "seeds": "0-63"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PANDA_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(cached, "SEEDS", "0-63")
        patch.setattr(cached.fit_cached, "__kwdefaults__", usual)
        yield


@pytest.fixture(scope="module")
def studio(small_cache):
    """A studio of one small generator."""
    from panda.studio.app import Studio
    from panda.studio.library import Library

    return Studio(Library([MINI]))


@pytest.fixture
def session(studio):
    """A session of that studio, on its usual sample."""
    from panda.studio.app import Selection

    return studio.open(Selection(MINI))


def unsettled(factors: Factors, parts: Sequence[int], axes: Sequence[int]) -> Factors:
    """Return factors with some unstable parts, and some unstable own axes of every part."""
    count, length = factors.own.shape[:2]
    known = [[0.1 if axis in axes else 0.9 for axis in range(length)]] * count
    stability = {"parts": [0.2 if part in parts else 1.0 for part in range(count)], "own": known}
    return replace(factors, config={**factors.config, "stability": stability})


class Counting(TinyGenerator):
    heads = tails = 0

    def head(self, latents: Latents, layer: str) -> State:
        self.heads += 1
        return super().head(latents, layer)

    def tail(self, state: State, layer: str) -> Tensor:
        self.tails += 1
        return super().tail(state, layer)


@pytest.fixture
def canvas():
    """A sample of a generator that counts its passes, and factors of a layer."""
    from panda.studio.session import Canvas

    generator = Counting()
    factors = fit(generator, "b", parts=4, seeds=range(60))
    generator.heads = generator.tails = 0
    return Canvas(generator, factors, generator.sample([3]))


@pytest.fixture(scope="module")
def loops_closed():
    """Close the event loops that gradio makes in the main thread, and collect its sockets.

    It leaves both open. Python warns of each where it is collected: here, not in another test.
    """
    made = []
    new = asyncio.new_event_loop

    def recorded():
        made.append(new())
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", recorded)
        yield
    asyncio.set_event_loop(None)
    for loop in made:
        if not loop.is_running():
            loop.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
