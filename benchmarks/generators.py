"""Compare each backend with the plain formulation of the same network, and with OpenVINO.

    python benchmarks/generators.py                    # all backends, batches of 8
    python benchmarks/generators.py --only stylegan2 --rounds 1
    python benchmarks/generators.py --only openvino    # needs: pip install openvino

The plain formulation computes the papers' formulas operation by operation: grouped convolutions
with separate weights for each sample, zeros between the pixels and a depthwise filter
(tests/plain_*.py). Both sides get the same latents and threads and run in turns; the table has
medians. Before that, features and images must agree. Channel counts are the official ones; weights
are random, except for MobileStyleGAN's. The head ends at the named middle layer, and the tail
computes the rest up to the image. A ratio is the other side's time divided by ours. A round takes
minutes for StyleGAN3 and seconds for the others.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from panda import create_generator
from panda.errors import PandaError
from panda.generators.contract import Generator, Latents
from panda_plugins.common.pyramid import channels
from panda_plugins.mobilestylegan import WEIGHTS as MOBILESTYLEGAN
from panda_plugins.proggan.backend import ProGAN
from panda_plugins.proggan.network import Network as ProGANNetwork
from panda_plugins.stylegan import network as stylegan
from panda_plugins.stylegan.backend import StyleGAN
from panda_plugins.stylegan2 import network as stylegan2
from panda_plugins.stylegan2.backend import StyleGAN2
from panda_plugins.stylegan3 import network as stylegan3
from panda_plugins.stylegan3.backend import StyleGAN3
from panda_plugins.stylegan3.design import Sampling
from panda_plugins.stylegan3.official import layers as stylegan3_layers

sys.path.append(str(Path(__file__).parents[1] / "tests"))
import plain_mobilestylegan
import plain_proggan
import plain_stylegan
import plain_stylegan2
import plain_stylegan3

CPU = torch.device("cpu")
CHANNELS = tuple(channels(256, 16384))
"""Of NVIDIA's StyleGAN2 for FFHQ at 256 x 256."""

TOLERANCE = 1e-4
"""The largest difference allowed between both sides, as a fraction of the largest value."""

Plain = Callable[[Latents], Iterator[tuple[str, Tensor]]]
Seconds = tuple[float, float]


@dataclass
class Case:
    """A backend and its plain formulation, which yields each layer by name and then the image."""

    name: str
    middle: str
    generator: Generator
    plain: Plain


