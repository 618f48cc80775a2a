"""Whether a studio's memory and open files grow with the edits that somebody makes in it.

    OMP_NUM_THREADS=1 python benchmarks/studio_growth.py mini-stylegan2-faces-64 --edits 500

One session is used as the page uses it: parts are picked, their thumbnails made and named, edits
added, moved, undone and exported; now and then another sample is drawn. After every hundred edits,
the resident memory of the process and its descriptors are printed.
"""

from __future__ import annotations

import argparse
import gc
import random
from pathlib import Path
from types import SimpleNamespace

import torch

from panda.studio.app import Studio
from panda.studio.editing import EditingHandlers
from panda.studio.library import Library
from panda.studio.selecting import SelectionHandlers


def resources() -> tuple[float, int]:
    """Return the resident memory of this process in MiB, and the number of its descriptors."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * 4096 / 2**20, len(list(Path("/proc/self/fd").iterdir()))


def make_edit(editing: EditingHandlers, session: object, dice: random.Random) -> None:
    """Pick a part, look at its thumbnails, take one, move its slider, and export now and then."""
    editing.pick(session, SimpleNamespace(x=dice.random(), y=dice.random()))
    for _ in editing.thumbnails(session):
        pass
    editing.names(session)
    editing.take(session, SimpleNamespace(appearance=f"p{dice.randrange(4)}"))
    for _ in range(2):
        editing.slide(session, dice.uniform(-6, 6))
    match dice.randrange(10):
        case 0:
            editing.export_picture(session)
        case 1:
            editing.export_edit(session)
        case 2 | 3:
            editing.undo(session)
        case 4:
            editing.redo(session)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("generator")
parser.add_argument("--edits", type=int, default=500)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

torch.set_num_threads(1)
dice = random.Random(options.seed)
studio = Studio(Library([options.generator]))
editing, selecting = EditingHandlers(studio), SelectionHandlers(studio)
session = selecting.open_generator(None, options.generator, 0, None)[0]
for number in range(options.edits + 1):
    if number % 100 == 0:
        memory, descriptors = resources()
        print(f"after {number:4} edits: {memory:7.1f} MiB, {descriptors} descriptors", flush=True)
    if number % 20 == 19:  # as a click on "next sample" does
        while len(session.stack.steps):
            session.change(session.stack.drop(0))
        seed = number // 20
        selecting.open_generator(session, options.generator, seed, None)
    make_edit(editing, session, dice)
