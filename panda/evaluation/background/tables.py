"""A study in tables: figures with their intervals, beside what they have to beat."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from panda import __version__
from panda.evaluation.background.directions import METHODS
from panda.evaluation.background.portraits import ASPECTS, Interval
from panda.evaluation.background.study import BEFORE, FACTORS, Measured, Study
from panda.metrics.summary import bootstrap
from panda.report.table import Table

TASKS = {
    "add": "added where the object is",
    "paint": "finds the object, and paints it",
    "continue": "finds the object, and its surroundings go on there: panda remove",
}
"""What images are edited by, in words."""

MEASURES = ("gone", "color", "seam", "texture", "damage", "change")
"""What is measured of an edit."""

CHOSEN = tuple(kind for kind in METHODS if kind != "one random")
"""Kinds of directions that are compared at each depth."""

ABOUT = (
    "Means, with 95 % intervals in brackets from resampling samples and sets of fit seeds."
    " Everything was chosen on other samples."
)


def markdown(study: Study) -> str:
    """Return how many of everything, and all tables, as Markdown."""
    return "\n".join([f"{describe(study)}\n", *(table.to_markdown() for table in tables(study))])


def describe(study: Study) -> str:
    """Return what was measured, in a sentence or two."""
    settings = study.settings
    names = [found.name for found in study.generators if not found.faces]
    unparsed = f" Not parsed, since no faces were seen: {', '.join(names)}." if names else ""
    shares = {found.name: found.whole for found in study.generators}
    whole = ", ".join(f"{share:.0%} of {name}" for name, share in shares.items() if share)
    whole = f" Of the scored samples are whole faces (both eyes, nose, mouth): {whole}." * bool(
        whole
    )
    return (
        f"PandA {__version__}: {settings.sets} sets of {settings.samples} seeds from 0 on,"
        f" {settings.parts} parts, all channels; scored on {settings.n} other samples, edits on"
        f" {settings.edited} for each set; chosen on {settings.selected} more. Faces are parsed at"
        f" {settings.parse_size} pixels.{unparsed}{whole}"
    )


def tables(study: Study) -> Iterator[Table]:
    """Yield the answers, and then what they are made of."""
    yield _localizes(study)
    yield _acts(study)
    faces = [found for found in study.generators if found.faces]
    if faces:
        yield _where(faces)
        yield _depths(faces)
        for task, title in (("add", "Added"), ("paint", "Removed by it")):
            yield _edits(faces, task, title)
        yield _colors(faces)
        yield _traces(faces)
    if others := [found for found in study.generators if not found.faces]:
        yield _contrasts(others)
    if study.settings.sets > 1:
        yield _stable(study)
    if study.likenesses:
        yield _alike(study)


def _localizes(study: Study) -> Table:
    """Return the table to cite: what the map of a direction of factors beats."""
    made = []
    for found, kind, layer in _answered(study):
        fit = "iou" if found.faces else "contrast"
        value = found.values(layer, kind, fit)
        row = [found.name, f"{kind}, {layer}", _cell(value) + ("" if found.faces else " sd")]
        row.append(_gain(value, found.values(layer, "constant", fit) if found.faces else None))
        for other in ("principal", "random", "detector"):
            row.append(_gain(value, found.values(found.best_layer(other), other, fit)))
        stable = found.stabilities.get((layer, kind))
        row.append(_spread(stable.cosine) if stable else "-")
        made.append(row)
    header = (
        *("generator", "direction", "IoU, or contrast", "over constant mask"),
        *(
            "over principal component",
            "over random direction",
            "over detector",
            "again in other seeds",
        ),
    )
    about = (
        f"{ABOUT} IoU with parsed background, of the best column of A and of the best own"
        " appearance of a part, where it is best; so are the principal component, the random"
        " direction and the detector, each at its own layer. *no*: the interval is not above zero."
        " Of what is no face, the contrast to the corners is in place of the IoU, in standard"
        " deviations (sd). Last, the absolute cosine to the nearest candidate of another set of"
        " seeds, with the lowest and the highest pair."
    )
    return Table(header, made, "Does a direction of factors tell where background is?", about)


def _acts(study: Study) -> Table:
    """Return the table to cite: what edits by a direction of factors beat."""
    made = []
    for found, kind, layer in _answered(study):
        row = [found.name, f"{kind}, {layer}"]
        gone = found.values(layer, kind, "add gone")
        color = found.values(layer, kind, "add color")
        row += [_cell(gone), _gain(gone, found.values(layer, "random", "add gone"))]
        row += [_cell(color), _gain(found.values(layer, BEFORE, "color"), color)]
        gone = found.values(layer, kind, "paint gone")
        color = found.values(layer, kind, "paint color")
        row += [_cell(gone), _gain(gone, found.values(layer, "detector", "continue gone"))]
        row += [_cell(color), _gain(found.values(layer, "detector", "continue color"), color)]
        made.append(row)
    header = (
        *("generator", "direction", "gone, added", "over random direction", "color, added"),
        *("nearer than the object was", "gone, painted", "over panda remove", "color, painted"),
        "nearer than panda remove",
    )
    about = (
        "The same directions, added where the object is, and where they find the object and paint"
        " it. Gone: the share of the parsed object. Color: how far its place is, on average, from"
        f" the background before, in CIELAB units. *no*: the interval is not above zero. {ABOUT}"
    )
    return Table(header, made, "Is it background that it puts there?", about)


def _answered(study: Study) -> Iterator[tuple[Measured, str, str]]:
    """Yield each generator with both kinds of directions of factors, and the layer of each."""
    for found in study.generators:
        for kind in FACTORS:
            yield found, kind, found.best_layer(kind)


def _where(faces: list[Measured]) -> Table:
    """Return the IoU of every kind at its own best layer."""
    made = []
    for found in faces:
        row = [found.name, _cell(found.values(found.layers[0], "constant", "iou"))]
        for kind in METHODS:
            layer = found.best_layer(kind)
            row.append(f"{_cell(found.values(layer, kind, 'iou'))} {layer}")
        made.append(row)
    about = f"IoU with parsed background, each kind at the layer where it is best. {ABOUT}"
    return Table(("generator", "constant mask", *METHODS), made, "Where it is", about)


def _depths(faces: list[Measured]) -> Table:
    made = []
    for found in faces:
        for layer in found.layers:
            constant = found.values(layer, "constant", "iou")
            row = [found.name, layer, str(found.units[layer][0]["side"]), found.verdict(layer)]
            row += [_gain(found.values(layer, kind, "iou"), constant) for kind in CHOSEN]
            made.append(row)
    header = ("generator", "layer", "side", "verdict")
    about = (
        "IoU less that of the constant mask. Verdict: in how many sets of seeds a background was"
        f" found, and how detectors agree on average. {ABOUT}"
    )
    return Table((*header, *CHOSEN), made, "At each depth", about)


def _edits(faces: list[Measured], task: str, title: str) -> Table:
    """Return what is gone of the face at each depth, by each kind."""
    made = []
    for found in faces:
        for layer in found.layers:
            row = [found.name, layer]
            row += [_cell(found.values(layer, kind, f"{task} gone")) for kind in CHOSEN]
            if task == "paint":
                row.append(_cell(found.values(layer, "detector", "continue gone")))
            made.append(row)
    header = ("generator", "layer", *CHOSEN, *(("panda remove",) if task == "paint" else ()))
    about = f"Share of the parsed object that is gone; the direction {TASKS[task]}. {ABOUT}"
    return Table(header, made, title, about)


def _colors(faces: list[Measured]) -> Table:
    """Return at each depth how near the color of the object's place comes to the background's."""
    edits = [("add", kind) for kind in (*FACTORS, "random")]
    edits += [("paint", kind) for kind in (*FACTORS, "detector")]
    made = []
    for found in faces:
        for layer in found.layers:
            row = [found.name, layer, _cell(found.values(layer, BEFORE, "color"))]
            row += [_cell(found.values(layer, kind, f"{task} color")) for task, kind in edits]
            made.append([*row, _cell(found.values(layer, "detector", "continue color"))])
    words = {"add": "added", "paint": "painted"}
    names = tuple(f"{words[task]}, {kind}" for task, kind in edits)
    about = (
        "How far the mean color of the object's place is from that of the background before, in"
        f" CIELAB units. {ABOUT}"
    )
    header = ("generator", "layer", "before", *names, "panda remove")
    return Table(header, made, "What color its place has", about)


def _traces(faces: list[Measured]) -> Table:
    """Return seam and damage of removal, at the layer of the answers."""
    made = []
    for found in faces:
        kind = found.best_factor()
        layer = found.best_layer(kind)
        seen = [_cell(found.values(layer, BEFORE, what)) for what in ("color", "seam")]
        made.append([found.name, layer, "before", "-", *seen, "-", "-", "-"])
        for task, by in (
            *(("add", each) for each in (kind, "random")),
            *(("paint", each) for each in (kind, "principal", "random", "detector")),
            ("continue", "detector"),
        ):
            row = [found.name, layer, f"{task}: {by}"]
            made.append([*row, *(_cell(found.values(layer, by, f"{task} {m}")) for m in MEASURES)])
    about = (
        "Gone: of the parsed object. Color: how far the mean color of its place is from that of the"
        " background before, in CIELAB units. Seam: the jump of color along its border. Texture:"
        " detail in its place, over that around it. Damage: the change of color away from it."
        f" Change: within it. {ABOUT}"
    )
    return Table(("generator", "layer", "edit", *MEASURES), made, "What edits leave", about)


def _contrasts(others: list[Measured]) -> Table:
    """Return what can be said of images that are not parsed."""
    made = []
    for found in others:
        for layer in found.layers:
            row = [found.name, layer, found.verdict(layer)]
            row += [_cell(found.values(layer, kind, "contrast")) for kind in METHODS]
            for kind in ("column", "random"):
                for what in ("change", "damage"):
                    row.append(_cell(found.values(layer, kind, f"add {what}")))
            made.append(row)
    header = ("generator", "layer", "verdict", *METHODS)
    changes = ("inside, column", "elsewhere, column", "inside, random", "elsewhere, random")
    about = (
        "How much higher the map of each direction is in the upper corners than elsewhere, in"
        " standard deviations; and what adding a column where the detector sees no background"
        f" changes in the pixels, beside a random direction. {ABOUT}"
    )
    return Table((*header, *changes), made, "Without parsing", about)


def _stable(study: Study) -> Table:
    made = []
    for found in study.generators:
        for kind in METHODS:
            layer = found.best_layer(kind)
            stable = found.stabilities[layer, kind]
            made.append([found.name, kind, layer, _spread(stable.cosine), _spread(stable.maps)])
    about = (
        "Of directions chosen in disjoint sets of seeds: the absolute cosine to the nearest"
        " candidate of the other set, and the correlation of maps of the same samples; means over"
        " pairs of sets, with the lowest and the highest pair."
    )
    header = ("generator", "kind", "layer", "cosine", "correlation of maps")
    return Table(header, made, "Over sets of seeds", about)


def _alike(study: Study) -> Table:
    made = [
        [
            f"{each.first} and {each.second}",
            each.aspect,
            *(_interval(x) for x in (each.distance, each.floor)),
            f"{_interval(each.above_floor, '+')} {_word(each.above_floor, 'differ', 'alike')}",
            "-" if each.below_control is None else _interval(each.below_control, "+"),
        ]
        for each in study.likenesses
    ]
    header = ("generators", "aspect", "distance", "floor", "over the floor", "nearer than objects")
    about = (
        "Backgrounds as each generator's best direction of factors sees them. "
        + "; ".join(f"{name}: {words}" for name, words in ASPECTS.items())
        + ". The floor: between halves of each one's own samples. The last: by how much the two"
        " backgrounds are nearer than one's background to the other's object. Intervals come from"
        " resampling samples and sets of fit seeds."
    )
    return Table(header, made, "Backgrounds of two generators, in images", about)


def _cell(values: Tensor | None) -> str:
    """Return such as ``0.83 [0.80, 0.86]``; ``-`` where nothing was measured."""
    if values is None or not bool(values.isfinite().any()):
        return "-"
    return _interval(bootstrap(values))


def _gain(values: Tensor | None, baseline: Tensor | None) -> str:
    """Return the difference of paired values with its interval, marked where it may be none."""
    if values is None or baseline is None:
        return "-"
    figure = bootstrap(values - baseline)
    return _interval(figure, "+") + ("" if figure[1] > 0 else " *no*")


def _interval(figure: Interval, sign: str = "") -> str:
    value, low, high = figure
    return f"{value:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"


def _spread(figure: Interval) -> str:
    value, low, high = figure
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def _word(figure: Interval, above: str, otherwise: str) -> str:
    """Return a word for whether the whole interval is above zero."""
    return above if figure[1] > 0 else otherwise
