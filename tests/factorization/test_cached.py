"""Factors that the cache keeps: fitted once, and again where they are damaged."""

import threading

import pytest
import torch

from panda import create_generator
from panda.factorization import cached
from panda.factorization.cached import cached_folder, fit_cached
from panda.factorization.factors import Factors

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