def random_weights(network: nn.Module, constants: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fill a network at random, except for ``constants`` by ending of name; return its tensors."""
    torch.manual_seed(0)
    for name, tensor in network.state_dict().items():
        constant = next((c for end, c in constants.items() if name.endswith(end)), None)
        tensor.copy_(torch.randn(tensor.shape) if constant is None else constant)
    network.requires_grad_(False)
    return dict(network.state_dict())


def stylegan2_case() -> Case:
    network = stylegan2.Network(stylegan2.Config(channels=CHANNELS))
    tensors = random_weights(network, {"resample_filter": stylegan2.FILTER})
    return Case(
        "stylegan2, 256 px",
        "32.conv1",
        StyleGAN2(network, CPU, torch.float32),
        lambda latents: plain_stylegan2.run(tensors, latents.tensors["w"]),
    )


def stylegan3_case() -> Case:
    layers = stylegan3_layers("t", 256)
    widths = [layer.channels for layer in layers]
    sampling = Sampling()
    config = stylegan3.Config(
        size=(256, 256),
        channels_in=widths[0],
        channels=(*widths[1:], 3),
    )
    network = stylegan3.Network(config)
    designs = sampling.layers(256)
    filters = {
        f"{name}.{kind}": torch.from_numpy(taps)
        for name, design in zip(network.synthesis.names, designs, strict=True)
        for kind, taps in design.filters.items()
        if taps is not None
    }
    constants = {"input.transform": torch.eye(3), "magnitude_ema": torch.ones(()), **filters}
    tensors = random_weights(network, constants)
    return Case(
        "stylegan3-t, 256 px",
        layers[7].name,
        StyleGAN3(network, CPU, torch.float32),
        lambda latents: plain_stylegan3.run(
            tensors, designs, designs[0].source, latents.tensors["w"]
        ),
    )


def mobilestylegan_case() -> Case:
    generator = create_generator(MOBILESTYLEGAN.name)
    tensors = generator.network.state_dict()
    return Case(
        "mobilestylegan, 1024 px",
        "64.conv2",
        generator,
        lambda latents: plain_mobilestylegan.run(tensors, latents.tensors["w"]),
    )


def stylegan_case() -> Case:
    network = stylegan.Network(stylegan.Config(channels=CHANNELS))
    tensors = random_weights(network, {"blur.kernel": stylegan.BLUR})
    generator = StyleGAN(network, CPU, torch.float32)
    return Case(
        "stylegan, 256 px",
        "32.conv1",
        generator,
        lambda latents: plain_stylegan.run(tensors, latents.tensors["w"]),
    )


def proggan_case() -> Case:
    network = ProGANNetwork(512, CHANNELS)
    tensors = random_weights(network, {"lod": torch.zeros(())})
    return Case(
        "proggan, 256 px",
        "32.conv2",
        ProGAN(network, CPU, torch.float32),
        lambda latents: plain_proggan.run(tensors, latents.tensors["z"]),
    )


CASES: dict[str, Callable[[], Case]] = {
    "stylegan2": stylegan2_case,
    "stylegan3": stylegan3_case,
    "mobilestylegan": mobilestylegan_case,
    "stylegan": stylegan_case,
    "proggan": proggan_case,
}


def timed(work: Callable[[], Tensor]) -> tuple[Seconds, Tensor]:
    """Return the CPU and wall seconds of a call, and its result."""
    started = time.process_time(), time.perf_counter()
    result = work()
    return (time.process_time() - started[0], time.perf_counter() - started[1]), result


def run_round(case: Case, latents: Latents) -> dict[str, tuple[Seconds, Tensor]]:
    """Run head and tail of both sides once."""
    state = None

    def head() -> Tensor:
        nonlocal state
        state = case.generator.head(latents, case.middle)
        return state.x

    results = {
        "our head": timed(head),
        "our tail": timed(lambda: case.generator.tail(state, case.middle)),
    }
    layers = iter(case.plain(latents))
    results["plain head"] = timed(lambda: next(x for name, x in layers if name == case.middle))
    results["plain tail"] = timed(lambda: [x for _, x in layers][-1])
    return results


def check_agreement(name: str, given: Tensor, expected: Tensor) -> float:
    """Return the largest difference as a fraction of the largest value.

    Raises:
        PandaError: Where it exceeds `TOLERANCE`.
    """
    error = float((given - expected).abs().max() / expected.abs().max())
    if not error <= TOLERANCE:
        raise PandaError(f"{name}: the two sides differ by {error:.2g} of the largest value")
    return error


def median(values: Iterable[Seconds]) -> Seconds:
    cpu, wall = zip(*values, strict=True)
    return statistics.median(cpu), statistics.median(wall)


def compare(case: Case, batch: int, rounds: int) -> None:
    """Print the rows of one backend."""
    latents = case.generator.sample(range(batch), truncation=1.0)
    first = run_round(case, latents)
    errors = [
        check_agreement(f"{case.name}, {part}", first[f"our {part}"][1], first[f"plain {part}"][1])
        for part in ("head", "tail")
    ]
    del first
    runs: dict[str, list[Seconds]] = {}
    for _ in range(rounds):
        for key, (seconds, _) in run_round(case, latents).items():
            runs.setdefault(key, []).append(seconds)
    for side in ("our", "plain"):
        halves = zip(runs[f"{side} head"], runs[f"{side} tail"], strict=True)
        runs[f"{side} whole"] = [(a[0] + b[0], a[1] + b[1]) for a, b in halves]
    for part in ("head", "tail", "whole"):
        ours, plain = median(runs[f"our {part}"]), median(runs[f"plain {part}"])
        label = f"{part} {case.middle}" if part != "whole" else part
        row(f"{case.name:24} {label:18}", plain, ours)
    print(f"{'':24} features differ by {errors[0]:.1g}, images by {errors[1]:.1g}", flush=True)


def row(label: str, theirs: Seconds, ours: Seconds) -> None:
    times = "".join(f"{t:9.2f} {o:8.2f} {t / o:6.2f}" for t, o in zip(theirs, ours, strict=True))
    print(label + times, flush=True)


def header(label: str, other: str) -> None:
    columns = "".join(f"{other:>9} {'ours':>8} {'ratio':>6}" for _ in range(2))
    print(f"{'':{len(label)}}{'CPU seconds':>25}{'wall seconds':>25}\n{label}{columns}")


def openvino_table(threads: Iterable[int], rounds: int) -> None:
    """Print the rows of the released graph under OpenVINO, for whole images one at a time."""
    try:
        import openvino
    except ImportError:
        print("\nMobileStyleGAN under OpenVINO: skipped; run pip install openvino")
        return
    generator = create_generator(MOBILESTYLEGAN.name)
    latents = generator.sample([0], truncation=1.0)
    w = latents.tensors["w"].numpy()
    print()
    header(f"{'mobilestylegan, 1 image of 1024 px':43}", "OpenVINO")
    with MOBILESTYLEGAN.source.fetch() as folder:
        core = openvino.Core()
        graph = core.read_model(folder / "mobilestylegan_ffhq_snet.xml")
        for count in threads:
            settings = {"INFERENCE_NUM_THREADS": count, "INFERENCE_PRECISION_HINT": "f32"}
            request = core.compile_model(graph, "CPU", settings).create_infer_request()
            torch.set_num_threads(count)

            def theirs(request=request) -> Tensor:
                request.infer([w])
                return torch.from_numpy(request.get_output_tensor(0).data)

            def ours() -> Tensor:
                return generator.forward(latents)

            check_agreement("mobilestylegan under OpenVINO", ours(), theirs())
            runs = [(timed(theirs)[0], timed(ours)[0]) for _ in range(rounds)]
            row(f"{count} threads{'':34}", *map(median, zip(*runs, strict=True)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=[*CASES, "openvino"], nargs="+")
    parser.add_argument(
        "--middle", help="the layer at which heads end; with a single backend in --only"
    )
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side")
    parser.add_argument("--threads", type=int, default=1, help="for the first table")
    options = parser.parse_args()

    selected = options.only or [*CASES, "openvino"]
    torch.set_num_threads(options.threads)
    with torch.inference_mode():
        if set(selected) & set(CASES):
            print(f"batches of {options.batch}, {options.threads} threads, {options.rounds} rounds")
            header(f"{'':43}", "plain")
        for name in CASES:
            if name in selected:
                case = CASES[name]()
                case.middle = options.middle or case.middle
                compare(case, options.batch, options.rounds)
        if "openvino" in selected:
            openvino_table((1, 2), 3 * options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
