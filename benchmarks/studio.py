"""How long the studio needs from a new strength to the picture that the page gets.

    OMP_NUM_THREADS=1 python benchmarks/studio.py mini-stylegan2-faces-64 mobilestylegan-ffhq-1024

How long the command needs until its page answers, then CPU and wall seconds of each of some moves
of the slider, the least and the median.
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
    """Seconds from the command to the page's first answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    command = [sys.executable, "-m", "panda", "studio", generator, "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/").close()
            except urllib.error.URLError:
                time.sleep(0.05)
                continue
            process.terminate()
            return time.perf_counter() - began
    raise SystemExit("panda studio ended before its page answered")


print(f"the page answers {start(options.generators[0]):.1f} s after panda studio")

studio = Studio(Library(options.generators))
for name in options.generators:
    session = studio.open(Selection(name))
    session.pick(0.5, 0.7)
    session.add("p0", "edit")
    names = studio.names(session.canvas)
    spent = []
    for move in range(options.moves):
        wall, cpu = time.perf_counter(), time.process_time()
        session.change(session.stack.set_strength(move + 0.5))
        views.stage(session, names)
        spent.append((time.process_time() - cpu, time.perf_counter() - wall))
    for what, seconds in zip(("CPU", "wall"), zip(*spent, strict=True), strict=True):
        print(f"{name}: {what} {min(seconds):.3f} s, median {statistics.median(seconds):.3f} s")
