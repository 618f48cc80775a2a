"""Generators and factors that the studio holds: loaded once, shared, kept."""

import threading

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
from panda.studio import views
from panda.studio.actions import Selection, Studio
from panda.studio.library import Library


def test_a_library_offers_what_is_here_and_loads_each_once(small_cache, monkeypatch, tmp_path):
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


def test_factors_that_were_given_come_first(studio, tmp_path, small_cache):
    generator = create_generator(MINI)
    fit(generator, "8.conv1", parts=3, seeds=range(20)).save(tmp_path / "mine")
    other = Studio(Library([MINI], [tmp_path / "mine"]))
    choice = other.resolve(Selection(MINI))
    assert (choice.layer, choice.factors) == ("8.conv1", str(tmp_path / "mine"))
    session = other.open(choice)
    assert session.canvas.factors.parts.shape[1] == 3
    assert "seed-0" in views.status(session) and not studio.library.given


def test_a_shared_generator_is_the_same_with_its_latent_space(tiny):
    own = create_generator(MINI)
    shared = share(own)
    assert isinstance(shared, WSpace) and shared.slots == own.slots
    latents = shared.sample([1])
    assert torch.equal(shared.forward(latents), own.forward(latents))
    assert torch.equal(shared.w_plus(latents), own.w_plus(latents))
    assert type(share(tiny)) is Shared
    shared.lock.acquire()
    blocked = threading.Thread(target=shared.forward, args=(latents,))
    blocked.start()
    blocked.join(0.05)
    assert blocked.is_alive()
    shared.lock.release()
    blocked.join()


def test_kept_factors_are_fitted_once_and_again_where_they_are_damaged(
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


def test_factors_of_a_file_are_kept_apart_when_it_changes(small_cache, tmp_path):
    file = tmp_path / "network.pkl"
    file.write_bytes(b"one")
    before = cached.cached_folder(str(file), "16.conv1", 8, 64)
    file.write_bytes(b"other")
    assert cached.cached_folder(str(file), "16.conv1", 8, 64) != before
    assert "network" in before.parent.name and "/" not in before.name


def test_a_fit_tells_its_steps_to_who_watches(tiny):
    told = []
    with watched(lambda *step: told.append(step)):
        fit(tiny, "a", parts=2, seeds=range(40))
    assert ("sample", 40, 40) in told and any(what.startswith("solve") for what, *_ in told)
    told.clear()
    assert list(bar([1, 2], desc="quiet")) == [1, 2] and not told
    with watched(lambda *step: told.append(step)):
        assert list(bar([1, 2], desc="loud")) == [1, 2]
    assert told == [("loud", 1, 2), ("loud", 2, 2)]
