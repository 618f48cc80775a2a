"""Measure how a fit's cost grows with samples, positions, parts and processes; write a plot.

    python benchmarks/growth.py --out docs/growth.svg

The bars show CPU seconds of one thread for bare head passes, for the compression of the samples,
and for solving; for several processes, they show wall seconds of whole fits under torchrun, with
one thread each.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import torch
from scale import run_fit

from panda import create_generator
from panda.factorization.features import Features
from panda.factorization.solvers.joint import joint
from panda.factorization.statistics import gather
from panda.progress import bar

KINDS = ("head passes", "compressing samples", "solving")
COLORS = ("#4c78a8", "#f58518", "#54a24b")


def cost(generator, name, samples, parts):
    """Return CPU seconds of head passes, of compressing the samples and of solving."""
    layer = generator.layer(name)
    features = Features(generator, layer, range(samples))
    features[0]  # warm-up: the first pass prepares what later ones reuse
    times = [time.process_time()]
    for _ in features:
        pass
    times.append(time.process_time())
    statistics = gather(features, samples, parts)
    times.append(time.process_time())
    joint(statistics, layer.channels, parts)
    times.append(time.process_time())
    head, sampling, solving = (b - a for a, b in pairwise(times))
    return head, max(0.0, sampling - head), solving


def panel(title, rows, caption, left, width=210, height=150):
    """Return stacked bars as SVG from rows of (label, values)."""
    highest = max(sum(values) for _, values in rows)
    step = width / len(rows)
    out = [f'<g transform="translate({left},30)"><text y="-12" font-weight="bold">{title}</text>']
    for k, (label, values) in enumerate(rows):
        top, x = float(height), k * step + 4
        for value, color in zip(values, COLORS, strict=False):
            bar_height = value / highest * (height - 20)
            top -= bar_height
            out.append(
                f'<rect x="{x:.1f}" y="{top:.1f}" width="{step - 8:.1f}" height="{bar_height:.1f}"'
                f' fill="{color}"/>'
            )
        middle = x + (step - 8) / 2
        total = f"{sum(values):.0f}" if sum(values) >= 10 else f"{sum(values):.1f}"
        out.append(f'<text x="{middle:.1f}" y="{top - 3:.1f}" text-anchor="middle">{total}</text>')
        out.append(f'<text x="{middle:.1f}" y="{height + 14}" text-anchor="middle">{label}</text>')
    out.append(f'<text x="0" y="{height + 30}" fill="#777">{caption}</text></g>')
    return "".join(out)


def plot(panels, path):
    """Write all panels with a common legend."""
    width = 240 * len(panels) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 240" width="{width}"'
        ' height="240" font-family="sans-serif" font-size="10">'
        f'<rect width="{width}" height="240" fill="white"/>'
    ]
    parts += [panel(*contents, left=15 + 240 * k) for k, contents in enumerate(panels)]
    for k, (kind, color) in enumerate(zip(KINDS, COLORS, strict=True)):
        parts.append(
            f'<rect x="{15 + 130 * k}" y="222" width="10" height="10" fill="{color}"/>'
            f'<text x="{30 + 130 * k}" y="231">{kind}</text>'
        )
    path.write_text("".join(parts) + "</svg>\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default="mobilestylegan-ffhq-1024")
    parser.add_argument("--layer", default="16.conv2")
    parser.add_argument("--samples", default="250,500,1000,2000,4000")
    parser.add_argument("--layers", default="8.conv2,16.conv2,32.conv2,64.conv2,128.conv2")
    parser.add_argument("--parts", default="4,8,16,32,64")
    parser.add_argument(
        "--count", type=int, default=250, help="samples where another quantity grows"
    )
    parser.add_argument("--out", type=Path, default=Path("growth.svg"))
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    generator = create_generator(options.generator)
    name, count = options.layer, options.count
    layers = options.layers.split(",")

    def run(title, caption, labels, calls):
        rows = [
            (label, cost(generator, *call))
            for label, call in zip(labels, bar(calls, desc=title), strict=True)
        ]
        for label, values in rows:
            print(f"{title}: {label:>6} {' '.join(f'{value:8.2f}' for value in values)}")
        return title, rows, caption

    print(f"{options.generator}; CPU seconds: {', '.join(KINDS)}")
    samples, parts = options.samples.split(","), options.parts.split(",")
    panels = [
        run(
            f"samples N, {name}",
            "8 parts, CPU seconds",
            samples,
            [(name, int(n), 8) for n in samples],
        ),
        run(
            "positions S",
            f"{count} samples, 8 parts, CPU seconds",
            [str(generator.layer(layer).positions) for layer in layers],
            [(layer, count, 8) for layer in layers],
        ),
        run(
            f"parts, {name}",
            f"{count} samples, CPU seconds",
            parts,
            [(name, count, int(p)) for p in parts],
        ),
    ]
    fit_options = SimpleNamespace(generator=options.generator, parts=8)
    rows = []
    for processes in (1, 2):
        _, _, sampling, solving = run_fit(fit_options, name, 4 * count, processes)
        rows.append((str(processes), (sampling, 0.0, solving)))
        print(f"processes: {processes} sampling {sampling:.1f} s, solving {solving:.1f} s (wall)")
    panels.append((f"processes, {name}", rows, f"{4 * count} samples, 8 parts, wall seconds"))
    plot(panels, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
