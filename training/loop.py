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

from .augment import augment
from .discriminator import Features, Judges, generator_loss, judges_loss
from .lessons import Lessons
from .students import STUDENTS, Student

FASTER, MAPPING = 4, 30
"""Lessons are learned at so many times the rate, and mapping networks, which are slowed down by a
hundred, at so many times that."""

COARSE = 20.0
"""Weight of the pull towards the linear map, when the judges come."""

OUTSIDE = 20.0
"""Weight of the penalty on colors outside of [-1, 1]."""


@dataclass(frozen=True)
class Recipe:
    """What decides a training run."""

    architecture: str
    images: int = 400_000
    """How many images it makes in all, those of the lessons among them."""
    batch: int = 8
    size: int = 64
    """Pixels at which the frozen network looks at images."""
    judges_rate: float = 2e-4
    lessons: int = 24_000
    """So many first images learn the linear map alone; the judges come then."""
    coarse: int = 200_000
    """Over so many images the pull towards the linear map's coarse colors fades out."""
    average_over: int = 10_000
    """Images after which the average of the weights has forgotten half; less at the start."""
    seed: int = 0


class Run:
    """A training run in a folder, from where it was left.

    Faces are uint8 ``[N, 3, 64, 64]``, codes ``[N, 512]``, labels ``[N]`` where there are classes.
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
        self.faces, self.labels = faces, labels
        self.step, self.seconds = 0, 0.0
        torch.manual_seed(recipe.seed)
        self.student: Student = STUDENTS[recipe.architecture]().to(device)
        self.average = self._copy(self.student)
        self.lessons = Lessons(codes[:, : self.student.z_dim], faces).to(device)
        self.lesson_steps = torch.optim.Adam(
            [
                {"params": [weight], "faster": FASTER * (MAPPING if "mapping" in name else 1)}
                for name, weight in self.student.named_parameters()
            ],
            betas=(0.9, 0.99),
        )
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
        """Images so far."""
        return self.step * self.recipe.batch

    def train(self, every: int = 5_000) -> None:
        """Go on to the recipe's end.

        Every step draws from a seed of its own, so a run that was stopped and resumed sees what an
        undisturbed one sees.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        batch, start = self.recipe.batch, time.monotonic()
        sums: dict[str, float] = {}
        with bar(total=self.recipe.images, initial=self.seen, unit="image") as progress:
            while self.seen < self.recipe.images:
                torch.manual_seed(self.recipe.seed + 1 + self.step)
                rows = torch.randint(len(self.faces), (batch,))
                real = self.faces[rows].to(self.device).float() / 127.5 - 1
                flipped = torch.rand(batch, 1, 1, 1, device=self.device) < 0.5
                real = torch.where(flipped, real.flip(3), real)
                told = None if self.labels is None else self.labels[rows].to(self.device)
                step = self._lesson if self.seen < self.recipe.lessons else self._step
                for name, value in step(real, told).items():
                    sums[name] = sums.get(name, 0.0) + value
                progress.update(batch)
                if self.seen // every != (self.seen - batch) // every:
                    self.seconds += time.monotonic() - start
                    start = time.monotonic()
                    self._log({name: value * batch / every for name, value in sums.items()})
                    sums.clear()
                    self.save()
        self.save()

    def _lesson(self, real: Tensor, label: Tensor | None) -> dict[str, float]:
        z = torch.randn(len(real), self.student.z_dim, device=self.device)
        rate = self.student.learning_rate * min(1, 3 * (1 - self.seen / self.recipe.lessons))
        for group in self.lesson_steps.param_groups:
            group["lr"] = group["faster"] * rate
        loss = self.lessons.whole(self.student(z, label), z)
        self.lesson_steps.zero_grad(set_to_none=True)
        loss.backward()
        self.lesson_steps.step()
        return self._stepped({"lessons": loss})

    def _step(self, real: Tensor, label: Tensor | None) -> dict[str, float]:
        z = torch.randn(len(real), self.student.z_dim, device=self.device)
        fake = self.student(z, label)
        with torch.no_grad():
            real_maps = self.features(augment(real))
        fake_maps = self.features(augment(fake))

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
        coarse = self.lessons.coarse(fake, z)
        pull = COARSE * max(0.0, 1 - self.seen / self.recipe.coarse)
        self.generator_steps.zero_grad(set_to_none=True)
        (fooled + OUTSIDE * outside + pull * coarse).backward()
        self.judges.requires_grad_(True)
        self.generator_steps.step()
        found = {"judges": judged, "generator": fooled, "outside": outside, "coarse": coarse}
        return self._stepped(found)

    def _stepped(self, found: Mapping[str, Tensor]) -> dict[str, float]:
        self.step += 1
        self._average()
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
            "lessons": self.lessons,
            "features": self.features,
            "judges": self.judges,
            "lesson_steps": self.lesson_steps,
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
