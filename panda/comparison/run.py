"""``compare``: every entry through the same analysis, whatever stops or fails on the way."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing import connection, get_context, parent_process
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch

from panda.comparison.analysis import analyze
from panda.comparison.kinship import kin
from panda.comparison.matching import match
from panda.comparison.plan import Plan
from panda.comparison.results import Analyzed, Comparison, Failure, Matching
from panda.comparison.store import ComparisonFolder
from panda.errors import DiskError, PandaError, describe_error
from panda.files.writing import check_target
from panda.generators.entries import Entry, find_entries


def compare(
    generators: Sequence[str],
    out: Path | str,
    plan: Plan | None = None,
    *,
    jobs: int = 1,
    device: str = "cpu",
) -> Comparison:
    """Analyze generators in the same way, match what is found, and keep all of it in ``out``.

    ``generators`` are names, patterns (``"mini-*"``), files, and single classes (``"NAME@207"``).
    ``jobs`` processes work on one generator each. The same call goes on where it was stopped. One
    that fails is among the failures of the result, and the others are there. Raises `PandaError`
    for wrong use, a full disk, and where every one failed; progress goes to stderr.
    """
    plan, out = plan or Plan(), Path(out)
    if jobs < 1:
        raise PandaError(f"{jobs} jobs, expected at least one")
    entries = find_entries(generators)
    check_target(out)
    store = ComparisonFolder(out, plan)
    progress = Progress(entries)
    with store.hold():
        if jobs == 1 or len(entries) == 1:
            failures = [_try(entry, plan, store, device, progress) for entry in entries]
        else:
            failures = _in_processes(entries, plan, store, device, jobs, progress)
    found, failed = collect(entries, plan, store, [one for one in failures if one])
    if not found:
        raise PandaError(f"no generator could be compared: {failed[0].name}: {failed[0].reason}")
    matchings, kinships = match_all(store, plan, found), kin(store, plan, found)
    return Comparison(plan, tuple(found), tuple(matchings), tuple(failed), tuple(kinships))


class Progress:
    """Lines on stderr: where each entry is, and how many are done."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._total, self._done, self._started = len(entries), 0, time.monotonic()

    def done(self, entry: Entry, failure: Failure | None) -> None:
        """Tell that one is finished, and about how long the others may take."""
        self._done += 1
        passed = time.monotonic() - self._started
        rest = passed / self._done * (self._total - self._done)
        left = f", about {rest:.0f} s left" if self._done < self._total else ""
        word = f"failed: {failure.reason}" if failure else "done"
        say(entry, f"{word} ({self._done} of {self._total} in {passed:.0f} s{left})")


def say(entry: Entry, text: str) -> None:
    """One line on stderr."""
    print(f"{entry.name}: {text}", file=sys.stderr, flush=True)


def _try(
    entry: Entry, plan: Plan, store: ComparisonFolder, device: str, progress: Progress | None
) -> Failure | None:
    """Analyze one; whatever it raises is a failure of its own, but for what hits all of them."""
    failure = None
    try:
        analyze(entry, plan, store, device, lambda text: say(entry, text))
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
    """What a process does: one entry, and its failure or None through the pipe."""
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
    store: ComparisonFolder,
    device: str,
    jobs: int,
    progress: Progress,
) -> list[Failure | None]:
    """One fresh process an entry, so many at a time; one that is lost takes no other with it."""
    context = get_context("spawn")
    threads = max(1, torch.get_num_threads() // jobs)
    waiting = [entry for entry in entries if not store.done(entry, plan)]
    for entry in entries:
        if entry not in waiting:
            progress.done(entry, None)
    running: dict[Any, tuple[SpawnProcess, connection.Connection, Entry]] = {}
    failures: list[Failure | None] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                entry = waiting.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                arguments = (theirs, entry, plan, store.folder, device, threads)
                process = context.Process(target=_work, args=arguments)
                process.start()
                theirs.close()
                running[process.sentinel] = process, ours, entry
            for sentinel in connection.wait(list(running)):
                process, ours, entry = running.pop(sentinel)
                process.join()
                failures.append(_told_by(ours, entry, process.exitcode))
                progress.done(entry, failures[-1])
    finally:
        for process, _, _ in running.values():
            process.terminate()
    return failures


def _told_by(pipe: connection.Connection, entry: Entry, code: int | None) -> Failure | None:
    """What its process found; raises `DiskError` where that met one."""
    try:
        found: Failure | DiskError | None = pipe.recv()
    except EOFError:
        return Failure(entry.name, f"its process was lost (exit code {code})")
    if isinstance(found, DiskError):
        raise found
    return found


def collect(
    entries: Sequence[Entry], plan: Plan, store: ComparisonFolder, failures: Sequence[Failure]
) -> tuple[list[Analyzed], list[Failure]]:
    """What there is of every entry that did not fail, in the order given."""
    failed = {failure.name: failure for failure in failures}
    found = []
    for entry in entries:
        if entry.name in failed:
            continue
        try:
            found.append(store.read(entry, plan))
        except PandaError as error:
            failed[entry.name] = Failure(entry.name, str(error))
    return found, list(failed.values())


def match_all(store: ComparisonFolder, plan: Plan, found: Sequence[Analyzed]) -> list[Matching]:
    """Parts and appearances matched at each level that two generators or more have."""
    matchings = []
    for level in plan.levels:
        these = [(one, at) for one in found if (at := one.at(level)) is not None]
        if len(these) < 2:
            continue
        maps = {one.name: store.maps(one.entry, level) for one, _ in these}
        parts = {one.name: [part.name for part in at.parts] for one, at in these}
        changed = {
            one.name: [f"{at.parts[a.part].name}: p{a.axis}" for a in at.appearances]
            for one, at in these
        }
        for kind, key, names in (("parts", "parts", parts), ("appearances", "changes", changed)):
            tensors = {name: tensors[key] for name, tensors in maps.items()}
            matchings.append(match(level, kind, tensors, names))
    return matchings
