"""``compare``: every entry through the same analysis, whatever stops or fails on the way."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from multiprocessing import connection, get_context, parent_process
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch

from panda.comparison.analysis import analyze, check_classes
from panda.comparison.matching import match
from panda.comparison.plan import Plan
from panda.comparison.results import Comparison, Failure, GeneratorResult, Matching
from panda.comparison.similarity import background_similarities
from panda.comparison.store import PAGES, WHAT, ComparisonFolder
from panda.errors import DiskError, PandaError, describe_error
from panda.files.ownership import check_files
from panda.files.tilde import expand
from panda.generators.entries import Entry, find_entries
from panda.generators.registry import cards
from panda.generators.seeds import as_count
from panda.notes import note


def compare(
    generators: str | Path | Iterable[str | Path],
    out: str | Path,
    plan: Plan | None = None,
    *,
    jobs: int = 1,
    device: str | torch.device = "cpu",
) -> Comparison:
    """Analyze generators in the same way, match the results, and write all of it to a folder.

    The same call resumes where it was stopped. A generator that fails is among the failures of the
    result, and the others are compared. Progress goes to stderr.

    Args:
        generators: One or several: names, patterns (``"mini-*"``), files, and single classes
            (``"NAME@207"``, ``"NAME@0-9"``).
        out: The folder.
        plan: What is compared; `Plan` has the defaults, and `QUICK` is a small one.
        jobs: How many processes work, each on one generator.
        device: Where the generators run.

    Returns:
        Every figure; `panda.comparison.report.write` makes pages of it.

    Raises:
        PandaError: For wrong use, a class that a generator does not have, a full disk, a
            generator's name as the folder, and where every generator fails.
    """
    plan, out, jobs = plan or Plan(), _as_folder(out), as_count(jobs, "jobs")
    entries = find_entries(_as_texts(generators))
    check_files(out, WHAT, PAGES)
    folder = ComparisonFolder(out, plan)
    progress = Progress(entries)
    with folder.lock():
        try:
            check_classes(entry for entry in entries if not folder.done(entry, plan))
        except PandaError:
            folder.withdraw()
            raise
        if jobs == 1 or len(entries) == 1:
            failures = [_try(entry, plan, folder, str(device), progress) for entry in entries]
        else:
            failures = _in_processes(entries, plan, folder, str(device), jobs, progress)
    results, failed = collect(entries, plan, folder, [failure for failure in failures if failure])
    if not results:
        folder.withdraw()
        raise PandaError(f"no generator could be compared: {failed[0].name}: {failed[0].reason}")
    matchings = match_all(folder, plan, results)
    similarities = background_similarities(folder, plan, results)
    return Comparison(plan, tuple(results), tuple(matchings), tuple(failed), tuple(similarities))


def _as_texts(generators: object) -> list[str]:
    """Return one generator or several as text; raise `PandaError` for anything but names."""
    if isinstance(generators, str | os.PathLike) or not isinstance(generators, Iterable):
        generators = [generators]
    texts = []
    for given in generators:
        if not isinstance(given, str | os.PathLike):
            raise PandaError(
                f"{given!r:.60} is no generator that can be compared; expected a name, a pattern"
                " such as 'mini-*', or a file"
            )
        texts.append(os.fspath(given))
    return texts


def _as_folder(out: object) -> Path:
    if not isinstance(out, str | os.PathLike):
        raise PandaError(f"results cannot be written to {out!r:.60}; name a new folder")
    # A Path means a folder for certain, and so does the shell's --out.
    if isinstance(out, str) and out in cards():
        raise PandaError(
            f"{out!r} is a generator, expected a folder; compare takes the generators as a list:"
            " compare(['a', 'b'], 'folder')"
        )
    return expand(out)


class Progress:
    """Lines on stderr: which entries are done, and how long the others may take."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._total, self._done, self._started = len(entries), 0, time.monotonic()

    def done(self, entry: Entry, failure: Failure | None) -> None:
        """Print that an entry is finished, and about how long the others may take."""
        self._done += 1
        passed = time.monotonic() - self._started
        rest = passed / self._done * (self._total - self._done)
        left = f", about {rest:.0f} s left" if self._done < self._total else ""
        word = f"failed: {failure.reason}" if failure else "done"
        say(entry, f"{word} ({self._done} of {self._total} in {passed:.0f} s{left})")


