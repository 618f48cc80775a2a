"""How an edit is written: ``WHERE:WHAT:STRENGTH[@LAYER]``. Without torch, for the shell."""

from __future__ import annotations

import re

from panda.errors import PandaError

WHERE = r"[\w ,+'&./()~-]{1,200}"
"""Parts by number or name, or a place (`panda.editing.places`)."""

APPEARANCE = r"p?[0-9]{1,6}|bg|remove"
"""What factors have to add, or a removal."""


def _source(path: str) -> str:
    return (
        r"(?:seed(?P<seed>[0-9]{1,10})"
        rf"|(?P<file>{path}\.npy)"
        rf"|(?P<folder>{path})/photo(?P<photo>[0-9]{{0,4}})"
        r"|(?P<method>[a-z]{2,20})/(?P<key>[^:#@/\n]{1,100}))"
        r"(?:#(?P<first>[0-9]{1,3})(?:-(?P<last>[0-9]{1,3}))?)?"
    )


SOURCE = _source(r"[^\n]{1,4096}")
"""What an edit takes from elsewhere than factors, perhaps in some slots of w alone.

See `panda.editing.sources`. The folder of an edit file, beside which its own files are looked for,
may have any name.
"""

WRITTEN_SOURCE = _source(r"[^:#\n]{1,300}")
"""How one is written in an edit."""

NUMBER = r"[+-]?(?:[0-9]{1,18}\.?[0-9]{0,18}|\.[0-9]{1,18})(?:e[+-]?[0-9]{1,3})?"

AMOUNT = rf"(?::(?P<strength>{NUMBER})(?P<unit>sd)?|(?<=:remove))"
"""How far, perhaps in standard deviations; only a removal may leave it out."""

TEXT = re.compile(
    f"(?P<where>{WHERE}):(?P<what>{APPEARANCE}|{WRITTEN_SOURCE}){AMOUNT}"
    r"(?:@(?P<layer>[\w.@*-]{1,100}))?"
)
"""How an edit is written. See `panda.editing.edits.Edit.parse`."""

OF_FACTORS = re.compile(f"({WHERE}):({APPEARANCE}){AMOUNT}")
"""How one is written that needs nothing but factors, the only kind that names have."""

NAMED = re.compile(rf"(?P<name>[^:]+|.+\.json:[^:]+?)(?<!\.json)(?::(?P<strength>{NUMBER}))?")
"""The name of an edit, or that of one in a file, and how many times its own strength."""

STRENGTH = 1.0
"""The usual strength of a removal: all of it."""

_ARRAY = re.compile(r"(mask|direction)\[[0-9 x]*\]")


def match_edit(text: str) -> re.Match[str]:
    """Return the match of `TEXT`.

    Raises:
        PandaError: Where the text is no edit.
    """
    match = TEXT.fullmatch(text.strip())
    if match is None:
        refuse_arrays(text)
        raise PandaError(
            f"{text!r:.60} is no edit; expected PARTS:APPEARANCE:STRENGTH, such as 3:12:30,"
            " 3+5:0:-40, 3:p0:2.5sd (a part's own first appearance, in standard deviations) or"
            " mouth:smile.npy:2"
        )
    return match


def refuse_arrays(text: str) -> None:
    """Raise `PandaError` for the text of an edit that has an array in place of a name."""
    if match := _ARRAY.search(text):
        way = "a PNG" if match[1] == "mask" else "numpy.save"
        raise PandaError(
            f"{text!r:.60} has a {match[1]} as an array, which no text can hold; write it to a file"
            f" ({way}) and give its name"
        )
