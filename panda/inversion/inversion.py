"""The result of an inversion, and its folder: latents, pictures, and all settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from panda.checkpoints.tensors import load_tensors, save_tensors
from panda.errors import PandaError
from panda.files.json_lines import read_json
from panda.files.ownership import check_folder, replacing
from panda.files.tilde import expand
from panda.files.unchanged import unchanged
from panda.generators.carried import PREFIX, changes_of
from panda.generators.contract import Generator, Latents
from panda.generators.identity import check_weights
from panda.generators.latent_spaces import has_w, w_space
from panda.images import difference_picture, save_picture, sheet, to_picture
from panda.shapes import CHANNELS

FORMAT = 1
TENSORS = "inversion.safetensors"
THUMB = 256


@dataclass(frozen=True, eq=False)
class Inversion:
    """Latents of one generator, perhaps with features, that make given pictures again.

    Attributes:
        generator: The generator's name.
        latents: N rows, for `Generator.head` and everything else that takes samples.
        pictures: What was given, ``[N, channels, H, W]`` in [-1, 1], in steps of 8 bits.
        reconstructions: What the latents make, in the same form.
        config: LPIPS, error and trace of each, the space, the seed and all other settings.
    """

    generator: str
    latents: Latents
    pictures: Tensor
    reconstructions: Tensor
    config: Mapping[str, Any]

    @staticmethod
    def of(
        generator: str,
        latents: Latents,
        pictures: Tensor,
        reconstructions: Tensor,
        config: Mapping[str, Any],
    ) -> Inversion:
        """Return an inversion whose latents lie on the CPU and whose pictures have 8 bits."""
        tensors = {name: tensor.detach().cpu() for name, tensor in latents.tensors.items()}
        pictures, reconstructions = (
            _from_bytes(_to_bytes(rows)) for rows in (pictures, reconstructions)
        )
        on_cpu = replace(latents, tensors=tensors)
        return Inversion(generator, on_cpu, pictures, reconstructions, config)

    def __repr__(self) -> str:
        """Return what was inverted, and how near."""
        count = f"{len(self)} picture" + ("s" if len(self) > 1 else "")
        errors = ", ".join(f"{value:.3f}" for value in self.lpips[:8])
        more = ", ..." if len(self) > 8 else ""
        return f"<Inversion of {count} by {self.generator}, LPIPS {errors}{more}>"

    def __len__(self) -> int:
        return len(self.latents)

    @property
    def lpips(self) -> tuple[float, ...]:
        """LPIPS of each reconstruction, compared at 128 to 256 pixels."""
        return tuple(self.config["lpips"])

    @property
    def pixels(self) -> tuple[float, ...]:
        """The root mean square difference of each, of images in [-1, 1], at the same size."""
        return tuple(self.config["pixels"])

    @property
    def names(self) -> tuple[str, ...]:
        """What each picture is called; empty where they have no names."""
        return tuple(self.config["pictures"])

    def latents_for(self, generator: Generator) -> Latents:
        """Return the latents on a generator's device.

        Raises:
            PandaError: Where they are of another generator, or do not fit it.
        """
        digest = str(self.config.get("weights_sha256", ""))
        remedy = "invert the picture for it with 'panda invert'"
        check_weights(generator, "latents", self.generator, digest, remedy)
        drawn = generator.sample([0], truncation=1.0)
        usual = drawn.tensors
        given = self.latents.tensors
        if has_w(generator):
            space = w_space(generator, "an inversion")
            rows = space.w_mean.expand(1, len(space.slots), -1)
            usual = {**usual, "w": rows}
        changes = changes_of(given)
        for name in changes.keys() & generator.layers.keys():
            layer = generator.layers[name]
            shape = (1, layer.channels, layer.height, layer.width)
            usual = {**usual, PREFIX + name: torch.empty(shape, device=generator.device)}
        wrong = sorted(usual.keys() ^ given.keys())
        wrong += [n for n in usual if n in given and given[n].shape[1:] != usual[n].shape[1:]]
        if wrong:
            raise PandaError(
                f"these latents do not fit {generator.name} ({', '.join(wrong)}); it has changed"
                " since, or the folder is of another one: invert the picture again"
            )
        moved = {name: given[name].to(like) for name, like in usual.items()}
        label: Any = self.config.get("label")
        labels = (label,) * len(self) if type(label) in (int, str) else None
        return replace(drawn, seeds=self.latents.seeds, tensors=moved, labels=labels)

    def save(self, folder: str | Path) -> Path:
        """Write config.json, the tensors and sheet.png; return the folder.

        Raises:
            PandaError: Where the folder is neither new nor that of an inversion.
        """
        folder = expand(folder)
        config = {
            "format": FORMAT,
            "generator": self.generator,
            "seeds": list(self.latents.seeds),
            **self.config,
        }
        tensors = {f"latents.{name}": tensor for name, tensor in self.latents.tensors.items()}
        images = {"pictures": self.pictures, "reconstructions": self.reconstructions}
        tensors |= {name: _to_bytes(rows) for name, rows in images.items()}
        with replacing(folder, "inversion") as work:
            save_tensors(work / TENSORS, tensors, {})
            save_picture(self.sheet(), work / "sheet.png")
            (work / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        return folder

    def sheet(self) -> Image.Image:
        """Return a row for each picture: given, made again, and the difference."""
        return sheet(
            [to_picture(old, THUMB), to_picture(new, THUMB), difference_picture(old, new, THUMB)]
            for old, new in zip(self.pictures, self.reconstructions, strict=True)
        )

    @staticmethod
    def check_folder(folder: Path) -> None:
        """Raise `PandaError` where saving would replace anything but an earlier inversion."""
        check_folder(folder, "inversion")

    @staticmethod
    def load(folder: str | Path) -> Inversion:
        """Read what `save` wrote; raise `PandaError` where it is something else or damaged."""
        folder = expand(folder)
        with unchanged(folder / "config.json", folder / TENSORS):
            generator, seeds, config, tensors = _read(folder)
        latents = {
            name.removeprefix("latents."): tensor
            for name, tensor in tensors.items()
            if name.startswith("latents.")
        }
        _check_tensors(folder, len(seeds), tensors, latents)
        pictures, reconstructions = (
            _from_bytes(tensors[name]) for name in ("pictures", "reconstructions")
        )
        read = Latents(tuple(seeds), latents, generator)
        return Inversion(generator, read, pictures, reconstructions, config)


def _read(folder: Path) -> tuple[str, list[int], dict[str, Any], dict[str, Tensor]]:
    """Return generator, seeds, config and tensors of a folder; raise `PandaError` for others."""
    file, remedy = folder / "config.json", "invert the picture again"
    if not _exists(file):
        raise PandaError(
            f"{folder} holds no inversion (no config.json); make one with"
            f" 'panda invert PHOTO --generator NAME --out {folder}'"
        )
    config = read_json(file, "the settings of an inversion", remedy)
    try:
        version, generator = config.pop("format"), config.pop("generator")
        seeds = config.pop("seeds")
        _check_config(generator, seeds, config)
    except (TypeError, KeyError) as error:
        raise PandaError(f"{file} is not that of an inversion: {error}; {remedy}") from error
    if type(version) is not int or version != FORMAT:
        raise PandaError(f"{folder} has an inversion of format {version!r}, expected {FORMAT}")
    return generator, seeds, config, load_tensors(folder / TENSORS, remedy)


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:  # a name that no file can have
        return False


def _check_config(generator: Any, seeds: Any, config: Mapping[str, Any]) -> None:
    """Raise TypeError or KeyError unless what is read later has its type."""
    count = len(seeds)
    if type(generator) is not str or any(type(seed) is not int for seed in seeds):
        raise TypeError("expected a generator's name and a list of seeds")
    for key in ("lpips", "pixels"):
        numbers = config[key]
        if len(numbers) != count or any(type(number) is not float for number in numbers):
            raise TypeError(f"{key} is {numbers!r:.60}, expected {count} numbers")
    if any(type(name) is not str for name in config["pictures"]):
        raise TypeError("expected names of pictures")


def _check_tensors(
    folder: Path, count: int, tensors: Mapping[str, Tensor], latents: Mapping[str, Tensor]
) -> None:
    images = {name for name in tensors if name not in {f"latents.{key}" for key in latents}}
    good = images == {"pictures", "reconstructions"} and bool(latents) and count > 0
    for name in images if good else ():
        rows = tensors[name]
        good &= rows.dtype == torch.uint8 and rows.ndim == 4 and len(rows) == count
        good &= rows.shape[1:2] in [(channels,) for channels in CHANNELS]
    for rows in latents.values():
        good &= rows.ndim > 0 and len(rows) == count and bool(rows.isfinite().all())
    if not good:
        raise PandaError(
            f"{folder / TENSORS} does not hold the latents and images of {count} pictures; invert"
            " them again"
        )


def _to_bytes(images: Tensor) -> Tensor:
    """Return images in [-1, 1] as levels of 0 to 255."""
    return images.detach().float().cpu().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)


def _from_bytes(levels: Tensor) -> Tensor:
    return levels.float() / 127.5 - 1
