"""One generator against its judges: steps, an average of the weights, logs, checkpoints, grids."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from panda.files.json_lines import append_rows
from panda.files.writing import staging
from panda.images import save_picture, sheet, to_picture
from panda.progress import bar

from .augment import Augmentation
from .captured import Captured
from .discriminator import Features, Judges, generator_loss, judges_loss
from .resemblance import Resemblance
from .students import STUDENTS, Student

FASTER, MAPPING = 8, 30
"""Examples are learned at so many times the rate, and mapping networks, which are slowed down by a
hundred, at so many times that."""

OUTSIDE = 20.0
"""Weight of the penalty on colors outside of [-1, 1]."""

LEFT = 0.1
"""Rates of learning and the pull of the examples fall to this share by the end."""

LOGS = 10
"""Log lines, grids and checkpoints of a run."""


@dataclass(frozen=True)
class Recipe:
    """What decides a training run; what is counted in steps is so whatever the batch."""

    architecture: str
    images: int = 400_000
    """How many images it makes in all, those of the examples among them."""
    batch: int = 16
    rate: float = 1e-3
    """Of the generator's learning, once there are judges."""
    judges_rate: float = 2e-4
    size: int = 64
    """Pixels at which the frozen network looks at images."""
    examples: int = 1_000
    """In so many first steps it learns from examples alone; the judges come then."""
    heard: int = 500
    """The judges learn for so many steps before they are fully heard: new ones only do harm."""
    pull: float = 30.0
    """Weight of resembling the examples beside the judges; with little, all faces become one."""
    pull_left: float = LEFT
    """The pull falls to this share while the judges teach: examples alone give faces without
    detail."""
    average_over: int = 625
    """Steps after which the average of the weights has forgotten half; less at the start."""
    settle: float = 0.125
    """Over this last share of the images the rates of learning fall."""
    seed: int = 0


