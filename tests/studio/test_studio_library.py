"""Generators and factors of a studio: loaded once, shared, cached."""

import shlex
import threading
import time

import pytest
import torch
from conftest import MINI, TinyGenerator

from panda import PandaError
from panda.factorization import cached
from panda.factorization.fit import fit
from panda.generators.latent_spaces import WSpace
from panda.generators.registry import create_generator, list_generators
from panda.generators.shared import Shared, share
from panda.progress import bar, watched
from panda.studio import exports, views
from panda.studio.app import Selection, Studio
from panda.studio.library import Library


def test_a_library_offers_available_generators_and_loads_each_once(
    small_cache, monkeypatch, tmp_path
):
    library = Library()
    assert MINI in library.names and "stylegan2-ffhq-1024" not in library.names
    assert set(library.names) < set(list_generators())
    with pytest.raises(PandaError, match="weights of stylegan2-ffhq-1024 are not here; run 'panda"):
        Library(["stylegan2-ffhq-1024"])
    with pytest.raises(PandaError, match="holds no factors"):
        Library(factors=[tmp_path])
    made = []

    def create(name, device):
        made.append(name)
        return TinyGenerator()

    monkeypatch.setattr("panda.studio.library.create_generator", create)
    threads = [threading.Thread(target=library.generator, args=(MINI,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [MINI]


def test_factors_from_folders_come_first_and_are_named_by_the_command(
    studio, tmp_path, small_cache
):
    generator = create_generator(MINI)
    folder = tmp_path / "my factors"
    fit(generator, "8.conv1", parts=3, seeds=range(20)).save(folder)
    other = Studio(Library([MINI], [folder]))
    selection = other.resolve(Selection(MINI))
    assert (selection.layer, selection.factors) == ("8.conv1", str(folder))
    session = other.open(selection)
    assert session.canvas.factors.parts.shape[1] == 3
    assert shlex.split(exports.command(session))[:3] == ["panda", "edit", str(folder)]
    assert "seed-0" in views.status(session) and not studio.library.factors


def test_a_shared_generator_is_the_same_with_its_latent_space(tiny):
    plain = create_generator(MINI)
    shared = share(plain)
    assert isinstance(shared, WSpace) and shared.slots == plain.slots
    latents = shared.sample([1])
    assert torch.equal(shared.forward(latents), plain.forward(latents))
    assert torch.equal(shared.w_plus(latents), plain.w_plus(latents))
    assert type(share(tiny)) is Shared


def test_calls_of_a_shared_generator_run_one_after_the_other(tiny, monkeypatch):
    running, most = [], []

    def slow(latents):
        running.append(latents)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()
        return torch.zeros(1, 3, 16, 16)

    monkeypatch.setattr(tiny, "forward", slow, raising=False)
    shared = share(tiny)
    latents = tiny.sample([1])
    threads = [threading.Thread(target=shared.forward, args=(latents,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_cached_factors_are_fitted_once_and_again_where_they_are_damaged(
    small_cache, tiny, monkeypatch
):
    calls = []
    monkeypatch.setattr(cached, "fit", lambda *a, **k: calls.append(a) or fit(*a, **k))
    first = cached.fit_cached(tiny, "b", parts=3, seeds="0-9")
    assert first.seeds == "0-9" and torch.equal(
        cached.fit_cached(tiny, "b", parts=3, seeds="0-9").parts, first.parts
    )
    assert len(calls) == 1
    folder = cached.cached_folder("tiny", "b", 3, 12, "0-9")
    (folder / "factors.safetensors").write_bytes(b"damaged")
    assert torch.equal(cached.fit_cached(tiny, "b", parts=3, seeds="0-9").parts, first.parts)
    assert len(calls) == 2


def test_factors_of_a_file_are_cached_anew_when_it_changes(small_cache, tmp_path):
    file = tmp_path / "network.pkl"
    file.write_bytes(b"one")
    before = cached.cached_folder(str(file), "16.conv1", 8, 64)
    file.write_bytes(b"other")
    assert cached.cached_folder(str(file), "16.conv1", 8, 64) != before
    assert "network" in before.parent.name and "/" not in before.name


def test_a_watched_fit_reports_its_steps(tiny):
    steps = []
    with watched(lambda *step: steps.append(step)):
        fit(tiny, "a", parts=2, seeds=range(40))
    assert ("sample", 40, 40) in steps and any(what.startswith("solve") for what, *_ in steps)
    steps.clear()
    assert list(bar([1, 2], desc="quiet")) == [1, 2] and not steps
    with watched(lambda *step: steps.append(step)):
        assert list(bar([1, 2], desc="loud")) == [1, 2]
    assert steps == [("loud", 1, 2), ("loud", 2, 2)]
