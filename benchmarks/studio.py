"""Measure the time from a move of the studio's slider until the page receives the picture.

    OMP_NUM_THREADS=1 python benchmarks/studio.py mini-stylegan2-faces-64 mobilestylegan-ffhq-1024

Prints the seconds until the page answers, then the minimum and the median of the CPU and wall
seconds of some moves of the slider.
"""

import argparse
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

from panda.studio import views
from panda.studio.app import Selection, Studio
from panda.studio.library import Library

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("generators", nargs="+")
parser.add_argument("--moves", type=int, default=5)
options = parser.parse_args()


def start(generator: str) -> float:
    """Return the seconds from the start of the command until its page answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    started = time.perf_counter()
    command = [sys.executable, "-m", "panda", "studio", generator, "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/").close()
            except urllib.error.URLError:
                time.sleep(0.05)
                continue
            process.terminate()
            return time.perf_counter() - started
    raise SystemExit("panda studio ended before its page answered")


print(f"the page answers {start(options.generators[0]):.1f} s after the start of panda studio")

studio = Studio(Library(options.generators))
for name in options.generators:
    session = studio.open(Selection(name))
    session.pick(0.5, 0.7)
    session.add("p0", "edit")
    names = studio.names(session.canvas)
    times = []
    for move in range(options.moves):
        wall, cpu = time.perf_counter(), time.process_time()
        session.change(session.stack.set_strength(move + 0.5))
        views.stage(session, names)
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    for clock, seconds in zip(("CPU", "wall"), zip(*times, strict=True), strict=True):
        median = statistics.median(seconds)
        print(f"{name}: {clock} seconds: minimum {min(seconds):.3f}, median {median:.3f}")