class Run:
    """A training run in a folder, from where it was left.

    Adversarial training alone needs far more images than these until there are faces at all. Each
    training face has a code, though (`training.codes`): a generator that first learns to draw the
    face of every code has persons for all z, in colors without detail; the judges teach detail.

    Faces are uint8 ``[N, 3, 64, 64]``, codes ``[N, 512]``, labels ``[N]`` where there are classes.
    On a GPU its steps are captured and have a stream of their own.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        device: torch.device,
        faces: Tensor,
        codes: Tensor,
        labels: Tensor | None = None,
    ) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        self.step, self.seconds, self.started = 0, 0.0, time.monotonic()
        torch.manual_seed(recipe.seed)
        self.student: Student = STUDENTS[recipe.architecture]().to(device)
        self.faces = faces.to(device)
        self.codes = codes[:, : self.student.z_dim].to(device)
        self.labels = None if labels is None else labels.to(device)
        self.average = self._copy(self.student)
        self.means, self.weights = list(self.average.parameters()), list(self.student.parameters())
        self.features = Features(device, recipe.size)
        self.resemblance = Resemblance(self.features, _images(self.faces[:256]))
        self.judges = Judges(self.features, self.student.classes).to(
            device, memory_format=torch.channels_last
        )
        groups: dict[bool, list[nn.Parameter]] = {False: [], True: []}
        for name, weight in self.student.named_parameters():
            groups["mapping" in name].append(weight)
        self.example_steps = _adam(groups.values(), 0.9, device)
        self.generator_steps = _adam([self.student.parameters()], 0.0, device)
        self.judges_steps = _adam([self.judges.parameters()], 0.0, device)
        self.heard, self.pull = torch.zeros((), device=device), torch.zeros((), device=device)
        self.random = torch.Generator(device)
        self.learn_examples = Captured(self._examples, self.random)
        self.learn_judged = Captured(self._judged, self.random)
        self.sums: dict[str, Tensor] = {}
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        if self._checkpoint.exists():
            self._resume()
        if self.stream is not None:
            torch.cuda.synchronize()

    def begin(self, tensors: Mapping[str, Tensor]) -> None:
        """Begin from a finished generator's weights and buffers."""
        for student in (self.student, self.average):
            student.network.load_state_dict(tensors)

    @property
    def steps(self) -> int:
        """How many there are in all."""
        return -(-self.recipe.images // self.recipe.batch)

    @property
    def seen(self) -> int:
        """Images so far."""
        return self.step * self.recipe.batch

    def advance(self, every: int | None = None) -> None:
        """Do one step; every so many steps and at the end, log and save.

        Every step draws from a seed of its own, so a run that was stopped and resumed sees what an
        undisturbed one sees.
        """
        with nullcontext() if self.stream is None else torch.cuda.stream(self.stream):
            self.random.manual_seed(self.recipe.seed + 1 + self.step)
            self._set_rates()
            judged = self.step >= self.recipe.examples
            for name, loss in (self.learn_judged if judged else self.learn_examples)().items():
                self.sums[name] = self.sums.get(name, 0) + loss.detach()
            self.step += 1
            self._average()
            every = every or -(-self.steps // LOGS)
            if self.step % every == 0 or self.step == self.steps:
                self._log(self.step % every or every)
                self.save()

    def _set_rates(self) -> None:
        recipe, rate = self.recipe, self.recipe.rate
        if self.step < recipe.examples:
            falling = min(1, 3 * (1 - self.step / recipe.examples))
            usual, mapping = self.example_steps.param_groups
            rate = FASTER * self.student.learning_rate * falling
            _set_rate(usual, rate)
            _set_rate(mapping, MAPPING * rate)
            return
        share = min(1.0, (1 - self.step / self.steps) / recipe.settle)
        _set_rate(self.generator_steps.param_groups[0], rate * max(share, LEFT))
        _set_rate(self.judges_steps.param_groups[0], recipe.judges_rate * max(share, LEFT))
        after = self.step - recipe.examples
        self.heard.fill_(min(1.0, after / recipe.heard))
        done = after / max(self.steps - recipe.examples, 1)
        self.pull.fill_(recipe.pull * (1 - (1 - recipe.pull_left) * done))

    def _draw(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Faces, their codes and their classes."""
        rows = torch.randint(
            len(self.faces), (self.recipe.batch,), generator=self.random, device=self.device
        )
        label = None if self.labels is None else self.labels[rows]
        return _images(self.faces[rows]), self.codes[rows], label

    def _examples(self) -> dict[str, Tensor]:
        """One step in which every image has a face to resemble."""
        real, codes, label = self._draw()
        fake, changed = self.student(codes, label, self.random), self._changes()
        with torch.no_grad():
            wanted = self.features.look(changed(real))
        loss = self.resemblance(self.features.look(changed(fake)), wanted)
        self.example_steps.zero_grad(set_to_none=True)
        (loss + OUTSIDE * _outside(fake)).backward()
        self.example_steps.step()
        return {"resemblance": loss}

    def _judged(self) -> dict[str, Tensor]:
        """One step of generator and judges; half of the images have a face to resemble."""
        real, codes, label = self._draw()
        half = len(real) // 2
        drawn = torch.randn(
            len(real) - half, codes.shape[1], generator=self.random, device=self.device
        )
        codes = torch.cat([codes[:half], drawn])
        fake, changed = self.student(codes, label, self.random), self._changes()
        with torch.no_grad():
            wanted = self.features.look(changed(real))
            real_maps = self.features.mixed(wanted)
        made = self.features.look(changed(fake))
        fake_maps = self.features.mixed(made)

        both = [torch.cat([r, f.detach()]) for r, f in zip(real_maps, fake_maps, strict=True)]
        verdicts = self.judges(both, None if label is None else torch.cat([label, label]))
        judged = judges_loss([v[: len(real)] for v in verdicts], [v[len(real) :] for v in verdicts])
        self.judges_steps.zero_grad(set_to_none=True)
        judged.backward()
        self.judges_steps.step()

        self.judges.requires_grad_(False).eval()
        fooled = generator_loss(self.judges(fake_maps, label))
        off = self.resemblance([m[:half] for m in made], [m[:half] for m in wanted])
        outside = _outside(fake)
        self.generator_steps.zero_grad(set_to_none=True)
        (self.heard * fooled + OUTSIDE * outside + self.pull * off).backward()
        self.judges.requires_grad_(True).train()
        self.generator_steps.step()
        return {"judges": judged, "generator": fooled, "outside": outside, "resemblance": off}

    def _changes(self) -> Augmentation:
        return Augmentation(self.recipe.batch, self.device, self.random)

    @torch.no_grad()
    def _average(self) -> None:
        half_life = min(self.recipe.average_over, max(self.step * 0.05, 1.0))
        torch._foreach_lerp_(self.means, self.weights, 1 - 0.5 ** (1 / half_life))

    @torch.no_grad()
    def finished(self) -> Student:
        """The averaged generator, ready to be written; what is measured is that of now."""
        student = self._copy(self.student)
        torch._foreach_copy_(list(student.parameters()), self.means)
        student.finish()
        return student

    def _copy(self, student: Student) -> Student:
        other = STUDENTS[self.recipe.architecture]()
        other.load_state_dict(student.state_dict())
        return other.to(self.device).eval().requires_grad_(False)

    @torch.no_grad()
    def grid(self, rows: int = 6, columns: int = 12) -> None:
        """Write samples of what would be written now as a picture."""
        student = self.finished()
        z = torch.randn(rows * columns, student.z_dim, generator=torch.Generator().manual_seed(0))
        label = None
        if student.classes:
            label = torch.arange(rows * columns, device=self.device) % student.classes
        pictures = [to_picture(image) for image in student(z.to(self.device), label, self.random)]
        lines = [pictures[k * columns : (k + 1) * columns] for k in range(rows)]
        save_picture(sheet(lines, gap=1), self.folder / f"samples-{self.seen:08d}.png")

    def _log(self, steps: int) -> None:
        losses = {name: float(total) / steps for name, total in self.sums.items()}
        if not all(map(math.isfinite, losses.values())):
            raise SystemExit(f"the losses left the finite numbers by image {self.seen}: {losses}")
        self.sums.clear()
        now = time.monotonic()
        self.seconds, self.started = self.seconds + now - self.started, now
        line = {"images": self.seen, "seconds": round(self.seconds, 1), **losses}
        append_rows(self.folder / "log.jsonl", [line])
        self.grid()

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "state.pt"

    def _parts(self) -> dict[str, Any]:
        return {
            "student": self.student,
            "average": self.average,
            "features": self.features,
            "resemblance": self.resemblance,
            "judges": self.judges,
            "example_steps": self.example_steps,
            "generator_steps": self.generator_steps,
            "judges_steps": self.judges_steps,
        }

    @property
    def _kind(self) -> dict[str, Any]:
        """What a run that goes on must share with the one that was stopped."""
        same = {**asdict(self.recipe), "faces": len(self.faces), "device": self.device.type}
        return {name: value for name, value in same.items() if name != "images"}

    def save(self) -> None:
        """Write all that is needed to go on."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        facts = {"step": self.step, "seconds": self.seconds, "kind": self._kind}
        whole = io.BytesIO()  # what torch raises where the disk is full says nothing
        torch.save({**state, **facts}, whole)
        with staging(self._checkpoint) as path:
            path.write_bytes(whole.getbuffer())

    def _resume(self) -> None:
        state = torch.load(self._checkpoint, map_location=self.device, weights_only=True)
        if state["kind"] != self._kind:
            raise SystemExit(f"{self.folder} holds a run of another kind: {state['kind']}")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step, self.seconds = state["step"], state["seconds"]


def train(runs: Sequence[Run], every: int | None = None) -> None:
    """Take all runs to their ends, in turns: a GPU works at the steps of all of them at once."""
    left = sum(run.steps - run.step for run in runs)
    with bar(total=left, unit="step") as progress:
        while waiting := [run for run in runs if run.step < run.steps]:
            for run in waiting:
                run.advance(every)
                progress.update()


def _adam(
    groups: Iterable[Iterable[nn.Parameter]], momentum: float, device: torch.device
) -> torch.optim.Adam:
    """On a GPU rates are tensors there: a captured step reads what they are when it is replayed."""
    on_gpu = device.type == "cuda"
    found = torch.optim.Adam(
        [{"params": list(group)} for group in groups],
        betas=(momentum, 0.99),
        fused=on_gpu,
        capturable=on_gpu,
    )
    if on_gpu:
        for group in found.param_groups:
            group["lr"] = torch.zeros((), device=device)
    return found


def _set_rate(group: dict[str, Any], rate: float) -> None:
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def _images(faces: Tensor) -> Tensor:
    return faces.float() / 127.5 - 1


def _outside(images: Tensor) -> Tensor:
    """How far colors leave [-1, 1]: the frozen network saturates, and they had no way back."""
    return F.relu(images.abs() - 1).square().mean()
