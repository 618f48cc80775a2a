"""The solvers, a whole fit and its parts on a GPU, as shares of what that machine can do.

    python benchmarks/gpu.py --json gpu.json                       # about a minute
    python benchmarks/gpu.py --device cpu --samples 64 --matrix 1024 --layers 8.conv2:4:3e-6

Seconds are those of the wall, the GPU idle at both ends; on a CPU they are CPU seconds. A figure is
the median of up to five runs, of fewer where a second has gone by. Both solvers get the same
features; losses are exact, over all samples, as a fraction of the energy. The rule's loss is that
after all its steps, taken in an order that gives the same numbers sooner; its time is that of a
step in the released order times the steps, and says "extrapolated". Float32 is exact float32 where
nothing else is said. What would begin after ``--seconds`` is left out, and named.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from gpu_cases import Case, Row, cuda_clock
from gpu_tables import (
    ceilings,
    generator_passes,
    head_precision,
    precision,
    shares,
    solving,
    whole_fit,
)
from solvers import Clock

from panda import create_generator
from panda.factorization.fit import fit
from panda.generators.contract import Generator
from panda.report.table import Table


def markdown(title: str, rows: list[Row]) -> str:
    """Return a table with a column for every key that a row has."""
    keys = list(dict.fromkeys(key for row in rows for key in row))

    def shown(value: str | int | float | None) -> str:
        return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)

    return (
        "\n" + Table(keys, [[shown(row.get(k)) for k in keys] for row in rows], title).to_markdown()
    )


def cases(generator: Generator, options: argparse.Namespace, clock: Clock) -> list[Case]:
    """The layers that were asked for."""
    found = []
    for text in options.layers.split(","):
        name, parts, rate = text.split(":")
        layer = generator.layer(name)
        found.append(
            Case(generator, layer, int(parts), float(rate), options.samples, options.batch, clock)
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument(
        "--layers",
        default="16.conv2:8:3e-6,32.conv2:16:1e-6,64.conv2:16:5e-8",
        help="each with its parts and the rule's learning rate",
    )
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--batch", type=int, help="samples, beside what a fit takes of itself")
    parser.add_argument("--matrix", type=int, default=8192, help="rows of the machine's products")
    parser.add_argument("--seconds", type=float, default=60, help="nothing begins after so many")
    parser.add_argument("--json", type=Path, help="write all tables here as well")
    options = parser.parse_args()

    torch.set_grad_enabled(False)
    started = time.perf_counter()
    device = torch.device(options.device)
    on_gpu = device.type == "cuda"
    clock = cuda_clock if on_gpu else time.process_time
    generator = create_generator(options.generator, device=device)
    machine = torch.cuda.get_device_name(device) if on_gpu else "CPU"
    print(
        f"{options.generator}, {options.samples} samples, {machine},"
        f" {torch.get_num_threads()} threads, torch {torch.__version__}",
        flush=True,
    )
    todo = cases(generator, options, clock)
    warm = todo[0]
    fit(generator, warm.layer.name, parts=warm.parts, seeds=range(64), batch=options.batch)
    most = ceilings(device, options.matrix, clock)
    tables: dict[str, list[Row]] = {
        "Ceilings": [
            {"what": name, "TB/s" if name == "copy" else "TFLOP/s": peak / 1e12}
            for name, peak in most.items()
        ]
    }
    print(markdown("Ceilings", tables["Ceilings"]), flush=True)
    sections: dict[str, Callable[[Case], Iterator[Row]]] = {
        "Generator passes": generator_passes,
        "Solving": lambda case: solving(case, options.steps),
        "Whole fit": whole_fit,
        "Shares of the ceilings": lambda case: shares(case, most),
    }
    if on_gpu:
        reference = create_generator(options.generator)
        sections["Features"] = lambda case: head_precision(case, reference)
    sections["Precision"] = precision
    missing = []
    for title, section in sections.items():
        rows = tables[title] = []
        for case in todo:
            if time.perf_counter() - started > options.seconds:
                missing.append(f"{title}, {case.layer.name}: no time was left")
                continue
            try:
                rows += section(case)
            except Exception as error:  # the other tables are worth having
                traceback.print_exc()
                missing.append(f"{title}, {case.layer.name}: {error}")
        if rows:
            print(markdown(title, rows), flush=True)
        if options.json:
            found = {"machine": machine, "torch": torch.__version__, "missing": missing}
            facts = {"generator": options.generator, "samples": options.samples}
            options.json.write_text(json.dumps(facts | found | {"tables": tables}, indent=1))
    print("\n" + "\n".join(f"left out: {what}" for what in missing))
    print(f"{time.perf_counter() - started:.0f} s in all")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
