"""What a process that reads hostile files must not do, and limits that end it where it does.

For separate processes only: neither the audit hook nor the limits can be removed.
"""

from __future__ import annotations

import codecs
import faulthandler
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from panda.errors import PandaError

SECONDS = 5.0  # of CPU time: the machine may be busy with other things
WAITING = 120.0  # of any time
BYTES = 1 << 30
LONGEST = 700  # characters of a sentence

_READING = {"open", "mmap.__new__", "os.scandir", "os.listdir", "builtins.id", "pathlib.Path.glob"}
_MEASURING = {"sys.settrace", "object.__getattr__"}  # of frames, by a tracer
_WRITING = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod"}
_WRITING |= {"shutil.rmtree", "tempfile.mkdtemp", "tempfile.mkstemp"}


class Guard:
    """Watches readings; ``target`` is where they may write, if anywhere.

    ``problems`` are readings that ended in anything but success or one sentence of a `PandaError`,
    and those with an event of Python's audit hooks that is neither reading nor writing there: code
    that is run or compiled, imports, programs, connections. A reading that takes over 5 CPU seconds
    ends the process with a traceback, and so does whatever brings down the interpreter.
    """

    def __init__(self, target: Path | None = None) -> None:
        self.problems: list[str] = []
        self.slowest = self.last = 0.0
        self._harm: list[str] = []
        self._watching = False
        self._target = None if target is None else str(target.resolve())
        codecs.lookup("cp437")  # zipfile wants it for names that are not marked as UTF-8
        faulthandler.enable()
        # It tells where the process is, and then the system ends it.
        faulthandler.register(signal.SIGPROF, chain=True)
        self._before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.addaudithook(self._hear)

    @property
    def mebibytes(self) -> float:
        """By how much the process has grown at most."""
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self._before) / 1024

    def watch(self, name: str, read: Callable[[], object]) -> str | None:
        """Read a file; return the sentence with which it was refused, None where it was read."""
        faulthandler.dump_traceback_later(WAITING, exit=True)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        started = time.process_time()
        self._watching = True
        try:
            read()
            return None
        except PandaError as error:
            sentence = str(error)
        except BaseException:
            self._watching = False
            self.problems.append(f"{name}: {traceback.format_exc()[-1500:]}")
            return "not a PandaError"
        finally:
            self._watching = False
            signal.setitimer(signal.ITIMER_PROF, 0)
            faulthandler.cancel_dump_traceback_later()
            self.problems += [f"{name}: {event}" for event in dict.fromkeys(self._harm)]
            self._harm.clear()
            self.last = time.process_time() - started
            self.slowest = max(self.slowest, self.last)
        if "\n" in sentence or len(sentence) > LONGEST:
            self.problems.append(f"{name}: no one sentence: {sentence!r:.300}")
        if "the memory of this machine" in sentence:
            self.problems.append(f"{name}: asked for over a gibibyte: {sentence}")
        return sentence

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._watching:
            return
        opened = event == "open" and arguments[1] in ("r", "rb", None)
        if opened or event in _MEASURING or (event in _READING and event != "open"):
            return
        if self._target and event in _WRITING and self._inside(arguments[0]):
            return
        self._harm.append(f"{event} {arguments!r:.200}")

    def _inside(self, path: object) -> bool:
        where = os.path.realpath(os.fsdecode(path)) if isinstance(path, str | bytes) else ""
        return where.startswith(f"{self._target}{os.sep}")
