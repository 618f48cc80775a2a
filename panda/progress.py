"""Progress bars: always on stderr, gone when done, silent where nobody watches."""

from __future__ import annotations

import os
from typing import Any

from tqdm import tqdm


def bar(iterable: Any = None, **options: Any) -> Any:
    """A tqdm bar with the project's own settings; only on a terminal, and of the first process."""
    disable = True if os.environ.get("RANK", "0") != "0" else None
    return tqdm(iterable, leave=False, disable=disable, dynamic_ncols=True, **options)
