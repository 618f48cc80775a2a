"""One generator against its judges: steps, an average of the weights, logs, checkpoints, grids."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from panda.images import save_picture, sheet, to_picture
from panda.progress import bar
from panda.zoo.cache import staging

from .augment import augment, blur
from .discriminator import Features, Judges, generator_loss, judges_loss
from .students import STUDENTS, Student

OUTSIDE = 20.0
"""Weight of the penalty on colors outside of [-1, 1]."""


@dataclass(frozen=True)
class Recipe:
    """What decides a training run."""

    architecture: str
    images: int = 1_000_000
    """How many real images the judges see in all."""
    batch: int = 32
    size: int = 96
    """Pixels at which the frozen network looks at images."""
    judges_rate: float = 2e-4
    blurred: int = 50_000
    """Over so many first images the judges see less and less blurred ones (StyleGAN-XL's start)."""
    average_over: int = 10_000
    """Images after which the average of the weights has forgotten half; less at the start."""
    seed: int = 0


class Run:
    """A training run in a folder, from where it was left."""

    def __init__(self, recipe: Recipe, folder: Path, device: torch.device) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        self.step, self.seconds = 0, 0.0
        torch.manual_seed(recipe.seed)
        self.student: Student = STUDENTS[recipe.architecture]().to(device)
        self.average = self._copy(self.student)
        self.features = Features(device, recipe.size)
        self.judges = Judges(self.features, self.student.classes).to(
            device, memory_format=torch.channels_last
        )
        self.generator_steps = torch.optim.Adam(
            self.student.parameters(), lr=self.student.learning_rate, betas=(0.0, 0.99)
        )
        self.judges_steps = torch.optim.Adam(
            self.judges.parameters(), lr=recipe.judges_rate, betas=(0.0, 0.99)
        )
        if self._checkpoint.exists():
            self._resume()

    @property
    def seen(self) -> int:
        """Real images so far."""
        return self.step * self.recipe.batch

    def train(self, faces: Tensor, labels: Tensor | None, every: int = 10_000) -> None:
        """Go on to the recipe's end; faces are uint8 ``[N, 3, 64, 64]``.

        Every step draws from a seed of its own, so a run that was stopped and resumed sees what an
        undisturbed one sees.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        batch, start = self.recipe.batch, time.monotonic()
        sums: dict[str, float] = {}
        with bar(total=self.recipe.images, initial=self.seen, unit="image") as progress:
            while self.seen < self.recipe.images:
                torch.manual_seed(self.recipe.seed + 1 + self.step)
                rows = torch.randint(len(faces), (batch,))
                real = faces[rows].to(self.device).float() / 127.5 - 1
                flipped = torch.rand(batch, 1, 1, 1, device=self.device) < 0.5
                real = torch.where(flipped, real.flip(3), real)
                told = None if labels is None else labels[rows].to(self.device)
                for name, value in self._step(real, told).items():
                    sums[name] = sums.get(name, 0.0) + value
                progress.update(batch)
                if self.seen // every != (self.seen - batch) // every:
                    self.seconds += time.monotonic() - start
                    start = time.monotonic()
                    self._log({name: value * batch / every for name, value in sums.items()})
                    sums.clear()
                    self.save()
        self.save()

    def _step(self, real: Tensor, label: Tensor | None) -> dict[str, float]:
        z = torch.randn(len(real), self.student.z_dim, device=self.device)
        fake = self.student(z, label)
        sigma = 2 * max(0.0, 1 - self.seen / self.recipe.blurred)
        with torch.no_grad():
            real_maps = self.features(augment(blur(real, sigma)))
        fake_maps = self.features(augment(blur(fake, sigma)))

        judged = judges_loss(
            self.judges(real_maps, label), self.judges([m.detach() for m in fake_maps], label)
        )
        self.judges_steps.zero_grad(set_to_none=True)
        judged.backward()
        self.judges_steps.step()

        self.judges.requires_grad_(False)
        fooled = generator_loss(self.judges(fake_maps, label))
        # The frozen network saturates: colors that no image has would have no way back.
        outside = F.relu(fake.abs() - 1).square().mean()
        self.generator_steps.zero_grad(set_to_none=True)
        (fooled + OUTSIDE * outside).backward()
        self.judges.requires_grad_(True)
        self.generator_steps.step()
        self.step += 1
        self._average()
        found = {"judges": judged, "generator": fooled, "outside": outside}
        losses = {name: float(loss.detach()) for name, loss in found.items()}
        if not all(map(math.isfinite, losses.values())):
            raise SystemExit(f"the losses left the finite numbers at image {self.seen}: {losses}")
        return losses

    @torch.no_grad()
    def _average(self) -> None:
        half_life = min(self.recipe.average_over, max(self.seen * 0.05, 1.0))
        keep = 0.5 ** (self.recipe.batch / half_life)
        learned = dict(self.student.named_parameters())
        now = self.student.state_dict()
        for name, mean in self.average.state_dict().items():
            mean.lerp_(now[name], 1 - keep if name in learned else 1.0)

    def finished(self) -> Student:
        """The averaged generator, ready to be written."""
        student = self._copy(self.average)
        student.finish()
        return student

    def _copy(self, student: Student) -> Student:
        other = STUDENTS[self.recipe.architecture]()
        other.load_state_dict(student.state_dict())
        return other.to(self.device).eval().requires_grad_(False)

    @torch.no_grad()
    def grid(self, rows: int = 6, columns: int = 12) -> None:
        """Write samples of the average as a picture."""
        generator = torch.Generator().manual_seed(0)
        z = torch.randn(rows * columns, self.student.z_dim, generator=generator).to(self.device)
        label = None
        if self.student.classes:
            label = torch.arange(rows * columns, device=self.device) % self.student.classes
        pictures = [to_picture(image) for image in self.average(z, label)]
        lines = [pictures[k * columns : (k + 1) * columns] for k in range(rows)]
        save_picture(sheet(lines, gap=1), self.folder / f"samples-{self.seen:08d}.png")

    def _log(self, losses: Mapping[str, float]) -> None:
        line = {"images": self.seen, "seconds": round(self.seconds, 1), **losses}
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        self.grid()

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "state.pt"

    def _parts(self) -> dict[str, Any]:
        return {
            "student": self.student,
            "average": self.average,
            "features": self.features,
            "judges": self.judges,
            "generator_steps": self.generator_steps,
            "judges_steps": self.judges_steps,
        }

    def save(self) -> None:
        """Write all that is needed to go on."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        facts = {"step": self.step, "seconds": self.seconds, "recipe": asdict(self.recipe)}
        with staging(self._checkpoint) as path:
            torch.save({**state, **facts}, path)

    def _resume(self) -> None:
        state = torch.load(self._checkpoint, map_location=self.device, weights_only=True)
        before = {**state["recipe"], "images": self.recipe.images}
        if before != asdict(self.recipe):
            raise SystemExit(f"{self.folder} holds a run of another recipe: {before}")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step, self.seconds = state["step"], state["seconds"]