def say(entry: Entry, text: str) -> None:
    """Print a line about an entry to stderr."""
    note(f"{entry.name}: {text}")


def _try(
    entry: Entry, plan: Plan, folder: ComparisonFolder, device: str, progress: Progress | None
) -> Failure | None:
    """Analyze an entry; whatever it raises is its failure, but for what hits all entries."""
    failure = None
    try:
        analyze(entry, plan, folder, device, lambda text: say(entry, text))
    except DiskError:
        raise
    except PandaError as error:
        failure = Failure(entry.name, str(error))
    except Exception as error:  # a backend may fail in any way at all
        failure = Failure(entry.name, describe_error(error))
    if progress is not None:
        progress.done(entry, failure)
    return failure


def _work(pipe: Any, entry: Entry, plan: Plan, out: Path, device: str, threads: int) -> None:
    """Analyze an entry in a process of its own; send its failure or None through the pipe."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    try:
        pipe.send(_try(entry, plan, ComparisonFolder(out, plan), device, None))
    except DiskError as error:
        pipe.send(error)


def _end_with_parent() -> None:
    """End this process when its parent is gone, killed, and the same call may be made again."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _in_processes(
    entries: Sequence[Entry],
    plan: Plan,
    folder: ComparisonFolder,
    device: str,
    jobs: int,
    progress: Progress,
) -> list[Failure | None]:
    """Analyze each entry in a fresh process, ``jobs`` at a time; a lost one stops no other."""
    context = get_context("spawn")
    threads = max(1, torch.get_num_threads() // jobs)
    waiting = [entry for entry in entries if not folder.done(entry, plan)]
    for entry in entries:
        if entry not in waiting:
            progress.done(entry, None)
    running: dict[Any, tuple[SpawnProcess, connection.Connection, Entry]] = {}
    failures: list[Failure | None] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                entry = waiting.pop(0)
                receiver, sender = context.Pipe(duplex=False)
                arguments = (sender, entry, plan, folder.path, device, threads)
                process = context.Process(target=_work, args=arguments)
                process.start()
                sender.close()
                running[process.sentinel] = process, receiver, entry
            for sentinel in connection.wait(list(running)):
                process, receiver, entry = running.pop(sentinel)
                process.join()
                failures.append(_received(receiver, entry, process.exitcode))
                progress.done(entry, failures[-1])
    finally:
        for process, _, _ in running.values():
            process.terminate()
    return failures


def _received(pipe: connection.Connection, entry: Entry, code: int | None) -> Failure | None:
    """Return what a process sent; raise `DiskError` where it met one."""
    try:
        message: Failure | DiskError | None = pipe.recv()
    except EOFError:
        return Failure(entry.name, f"its process was lost (exit code {code})")
    if isinstance(message, DiskError):
        raise message
    return message


def collect(
    entries: Sequence[Entry], plan: Plan, folder: ComparisonFolder, failures: Sequence[Failure]
) -> tuple[list[GeneratorResult], list[Failure]]:
    """Read the results of every entry that did not fail, in the order given.

    Returns:
        The results, and all failures: those given, and of results that are damaged.
    """
    failed = {failure.name: failure for failure in failures}
    results = []
    for entry in entries:
        if entry.name in failed:
            continue
        try:
            results.append(folder.read(entry, plan))
        except PandaError as error:
            failed[entry.name] = Failure(entry.name, str(error))
    return results, list(failed.values())


def match_all(
    folder: ComparisonFolder, plan: Plan, results: Sequence[GeneratorResult]
) -> list[Matching]:
    """Match parts and appearances at each level that two generators or more have."""
    matchings = []
    for level in plan.levels:
        pairs = [(result, at) for result in results if (at := result.at(level)) is not None]
        if len(pairs) < 2:
            continue
        maps = {result.name: folder.maps(result.entry, level) for result, _ in pairs}
        parts = {result.name: [part.name for part in at.parts] for result, at in pairs}
        changed = {
            result.name: [f"{at.parts[a.part].name}: p{a.axis}" for a in at.appearances]
            for result, at in pairs
        }
        for kind, key, names in (("parts", "parts", parts), ("appearances", "changes", changed)):
            tensors = {name: tensors[key] for name, tensors in maps.items()}
            matchings.append(match(level, kind, tensors, names))
    return matchings
