"""Gradient descent on one loss: schedule, averaged weights, logs and checkpoints.

Adversarial training has a loop of its own (`training.loop`).
"""

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from panda.files.json_lines import append_rows
from panda.files.writing import staging
from panda.progress import bar
from panda.threads import map_threads

from .mini import FACTS

Draw = Callable[[torch.Generator], Sequence[Tensor]]
"""Draws what one step needs: tensors ``[N, ...]``."""

Loss = Callable[..., Mapping[str, Tensor]]
"""Means over the N samples of such tensors, by name; ``total`` is what falls."""


@dataclass(frozen=True)
class Pace:
    """How fast a run learns.

    Attributes:
        steps: The number of steps in all. A run that stopped may resume with another number.
        learning_rate: The largest; it rises over the first steps and falls as a cosine.
        warmup: The number of those first steps.
        floor: The share of the largest rate that the last step has.
        half_life: Of the weights' moving average, in steps; shorter at the start.
    """

    steps: int
    learning_rate: float
    warmup: int = 50
    floor: float = 0.02
    half_life: int = 200

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        cosine = (1 + math.cos(math.pi * min(step / self.steps, 1))) / 2
        share = self.floor + (1 - self.floor) * cosine
        return self.learning_rate * min(1, (step + 1) / self.warmup) * share


class Descent:
    """A run in a folder, which resumes where it stopped.

    Each step has its own seed, so a run that was stopped and resumed draws the same random numbers
    as an uninterrupted one. Threads share the samples of a step: each computes the gradients of
    some of them.

    Args:
        folder: Where checkpoints and logs are written, and where an earlier run resumes.
        network: What learns.
        pace: How fast.
        settings: What must not change between a stopped run and its resumption.
    """

    def __init__(
        self, folder: Path, network: nn.Module, pace: Pace, settings: Mapping[str, Any]
    ) -> None:
        self.folder, self.network, self.pace = folder, network, pace
        self.settings = {**settings, **asdict(pace)}
        del self.settings["steps"]
        self.average = deepcopy(network).requires_grad_(False)
        self.parameters = list(network.parameters())
        self.optimizer = torch.optim.AdamW(
            self.parameters, betas=(0.9, 0.99), weight_decay=0.01, foreach=True
        )
        self.random = torch.Generator()
        self.step, self.seconds = 0, 0.0
        self.sums: dict[str, float] = {}
        if self._checkpoint.exists():
            self._resume()

    def run(
        self,
        draw: Draw,
        loss: Loss,
        *,
        every: int = 100,
        show: Callable[[], None] = lambda: None,
    ) -> None:
        """Take all steps that are left; log, save and ``show`` every so many, and at the end.

        Raises:
            SystemExit: The loss is no longer finite.
        """
        started, last = time.monotonic(), self.step
        with bar(total=self.pace.steps - self.step, unit="step") as progress:
            while self.step < self.pace.steps:
                self._advance(draw, loss)
                progress.update()
                if self.step % every == 0 or self.step == self.pace.steps:
                    now = time.monotonic()
                    self.seconds, started = self.seconds + now - started, now
                    self._log(self.step - last)
                    last = self.step
                    self.save()
                    show()

    def _advance(self, draw: Draw, loss: Loss) -> None:
        self.random.manual_seed(1 + self.step)
        tensors = draw(self.random)
        parts = list(zip(*(x.chunk(torch.get_num_threads()) for x in tensors), strict=True))

        def gradients(part: tuple[Tensor, ...]) -> tuple[dict[str, float], tuple[Tensor, ...]]:
            losses = loss(*part)
            share = len(part[0]) / len(tensors[0])
            found = torch.autograd.grad(losses["total"] * share, self.parameters)
            return {name: float(x.detach()) * share for name, x in losses.items()}, found

        results = map_threads(gradients, parts)
        for parameter, *found in zip(
            self.parameters, *(grads for _, grads in results), strict=True
        ):
            parameter.grad = torch.stack(found).sum(0) if len(found) > 1 else found[0]
        for losses, _ in results:
            for name, value in losses.items():
                self.sums[name] = self.sums.get(name, 0) + value
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.param_groups[0]["lr"] = self.pace.rate(self.step)
        self.optimizer.step()
        self.step += 1
        half_life = min(self.pace.half_life, max(0.1 * self.step, 1.0))
        with torch.no_grad():
            averages = list(self.average.parameters())
            torch._foreach_lerp_(averages, self.parameters, 1 - 0.5 ** (1 / half_life))

    def _log(self, steps: int) -> None:
        losses = {name: total / steps for name, total in self.sums.items()}
        if not all(map(math.isfinite, losses.values())):
            raise SystemExit(f"the losses were not finite by step {self.step}: {losses}")
        self.sums.clear()
        row = {"step": self.step, "seconds": round(self.seconds, 1), **losses}
        append_rows(self.folder / "log.jsonl", [row])

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "state.pt"

    def _stateful(self) -> dict[str, Any]:
        return {"network": self.network, "average": self.average, "optimizer": self.optimizer}

    def save(self) -> None:
        """Write a checkpoint, from which the run can resume."""
        state = {name: stateful.state_dict() for name, stateful in self._stateful().items()}
        facts = {"step": self.step, "seconds": self.seconds, "settings": self.settings}
        buffer = io.BytesIO()  # torch's own error does not say that the disk is full
        torch.save({**state, **facts}, buffer)
        with staging(self._checkpoint) as path:
            path.write_bytes(buffer.getvalue())

    def write_facts(self, faces: int, batch: int, after: Mapping[str, Any] | None = None) -> None:
        """Write what the file beside shipped weights says of the training.

        Args:
            faces: The number of faces.
            batch: Samples of a step.
            after: The same of a run that went on from this one.
        """
        facts: dict[str, Any] = {
            "images": self.step * batch,
            "faces": faces,
            "recipe": {"batch": batch, **asdict(self.pace)},
        }
        if after is not None:
            facts = {**after, "images": facts["images"] + after["images"], "before": [facts]}
        with staging(self.folder / FACTS) as path:
            path.write_text(json.dumps(facts, indent=1) + "\n")

    def _resume(self) -> None:
        state = torch.load(self._checkpoint, weights_only=True)
        if state["settings"] != self.settings:
            raise SystemExit(
                f"{self.folder} contains a run with other settings: {state['settings']}"
            )
        for name, stateful in self._stateful().items():
            stateful.load_state_dict(state[name])
        self.step, self.seconds = state["step"], state["seconds"]
