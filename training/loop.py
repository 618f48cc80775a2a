"""The training loop: steps, averaged weights, logs, checkpoints and grids of samples."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
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
from .captured import CapturedStep
from .data import as_images
from .discriminator import (
    Discriminators,
    ProjectedFeatures,
    discriminator_loss,
    generator_loss,
)
from .optimizers import adam, set_rate
from .recipe import FINAL_SHARE, Recipe
from .reconstruction import ReconstructionLoss
from .students import STUDENTS, Student

PRETRAINING_SPEEDUP = 8
"""Factor of the learning rate in pretraining."""

MAPPING_SPEEDUP = 30
"""A further factor for mapping networks in pretraining, whose layers learn at a hundredth."""

RANGE_WEIGHT = 20.0
"""Weight of the penalty on colors outside [-1, 1]."""

LOGS = 10
"""The number of log lines, grids and checkpoints of a run."""


class Run:
    """A training run in a folder, which resumes where it stopped.

    Adversarial training alone would need far more images before there are faces at all. Since each
    training face has a code (`training.codes`), the generator first learns to reconstruct each face
    from its code. After this pretraining each z gives a person, without detail; adversarial
    training adds the detail.

    On a GPU the steps are captured as CUDA graphs and run on the run's own stream.

    Args:
        recipe: The hyperparameters.
        folder: Where checkpoints, logs and grids are written, and where an earlier run resumes.
        device: Where to train.
        faces: The training faces, uint8 ``[N, 3, 64, 64]``.
        codes: Their codes ``[N, 512]``; the first ``z_dim`` coordinates are used as z.
        labels: Their classes ``[N]``, for architectures with classes.
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
        self.averages = list(self.average.parameters())
        self.parameters = list(self.student.parameters())
        self.features = ProjectedFeatures(device, recipe.feature_size)
        self.reconstruction = ReconstructionLoss(self.features, as_images(self.faces[:256]))
        self.discriminators = Discriminators(self.features, self.student.classes).to(
            device, memory_format=torch.channels_last
        )
        groups: dict[bool, list[nn.Parameter]] = {False: [], True: []}
        for name, parameter in self.student.named_parameters():
            groups["mapping" in name].append(parameter)
        self.pretraining_optimizer = adam(groups.values(), 0.9, device)
        self.generator_optimizer = adam([self.student.parameters()], 0.0, device)
        self.discriminator_optimizer = adam([self.discriminators.parameters()], 0.0, device)
        self.adversarial_weight = torch.zeros((), device=device)
        self.reconstruction_weight = torch.zeros((), device=device)
        self.random = torch.Generator(device)
        self.pretraining_step = CapturedStep(self._pretrain, self.random)
        self.adversarial_step = CapturedStep(self._train_adversarially, self.random)
        self.sums: dict[str, Tensor] = {}
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        if self._checkpoint.exists():
            self._resume()
        if self.stream is not None:
            torch.cuda.synchronize()

    def initialize(self, tensors: Mapping[str, Tensor]) -> None:
        """Start from the weights and buffers of a trained generator."""
        for student in (self.student, self.average):
            student.network.load_state_dict(tensors)

    @property
    def steps(self) -> int:
        """The number of steps in all."""
        return -(-self.recipe.images // self.recipe.batch)

    @property
    def seen(self) -> int:
        """The number of images so far."""
        return self.step * self.recipe.batch

    def advance(self, log_every: int | None = None) -> None:
        """Train for one step; log and save at the end, and every ``log_every`` steps.

        Each step has its own seed, so a run that was stopped and resumed draws the same random
        numbers as an uninterrupted one.
        """
        with nullcontext() if self.stream is None else torch.cuda.stream(self.stream):
            self.random.manual_seed(self.recipe.seed + 1 + self.step)
            self._set_schedule()
            pretraining = self.step < self.recipe.pretraining_steps
            train_step = self.pretraining_step if pretraining else self.adversarial_step
            for name, loss in train_step().items():
                self.sums[name] = self.sums.get(name, 0) + loss.detach()
            self.step += 1
            self._update_average()
            log_every = log_every or -(-self.steps // LOGS)
            if self.step % log_every == 0 or self.step == self.steps:
                self._log(self.step % log_every or log_every)
                self.save()

    def _set_schedule(self) -> None:
        """Set the learning rates and the weights of the losses for the coming step."""
        recipe, rate = self.recipe, self.recipe.learning_rate
        if self.step < recipe.pretraining_steps:
            decay = min(1, 3 * (1 - self.step / recipe.pretraining_steps))
            others, mapping = self.pretraining_optimizer.param_groups
            rate = PRETRAINING_SPEEDUP * self.student.learning_rate * decay
            set_rate(others, rate)
            set_rate(mapping, MAPPING_SPEEDUP * rate)
            return
        share = max(min(1.0, (1 - self.step / self.steps) / recipe.decay), FINAL_SHARE)
        set_rate(self.generator_optimizer.param_groups[0], rate * share)
        set_rate(
            self.discriminator_optimizer.param_groups[0], recipe.discriminator_learning_rate * share
        )
        after = self.step - recipe.pretraining_steps
        self.adversarial_weight.fill_(min(1.0, after / recipe.warmup_steps))
        done = after / max(self.steps - recipe.pretraining_steps, 1)
        share = 1 - (1 - recipe.final_reconstruction_share) * done
        self.reconstruction_weight.fill_(recipe.reconstruction_weight * share)

    def _sample_batch(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return training faces as images, their codes and their classes."""
        rows = torch.randint(
            len(self.faces), (self.recipe.batch,), generator=self.random, device=self.device
        )
        label = None if self.labels is None else self.labels[rows]
        return as_images(self.faces[rows]), self.codes[rows], label

    def _pretrain(self) -> dict[str, Tensor]:
        """Take one step in which all images reconstruct a face."""
        real, codes, label = self._sample_batch()
        fake, augment = self.student(codes, label, self.random), self._draw_augmentation()
        with torch.no_grad():
            target = self.features.extract(augment(real))
        loss = self.reconstruction(self.features.extract(augment(fake)), target)
        self.pretraining_optimizer.zero_grad(set_to_none=True)
        (loss + RANGE_WEIGHT * _range_penalty(fake)).backward()
        self.pretraining_optimizer.step()
        return {"reconstruction": loss}

    def _train_adversarially(self) -> dict[str, Tensor]:
        """Take one step of discriminators and generator; half of the images reconstruct a face."""
        real, codes, label = self._sample_batch()
        half = len(real) // 2
        fresh = torch.randn(
            len(real) - half, codes.shape[1], generator=self.random, device=self.device
        )
        z = torch.cat([codes[:half], fresh])
        fake, augment = self.student(z, label, self.random), self._draw_augmentation()
        with torch.no_grad():
            target = self.features.extract(augment(real))
            real_maps = self.features.project(target)
        generated = self.features.extract(augment(fake))
        fake_maps = self.features.project(generated)

        both = [torch.cat([r, f.detach()]) for r, f in zip(real_maps, fake_maps, strict=True)]
        logits = self.discriminators(both, None if label is None else torch.cat([label, label]))
        discriminator = discriminator_loss(
            [x[: len(real)] for x in logits], [x[len(real) :] for x in logits]
        )
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        discriminator.backward()
        self.discriminator_optimizer.step()

        self.discriminators.requires_grad_(False).eval()
        adversarial = generator_loss(self.discriminators(fake_maps, label))
        reconstruction = self.reconstruction(
            [x[:half] for x in generated], [x[:half] for x in target]
        )
        outside = _range_penalty(fake)
        self.generator_optimizer.zero_grad(set_to_none=True)
        (
            self.adversarial_weight * adversarial
            + RANGE_WEIGHT * outside
            + self.reconstruction_weight * reconstruction
        ).backward()
        self.discriminators.requires_grad_(True).train()
        self.generator_optimizer.step()
        return {
            "discriminator": discriminator,
            "generator": adversarial,
            "range": outside,
            "reconstruction": reconstruction,
        }

    def _draw_augmentation(self) -> Augmentation:
        return Augmentation(self.recipe.batch, self.device, self.random)

    @torch.no_grad()
    def _update_average(self) -> None:
        half_life = min(self.recipe.average_half_life, max(self.step * 0.05, 1.0))
        torch._foreach_lerp_(self.averages, self.parameters, 1 - 0.5 ** (1 / half_life))

    @torch.no_grad()
    def averaged(self) -> Student:
        """Return the generator with averaged weights, and the current buffers, ready for export."""
        student = self._copy(self.student)
        torch._foreach_copy_(list(student.parameters()), self.averages)
        student.finish()
        return student

    def _copy(self, student: Student) -> Student:
        copy = STUDENTS[self.recipe.architecture]()
        copy.load_state_dict(student.state_dict())
        return copy.to(self.device).eval().requires_grad_(False)

    @torch.no_grad()
    def grid(self, rows: int = 6, columns: int = 12) -> None:
        """Write a picture with samples of the averaged generator."""
        student = self.averaged()
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
            raise SystemExit(f"the losses were not finite by image {self.seen}: {losses}")
        self.sums.clear()
        now = time.monotonic()
        self.seconds, self.started = self.seconds + now - self.started, now
        line = {"images": self.seen, "seconds": round(self.seconds, 1), **losses}
        append_rows(self.folder / "log.jsonl", [line])
        self.grid()

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "state.pt"

    def _stateful(self) -> dict[str, Any]:
        """Return all modules and optimizers whose state a checkpoint contains."""
        return {
            "student": self.student,
            "average": self.average,
            "features": self.features,
            "reconstruction": self.reconstruction,
            "discriminators": self.discriminators,
            "pretraining_optimizer": self.pretraining_optimizer,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    @property
    def _settings(self) -> dict[str, Any]:
        """The settings that must not change between a stopped run and its resumption."""
        settings = {**asdict(self.recipe), "faces": len(self.faces), "device": self.device.type}
        return {name: value for name, value in settings.items() if name != "images"}

    def save(self) -> None:
        """Write a checkpoint, from which the run can resume."""
        state = {name: stateful.state_dict() for name, stateful in self._stateful().items()}
        facts = {"step": self.step, "seconds": self.seconds, "settings": self._settings}
        buffer = io.BytesIO()  # torch's own error does not say that the disk is full
        torch.save({**state, **facts}, buffer)
        with staging(self._checkpoint) as path:
            # Not a view of the buffer, which an error keeps alive: Python 3.12 crashes then.
            path.write_bytes(buffer.getvalue())

    def _resume(self) -> None:
        state = torch.load(self._checkpoint, map_location=self.device, weights_only=True)
        settings = state.get("settings", "those of an earlier version")
        if settings != self._settings:
            raise SystemExit(f"{self.folder} contains a run with other settings: {settings}")
        for name, stateful in self._stateful().items():
            stateful.load_state_dict(state[name])
        self.step, self.seconds = state["step"], state["seconds"]


def train(runs: Sequence[Run], log_every: int | None = None) -> None:
    """Train all runs to their ends, step by step in turn, so that their steps overlap on a GPU."""
    remaining = sum(run.steps - run.step for run in runs)
    with bar(total=remaining, unit="step") as progress:
        while unfinished := [run for run in runs if run.step < run.steps]:
            for run in unfinished:
                run.advance(log_every)
                progress.update()


def _range_penalty(images: Tensor) -> Tensor:
    """Return the mean squared excess of colors over [-1, 1].

    The frozen network saturates there, so no other loss would bring the colors back.
    """
    return F.relu(images.abs() - 1).square().mean()
