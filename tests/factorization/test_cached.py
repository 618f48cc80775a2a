"""Factors that the cache keeps: fitted once, and again where they are damaged."""

import threading
import time

import pytest
import torch

from panda import create_generator
from panda.factorization import cached
from panda.factorization import journal as journal_module
from panda.factorization.cached import cached_folder, fit_cached
from panda.factorization.factors import Factors
from panda.factorization.journal import Journal

MINI = "mini-stylegan2-faces-64"


@pytest.fixture
def fitted(tmp_path, monkeypatch):
    """A generator, its cached factors and their folder."""
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "cache"))
    generator = create_generator(MINI)
    factors = fit_cached(generator, "8.conv1", parts=2, seeds="0-7")
    return generator, factors, cached_folder(MINI, "8.conv1", 2, 128, "0-7")


def test_factors_are_fitted_once(fitted, monkeypatch):
    generator, factors, folder = fitted
    assert folder.is_dir()
    monkeypatch.setattr(cached, "fit", None)
    again = fit_cached(generator, "8.conv1", parts=2, seeds="0-7")
    torch.testing.assert_close(again.parts, factors.parts, rtol=0, atol=0)


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"{", None])
def test_damaged_factors_are_fitted_again(fitted, suffix, content):
    generator, factors, folder = fitted
    (file,) = folder.glob(f"[cf]*{suffix}")
    file.write_bytes(file.read_bytes()[:-5] if content is None else content)
    again = fit_cached(generator, "8.conv1", parts=2, seeds="0-7")
    torch.testing.assert_close(again.parts, factors.parts)
    Factors.check_folder(folder)  # all of it is PandA's


def test_threads_that_want_the_same_factors_fit_them_once(tiny, cache, monkeypatch):
    fits = []
    real = cached.fit
    monkeypatch.setattr(cached, "fit", lambda *a, **k: fits.append(a) or real(*a, **k))
    results = []

    def work():
        results.append(fit_cached(tiny, "b", parts=3, seeds="0-19"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fits) == 1
    assert len(results) == 4
    for factors in results[1:]:
        assert torch.equal(factors.parts, results[0].parts)


def test_the_cache_has_a_folder_for_each_fit(tmp_path, monkeypatch):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    usual = cached_folder("a?b c", "8.conv?1", 2, 12)
    assert usual == tmp_path / "factors" / "a_b_c" / "8.conv_1-2-12-0-999"
    assert cached_folder("...", "a", 2, 12).parent.name == "_"
    assert cached_folder(".x", "a", 2, 12).parent.name == "x"
    many = cached_folder("g", "a", 2, 12, range(0, 400, 2))
    assert len(many.name) == len("a-2-12-") + 12 and many != cached_folder("g", "a", 2, 12, 200)
    assert many == cached_folder("g", "a", 2, 12, list(range(0, 400, 2)))
    assert cached_folder("g", "a", 2, 12, [1, 5, 9]).name == "a-2-12-1,5,9"
    forty = [*range(10, 32, 2), 100, 102]
    assert len(",".join(map(str, forty))) == 40
    assert cached_folder("g", "a", 2, 12, forty).name.endswith("-" + ",".join(map(str, forty)))
    path = tmp_path / "net.pkl"
    path.write_bytes(b"1")
    first = cached_folder(str(path), "a", 2, 12)
    assert first.parent.name.startswith("net-") and first == cached_folder(str(path), "a", 2, 12)
    path.write_bytes(b"22")
    assert cached_folder(str(path), "a", 2, 12) != first


def test_a_journal_is_written_again_after_a_while(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    journal = Journal(tmp_path / "j", {"a": (1, 2)})
    now[0] += journal_module.SECONDS
    assert not journal.due
    now[0] += 1
    assert journal.due
    journal.write({"x": torch.ones(2)})
    assert not journal.due
    assert torch.equal(journal.read()["x"], torch.ones(2))
    assert not journal.has_samples(0)
    journal.samples.write_bytes(b"12345678")
    assert journal.has_samples(8) and not journal.has_samples(9)
    assert journal.samples == tmp_path / "j" / "0-of-1.samples"
