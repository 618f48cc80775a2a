"""The stops of a walk: seeds, photographs of an inversion, and samples."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from panda.editing.sources import find_photograph
from panda.errors import PandaError
from panda.generators.contract import Generator, Latents
from panda.generators.labels import as_labels
from panda.generators.seeds import as_seeds, as_whole

Stop = int | str | Latents
"""A seed, text that `read_stop` takes, or samples."""

PHOTOGRAPH = re.compile(r"(?P<folder>[^\n]{1,4096})/photo(?P<photo>[0-9]{0,4})")

SEEDS = re.compile(r"[-,\s0-9]*[0-9][-,\s0-9]*")


def find_stops(
    generator: Generator, stops: Stop | Iterable[Stop], truncation: Any, label: Any
) -> list[Latents]:
    """Return one sample for each stop.

    Args:
        generator: The generator.
        stops: Seeds (7, ``"7"``, ``"0-3"``), photographs of a folder of `panda invert`
            (``"me/photo0"``), and samples.
        truncation: Of seeds.
        label: Of seeds: one for all, or one for each; see `Generator.sample`.

    Raises:
        PandaError: Where something is no stop.
    """
    single = isinstance(stops, str | Latents) or not isinstance(stops, Iterable)
    given = [stops] if single else list(stops)  # type: ignore[arg-type]
    found: list[Latents | int] = []
    for stop in given:
        if isinstance(stop, Latents):
            generator.check_latents(stop)
            found += stop
        elif as_whole(stop) is not None:
            found += as_seeds([stop])
        elif isinstance(stop, str) and SEEDS.fullmatch(stop):
            found += as_seeds(stop.strip())
        elif isinstance(stop, str) and (match := PHOTOGRAPH.fullmatch(stop)):
            found.append(find_photograph(match["folder"], int(match["photo"] or 0), generator))
        else:
            raise PandaError(
                f"{stop!r:.80} is no stop of a walk; expected a seed such as 7, or"
                " FOLDER/photo0 for a photograph of panda invert"
            )
    if not found:
        raise PandaError("a walk of no stops; expected one or more, such as 3 7")
    seeds = [stop for stop in found if not isinstance(stop, Latents)]
    if not seeds:
        return [stop for stop in found if isinstance(stop, Latents)]
    labels = as_labels(label, len(seeds), generator)
    drawn = iter(generator.sample(seeds, truncation=truncation, label=labels))
    return [stop if isinstance(stop, Latents) else next(drawn) for stop in found]
