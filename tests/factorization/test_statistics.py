"""What is stored of samples: where, how exactly, and how an earlier call is resumed."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from panda import PandaError
from panda.checkpoints.tensors import load_tensors, save_tensors
from panda.factorization import basis, samples, statistics
from panda.factorization.factor_files import TENSORS
from panda.factorization.features import Features
from panda.factorization.fit import _facts, fit, reconstruction_loss
from panda.factorization.journal import Journal, forget
from panda.factorization.moments import PartMoments
from panda.factorization.samples import Samples
from panda.factorization.solvers.joint import joint
from panda.factorization.statistics import gather

pytestmark = pytest.mark.numeric


def features(generator, count=200, **options):
    return Features(generator, generator.layer("c"), range(count), **options)


def scatter(gathered):
    return gathered.sum(lambda z: (z.flatten(0, 1).T @ z.flatten(0, 1),))[0]


def test_sums_are_those_of_all_samples(tiny):
    gathered = gather(features(tiny), 200, 4)
    Z = torch.cat(list(features(tiny)))
    assert gathered.count == 200
    assert gathered.energy == pytest.approx(float(Z.double().square().sum()), rel=1e-6)
    assert torch.allclose(gathered.mean, Z.mean((0, 2)), atol=1e-5)
    assert torch.allclose(gathered.seen_mean, (Z @ gathered.basis).mean(0), atol=1e-5)
    rows = (Z @ gathered.basis).flatten(0, 1).double()
    assert torch.allclose(scatter(gathered), rows.T @ rows, rtol=1e-4, atol=1e-2)
    assert gathered.discarded == pytest.approx(
        1 - float(rows.square().sum()) / gathered.energy, abs=1e-6
    )


def test_the_moments_of_parts_are_those_of_their_columns(tiny):
    gathered = gather(features(tiny, batch=7), 200, 4)
    P = torch.rand(256, 3, generator=torch.Generator().manual_seed(0))
    seen = PartMoments.of(gathered, P)
    Z = torch.cat(list(features(tiny))).double()
    columns = (Z @ (gathered.basis @ (gathered.basis.T @ P)).double()).movedim(2, 0)
    away = columns - columns.mean(1, keepdim=True)
    assert torch.allclose(seen.scatter, away.mT @ away, rtol=1e-4, atol=1e-2)
    H = (P.T @ P).double()
    for moment, weight in zip(seen.about_zero(), (torch.eye(3).double(), H), strict=True):
        expected = torch.einsum("knc,lnd,kl->cd", columns, columns, weight)
        assert torch.allclose(moment, expected, rtol=1e-4, atol=1e-4 * float(expected.max()))


@pytest.mark.parametrize("mixtures", [5, 128])
@pytest.mark.parametrize("batch", [1, 7, 48, 200])
def test_batches_do_not_change_the_basis(tiny, batch, mixtures, monkeypatch):
    monkeypatch.setattr(basis, "MIXTURES", mixtures)
    usual, other = (gather(features(tiny, batch=size), 200, 4) for size in (32, batch))
    inside = usual.basis.T @ other.basis
    assert torch.allclose(inside @ inside.T, torch.eye(64), atol=1e-4)


@pytest.mark.parametrize(("mixtures", "worse"), [(128, 1.05), (5, 1.1)])
def test_the_basis_is_nearly_the_best_of_its_size(tiny, monkeypatch, mixtures, worse):
    monkeypatch.setattr(basis, "MIXTURES", mixtures)
    Z = torch.cat(list(features(tiny, 128)))
    rows = Z.flatten(0, 1)
    # One of the 40 is the constant vector.
    best = torch.linalg.eigh(rows.T @ rows)[0][-39:].sum() / rows.square().sum()
    monkeypatch.setattr(statistics, "COMPONENTS", (8, 40, 40))
    monkeypatch.setattr(basis, "ROWS", 256)
    assert gather(features(tiny, 128), 128, 4).discarded < worse * (1 - float(best))


def test_samples_in_a_file_are_those_in_memory(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    inside = gather(features(tiny), 200, 4)
    monkeypatch.setattr(samples, "MEMORY", 0)
    outside = gather(features(tiny), 200, 4)
    assert torch.equal(scatter(inside), scatter(outside))
    axes = torch.eye(12)[:, :5], torch.eye(64)[:, :9]
    assert torch.equal(scatter(inside.project(*axes)), scatter(outside.project(*axes)))
    assert joint(inside, 12, 4).trace == joint(outside, 12, 4).trace
    assert list(tmp_path.iterdir()) == []


def test_many_samples_keep_fewer_components(tiny, monkeypatch):
    monkeypatch.setattr(statistics, "DISK", 4 * 200 * 12 * 60)
    gathered = gather(features(tiny), 200, 4)
    assert gathered.basis.shape == (256, 60)
    few = Features(tiny, tiny.layer("b"), range(200))
    assert gather(few, 200, 4).basis.shape == (64, 60)  # though it is nearly all of its positions
    monkeypatch.setattr(statistics, "DISK", 0)
    gathered = gather(features(tiny), 200, 4)
    assert gathered.basis.shape == (256, 16)
    solution = joint(gathered, 12, 4)
    exact = reconstruction_loss(solution.appearances, solution.parts, features(tiny))
    assert exact == pytest.approx(solution.trace[-1], abs=0.05)


def test_a_cache_that_cannot_be_written_is_one_sentence(tiny, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(samples, "MEMORY", 0)
    with pytest.raises(PandaError, match="cannot keep samples in .*PANDA_HOME"):
        gather(features(tiny), 200, 4)


class Journaled:
    """Calls of gather with one journal folder, each stopped after some samples."""

    def __init__(self, folder, generator, monkeypatch):
        self.folder, self.generator = folder, generator
        monkeypatch.setattr("panda.factorization.journal.SECONDS", 0.0)

    def gather(self, stop=None, **options):
        batches = features(self.generator, **options)

        class Stopped(Features):
            def __getitem__(self, index):
                if index == stop:
                    raise KeyboardInterrupt
                return super().__getitem__(index)

        batches = Stopped(**vars(batches))
        with Journal(self.folder, _facts(batches)) as journal:
            return gather(batches, len(batches.seeds), 4, journal)


@pytest.fixture
def journaled(tmp_path, tiny, monkeypatch):
    calls = Journaled(tmp_path / ".f.fit", tiny, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        calls.gather(stop=5)
    return calls


def test_the_same_call_resumes(journaled, tiny, capsys):
    gathered = journaled.gather()
    assert ".f.fit has 160 samples of this process; resuming" in capsys.readouterr().err
    assert torch.equal(scatter(gathered), scatter(gather(features(tiny), 200, 4)))
    forget(journaled.folder)
    assert not journaled.folder.exists()


@pytest.mark.parametrize("stop", range(1, 5))
def test_a_fit_stopped_at_any_writing_ends_in_the_same_bits(stop, tiny, tmp_path, monkeypatch):
    def fitted(folder):
        return fit(tiny, "c", parts=2, seeds=range(40), resume=tmp_path / folder)

    monkeypatch.setattr("panda.factorization.journal.SECONDS", -1.0)
    undisturbed, write, written = fitted("undisturbed"), Journal.write, []

    def stopped(journal, tensors):
        write(journal, tensors)
        written.append(journal)
        if len(written) == stop:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Journal, "write", stopped)
        fitted("stopped")
    resumed = fitted("stopped")
    assert resumed.config["trace"] == undisturbed.config["trace"]
    for name in TENSORS:
        assert torch.equal(getattr(resumed, name), getattr(undisturbed, name)), name


@pytest.mark.parametrize("options", [{"count": 199}, {"truncation": 0.5}, {"batch": 64}])
def test_another_call_starts_over_and_says_so(journaled, tiny, options, capsys):
    gathered = journaled.gather(**options)
    said = capsys.readouterr().err
    assert ".f.fit holds samples of another fit, or of other processes; starting over" in said
    alone = gather(features(tiny, **options), options.get("count", 200), 4)
    assert torch.equal(scatter(gathered), scatter(alone))


def test_sums_of_another_version_start_over(journaled, tiny, capsys):
    path = journaled.folder / "0-of-1.sums"
    tensors = load_tensors(path)
    tensors["mean"] = tensors.pop("seen")
    save_tensors(path, tensors, {})
    gathered = journaled.gather()
    assert "starting over" in capsys.readouterr().err
    assert torch.equal(scatter(gathered), scatter(gather(features(tiny), 200, 4)))


def test_other_weights_start_over(journaled, tiny, capsys):
    tiny.dense.weight *= 1.01
    journaled.gather()
    assert "starting over" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["0-of-1.sums", "0-of-1.samples"])
def test_damaged_files_start_over(journaled, tiny, name, capsys):
    path = journaled.folder / name
    path.write_bytes(path.read_bytes()[:-100])
    gathered = journaled.gather()
    assert "starting over" in capsys.readouterr().err
    assert torch.equal(scatter(gathered), scatter(gather(features(tiny), 200, 4)))


def test_samples_of_other_processes_are_removed(journaled, capsys):
    for path in list(journaled.folder.glob("0-of-1.*")):
        path.rename(path.with_name(path.name.replace("0-of-1", "1-of-2")))
    journaled.gather()
    assert "starting over" in capsys.readouterr().err
    assert not list(journaled.folder.glob("*-of-2.*"))


def test_a_fit_that_was_interrupted_resumes_while_its_exception_is_kept(
    tiny, tmp_path, monkeypatch, capsys
):
    """An exception keeps every frame of the fit, and what these have; a notebook keeps the last."""
    monkeypatch.setattr("panda.factorization.journal.SECONDS", -1.0)
    head = tiny.head

    def stopping(latents, layer):
        if 150 in latents.seeds:
            raise KeyboardInterrupt
        return head(latents, layer)

    options = {"parts": 2, "seeds": range(160)}
    tiny.head = stopping
    with pytest.raises(KeyboardInterrupt) as kept:
        fit(tiny, "b", **options, resume=tmp_path / "f.fit")
    tiny.head = head
    factors = fit(tiny, "b", **options, resume=tmp_path / "f.fit")
    assert "f.fit has 128 samples of this process; resuming" in capsys.readouterr().err
    assert kept.value.__traceback__ is not None
    assert torch.equal(factors.parts, fit(tiny, "b", **options).parts)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("place", ["sampling", "appending", "appended"])
def test_no_sample_is_lost_or_counted_twice_wherever_a_fit_stops(
    tiny, tmp_path, monkeypatch, capsys, error, place
):
    """Long before the journal is due, between any two of its steps."""
    head, append = tiny.head, Samples.append
    options = {"parts": 2, "seeds": range(160)}

    def stopping_head(latents, layer):
        if 150 in latents.seeds:
            raise error
        return head(latents, layer)

    def stopping_append(samples, block):
        if samples.lengths != [32] * 4:
            return append(samples, block)
        if place == "appended":
            append(samples, block)
        raise error

    with monkeypatch.context() as patch, pytest.raises(error):
        if place == "sampling":
            patch.setattr(tiny, "head", stopping_head)
        else:
            patch.setattr(Samples, "append", stopping_append)
        fit(tiny, "b", **options, resume=tmp_path / "f.fit")
    factors = fit(tiny, "b", **options, resume=tmp_path / "f.fit")
    assert "f.fit has 128 samples of this process; resuming" in capsys.readouterr().err
    undisturbed = fit(tiny, "b", **options)
    assert factors.config["trace"] == undisturbed.config["trace"]
    for name in TENSORS:
        assert torch.equal(getattr(factors, name), getattr(undisturbed, name)), name


def test_two_runs_at_once_are_refused(journaled, tiny):
    refusal = pytest.raises(PandaError, match="another run is at work in")
    with Journal(journaled.folder, {}) as held:
        with refusal:
            journaled.gather()
        assert held.read() is None


class Waits(TorchDispatchMode):
    """Counts how often a number is fetched from a tensor, for which a GPU has to finish."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_no_batch_is_waited_for(tiny):
    batches = list(features(tiny))
    with Waits() as few:
        gather(batches[:2], 64, 4)
    with Waits() as many:
        gather(batches[:6], 192, 4)
    assert many.count == few.count
