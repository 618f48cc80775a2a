"""`panda fit` on the small generator, in processes of its own: fit_tiny.py ARGUMENTS OF PANDA.

DIE_AT names a seed: the process that comes to sample it kills itself, or stops where it is with
DIE_HOW=STOP. PROCESSES (such as 1,2,4) makes it run once with so many processes each, forked, which
is faster than torchrun; {} in the arguments is their number. TIMEOUT is in seconds.
"""

import multiprocessing
import os
import signal
import socket
import sys
from datetime import timedelta
from multiprocessing import connection

import torch
from conftest import TinyGenerator

from panda.cli import fit, main
from panda.factorization import journal as resume
from panda.factorization import processes


class Fragile(TinyGenerator):
    def head(self, latents, layer):
        if int(os.environ.get("DIE_AT", "-1")) in latents.seeds:
            os.kill(os.getpid(), getattr(signal, f"SIG{os.environ.get('DIE_HOW', 'KILL')}"))
        return super().head(latents, layer)


def run(arguments):
    resume.SECONDS = 0.0
    processes.TIMEOUT = timedelta(seconds=int(os.environ.get("TIMEOUT", "60")))
    fit.create_generator = lambda name, device: Fragile()
    return main(arguments)


def forked(rank, count, port, arguments):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    sys.exit(run([argument.replace("{}", str(count)) for argument in arguments]))


def fork(count, arguments):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    started = [
        context.Process(target=forked, args=(rank, count, port, arguments)) for rank in range(count)
    ]
    for process in started:
        process.start()
    status = 0
    while running := [process for process in started if process.is_alive()]:
        ended = connection.wait([process.sentinel for process in running])
        for process in running:
            if process.sentinel in ended:
                process.join()  # the sentinel goes a moment before there is an exit status
        if status := max(abs(process.exitcode or 0) for process in started):
            for process in running:  # as torchrun does when one fails
                process.kill()
    return status


if __name__ == "__main__":
    torch.set_num_threads(1)
    counts = os.environ.get("PROCESSES")
    if counts is None:
        sys.exit(run(sys.argv[1:]))
    sys.exit(max(fork(int(count), sys.argv[1:]) for count in counts.split(",")))
