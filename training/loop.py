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

from .augment import Augmentation
from .discriminator import Features, Judges, generator_loss, judges_loss
from .resemblance import Resemblance
from .students import STUDENTS, Student

FASTER, MAPPING = 8, 30
"""Examples are learned at so many times the rate, and mapping networks, which are slowed down by a
hundred, at so many times that."""

OUTSIDE = 20.0
"""Weight of the penalty on colors outside of [-1, 1]."""


@dataclass(frozen=True)
class Recipe:
    """What decides a training run."""

    architecture: str
    images: int = 400_000
    """How many images it makes in all, those of the examples among them."""
    batch: int = 16
    size: int = 64
    """Pixels at which the frozen network looks at images."""
    judges_rate: float = 2e-4
    examples: int = 32_000
    """So many first images are learned from examples alone; the judges come then."""
    heard: int = 8_000
    """The judges learn from so many images before they are fully heard: new ones only do harm."""
    pull: float = 30.0
    """Weight of resembling the examples beside the judges; with little, all faces become one."""
    average_over: int = 10_000
    """Images after which the average of the weights has forgotten half; less at the start."""
    settle: int = 20_000
    """Over so many last images the rates of learning fall to a tenth."""
    seed: int = 0


class Run:
    """A training run in a folder, from where it was left.

    Adversarial training alone needs far more images than these until there are faces at all. Each
    training face has a code, though (`training.codes`): a generator that first learns to draw the
    face of every code has persons for all z, in colors without detail; the judges teach detail.

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
        self.codes = codes[:, : self.student.z_dim]
        self.average = self._copy(self.student)
        self.example_steps = torch.optim.Adam(
            [
                {"params": [weight], "faster": FASTER * (MAPPING if "mapping" in name else 1)}
                for name, weight in self.student.named_parameters()
            ],
            betas=(0.9, 0.99),
        )
        self.features = Features(device, recipe.size)
        self.resemblance = Resemblance(self.features, self._images(torch.arange(len(faces))[:256]))
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

    def _images(self, rows: Tensor) -> Tensor:
        return self.faces[rows].to(self.device).float() / 127.5 - 1

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
                real, codes = self._images(rows), self.codes[rows].to(self.device)
                label = None if self.labels is None else self.labels[rows].to(self.device)
                step = self._examples if self.seen < self.recipe.examples else self._judged
                for name, value in step(real, codes, label).items():
                    sums[name] = sums.get(name, 0.0) + value
                progress.update(batch)
                if self.seen // every != (self.seen - batch) // every:
                    self.seconds += time.monotonic() - start
                    start = time.monotonic()
                    self._log({name: value * batch / every for name, value in sums.items()})
                    sums.clear()
                    self.save()
        self.save()

    def _examples(self, real: Tensor, codes: Tensor, label: Tensor | None) -> dict[str, float]:
        """One step in which every image has a face to resemble."""
        rate = self.student.learning_rate * min(1, 3 * (1 - self.seen / self.recipe.examples))
        for group in self.example_steps.param_groups:
            group["lr"] = group["faster"] * rate
        fake, changed = self.student(codes, label), Augmentation(len(real), self.device)
        with torch.no_grad():
            wanted = self.features.look(changed(real))
        loss = self.resemblance(self.features.look(changed(fake)), wanted)
        self.example_steps.zero_grad(set_to_none=True)
        (loss + OUTSIDE * _outside(fake)).backward()
        self.example_steps.step()
        return self._stepped({"resemblance": loss})

    def _judged(self, real: Tensor, codes: Tensor, label: Tensor | None) -> dict[str, float]:
        """One step of generator and judges; half of the images have a face to resemble."""
        self._settle()
        half = len(real) // 2
        codes = torch.cat([codes[:half], torch.randn_like(codes[half:])])
        fake, changed = self.student(codes, label), Augmentation(len(real), self.device)
        with torch.no_grad():
            wanted = self.features.look(changed(real))
            real_maps = self.features.mixed(wanted)
        made = self.features.look(changed(fake))
        fake_maps = self.features.mixed(made)

        judged = judges_loss(
            self.judges(real_maps, label), self.judges([m.detach() for m in fake_maps], label)
        )
        self.judges_steps.zero_grad(set_to_none=True)
        judged.backward()
        self.judges_steps.step()

        self.judges.requires_grad_(False)
        fooled = generator_loss(self.judges(fake_maps, label))
        off = self.resemblance([m[:half] for m in made], [m[:half] for m in wanted])
        heard = min(1.0, (self.seen - self.recipe.examples) / self.recipe.heard)
        outside = _outside(fake)
        self.generator_steps.zero_grad(set_to_none=True)
        (heard * fooled + OUTSIDE * outside + self.recipe.pull * off).backward()
        self.judges.requires_grad_(True)
        self.generator_steps.step()
        found = {"judges": judged, "generator": fooled, "outside": outside, "resemblance": off}
        return self._stepped(found)

    def _settle(self) -> None:
        share = min(1.0, (self.recipe.images - self.seen) / self.recipe.settle)
        for steps, rate in (
            (self.generator_steps, self.student.learning_rate),
            (self.judges_steps, self.recipe.judges_rate),
        ):
            for group in steps.param_groups:
                group["lr"] = rate * max(share, 0.1)

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
        """Write samples of what would be written now as a picture."""
        student = self.finished()
        generator = torch.Generator().manual_seed(0)
        z = torch.randn(rows * columns, self.student.z_dim, generator=generator).to(self.device)
        label = None
        if self.student.classes:
            label = torch.arange(rows * columns, device=self.device) % self.student.classes
        pictures = [to_picture(image) for image in student(z, label)]
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
            "resemblance": self.resemblance,
            "judges": self.judges,
            "example_steps": self.example_steps,
            "generator_steps": self.generator_steps,
            "judges_steps": self.judges_steps,
        }

    def save(self) -> None:
        """Write all that is needed to go on."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        facts = {"step": self.step, "seconds": self.seconds, "faces": len(self.faces)}
        facts["recipe"] = asdict(self.recipe)
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


def _outside(images: Tensor) -> Tensor:
    """How far colors leave [-1, 1]: the frozen network saturates, and they had no way back."""
    return F.relu(images.abs() - 1).square().mean()
