"""Measure both solvers, a whole fit and its parts on a GPU, also as shares of the GPU's peak.

    python benchmarks/gpu.py --json gpu.json                       # about a minute
    python benchmarks/gpu.py --device cpu --samples 64 --matrix 1024 --layers 8.conv2:4:3e-6

Times on a GPU are wall seconds between synchronizations; on a CPU they are CPU seconds. A time is
the median of up to five runs, or of fewer where they take more than a second. Both solvers get the
same features. Losses are exact, over all samples, as a fraction of the energy. The rule's loss is
measured after all its steps, computed in a faster order of multiplication that gives the same
numbers. Its time is extrapolated: a step in the released order, times the number of steps. Float32
excludes TF32 unless stated otherwise. What would start after ``--seconds`` is skipped and listed.
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
    head_passes,
    head_precision,
    peak_rates,
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
    """Return a Markdown table with a column for each key of the rows."""
    keys = list(dict.fromkeys(key for row in rows for key in row))

    def as_text(value: str | int | float | None) -> str:
        return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)

    return (
        "\n"
        + Table(keys, [[as_text(row.get(k)) for k in keys] for row in rows], title).to_markdown()
    )


def cases(generator: Generator, options: argparse.Namespace, clock: Clock) -> list[Case]:
    """Return a case for each layer in the options."""
    result = []
    for text in options.layers.split(","):
        name, parts, rate = text.split(":")
        layer = generator.layer(name)
        result.append(
            Case(generator, layer, int(parts), float(rate), options.samples, options.batch, clock)
        )
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument(
        "--layers",
        default="16.conv2:8:3e-6,32.conv2:16:1e-6,64.conv2:16:5e-8",
        help="LAYER:PARTS:RATE, ..., with the learning rate of the rule",
    )
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument(
        "--batch", type=int, help="a batch size to measure beside the default of a fit"
    )
    parser.add_argument(
        "--matrix", type=int, default=8192, help="rows of the matrices that measure the peak"
    )
    parser.add_argument("--seconds", type=float, default=60, help="start nothing after this time")
    parser.add_argument("--json", type=Path, help="a file to which all tables are also written")
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
    layers = cases(generator, options, clock)
    first = layers[0]  # warm-up
    fit(generator, first.layer.name, parts=first.parts, seeds=range(64), batch=options.batch)
    peaks = peak_rates(device, options.matrix, clock)
    tables: dict[str, list[Row]] = {
        "Peak rates": [
            {"operation": name, "TB/s" if name == "copy" else "TFLOP/s": peak / 1e12}
            for name, peak in peaks.items()
        ]
    }
    print(markdown("Peak rates", tables["Peak rates"]), flush=True)
    sections: dict[str, Callable[[Case], Iterator[Row]]] = {
        "Head passes": head_passes,
        "Solving": lambda case: solving(case, options.steps),
        "Whole fit": whole_fit,
        "Shares of the peak rates": lambda case: shares(case, peaks),
    }
    if on_gpu:
        reference = create_generator(options.generator)
        sections["Features"] = lambda case: head_precision(case, reference)
    sections["Precision"] = precision
    skipped = []
    for title, section in sections.items():
        rows = tables[title] = []
        for case in layers:
            if time.perf_counter() - started > options.seconds:
                skipped.append(f"{title}, {case.layer.name}: out of time")
                continue
            try:
                rows += section(case)
            except Exception as error:  # the other tables are still useful
                traceback.print_exc()
                skipped.append(f"{title}, {case.layer.name}: {error}")
        if rows:
            print(markdown(title, rows), flush=True)
        if options.json:
            run = {"machine": machine, "torch": torch.__version__, "skipped": skipped}
            facts = {"generator": options.generator, "samples": options.samples}
            options.json.write_text(json.dumps(facts | run | {"tables": tables}, indent=1))
    print("\n" + "\n".join(f"skipped: {what}" for what in skipped))
    print(f"{time.perf_counter() - started:.0f} s in all")
    return 1 if skipped else 0


if __name__ == "__main__":
    sys.exit(main())
