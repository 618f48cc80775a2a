"""Progress bars: always on stderr, gone when done, silent where nobody watches."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm


def bar(iterable: Any = None, **options: Any) -> Any:
    """A tqdm bar with the project's own settings; shown only where stderr is a terminal."""
    return tqdm(iterable, leave=False, disable=None, dynamic_ncols=True, **options)
