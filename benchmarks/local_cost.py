"""What edits at several layers and local directions cost, against plain passes in the same run.

    python benchmarks/local_cost.py mini-stylegan2-faces-64 16.conv1 32.conv1
    python benchmarks/local_cost.py mobilestylegan-ffhq-1024 32.conv2 64.conv2 --repeats 7

Printed are medians of CPU seconds a sample, with the lower and the upper quartile, over rounds that
each time everything once, medians of the ratios within a round, and the ratios of the fastest
rounds, which others on the machine disturb least:

- Two feature edits at two layers (head, edit, advance, edit, tail) against a plain forward pass.
- A local direction, at each of the two layers, against two heads up to its layer (one for the
  sample, one for what it is moved to) and one tail; and what it takes beyond one tail, in heads,
  which is known well where heads are no small part of the whole.
- Two local directions of one source, at both layers, likewise, in heads up to the second layer.
  From the first layer on three runs are needed: of the sample, of what it is moved to, and of what
  is edited.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from panda import create_generator, edit_images, fit
from panda.editing.apply import apply_edits
from panda.editing.edits import Edit
from panda.generators.seeds import evaluation_seeds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("generator")
    parser.add_argument("layers", nargs=2, help="the first is that of the parts")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--source", default="seed7")
    args = parser.parse_args()
    torch.set_num_threads(1)
    generator = create_generator(args.generator)
    first, second = args.layers
    factors = [fit(generator, layer, parts=4, seeds=64) for layer in args.layers]
    latents = generator.sample(evaluation_seeds(args.batch))
    states = [generator.head(latents, layer) for layer in args.layers]
    feature = [Edit(0, 0, 5.0)]

    def two_layers() -> None:
        state = generator.head(latents, first)
        state = state.with_features(apply_edits(factors[0], state.x, feature))
        state = generator.advance(state, first, second)
        state = state.with_features(apply_edits(factors[1], state.x, feature))
        generator.tail(state, second)

    def local(*layers: str) -> None:
        edits = [f"{part}:{args.source}:0.5@{layer}" for part, layer in enumerate(layers)]
        edit_images(generator, factors[0], latents, edits)

    jobs: dict[str, Callable[[], object]] = {
        "forward": lambda: generator.forward(latents),
        f"head {first}": lambda: generator.head(latents, first),
        f"tail {first}": lambda: generator.tail(states[0], first),
        f"head {second}": lambda: generator.head(latents, second),
        f"tail {second}": lambda: generator.tail(states[1], second),
        "two feature edits": two_layers,
        f"local at {first}": lambda: local(first),
        f"local at {second}": lambda: local(second),
        "local at both": lambda: local(first, second),
    }
    rounds: dict[str, list[float]] = {name: [] for name in jobs}
    for each in range(args.repeats + 1):  # the first warms up
        for name, job in jobs.items():
            start = time.process_time()
            job()
            if each:
                rounds[name].append((time.process_time() - start) / args.batch)
    seconds = {name: torch.tensor(times).double() for name, times in rounds.items()}
    for name, times in seconds.items():
        print(f"{name:24} {spread(times, 4)} s a sample")
    fastest = {name: times.min() for name, times in seconds.items()}
    for name, ratio in ratios_of(seconds, first, second).items():
        least = float(ratios_of(fastest, first, second)[name])
        print(f"{name}: {spread(ratio, 2)}, of the fastest {least:.2f}")


def ratios_of(seconds: dict[str, Tensor], first: str, second: str) -> dict[str, Tensor]:
    """Return the ratios of the times of jobs by name."""
    ratios = {"two feature edits / forward": seconds["two feature edits"] / seconds["forward"]}
    for name, layer in (
        (f"local at {first}", first),
        (f"local at {second}", second),
        ("local at both", second),
    ):
        head, tail = (seconds[f"{part} {layer}"] for part in ("head", "tail"))
        ratios[f"{name} / (2 heads + 1 tail)"] = seconds[name] / (2 * head + tail)
        ratios[f"{name}, beyond a tail, in heads"] = (seconds[name] - tail) / head
    return ratios


def spread(values: Tensor, digits: int) -> str:
    """Return the median and the quartiles as text."""
    low, middle, high = values.quantile(torch.tensor([0.25, 0.5, 0.75]).double()).tolist()
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


if __name__ == "__main__":
    main()
