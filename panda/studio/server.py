"""Serving the page: on this machine, offline, and nothing but the page itself."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from panda.errors import PandaError
from panda.studio.actions import Studio

UPLOAD = 20 * 2**20
"""Bytes that a file sent to the page may have."""

USERS = 100
"""Sessions that are kept; of more, those that were idle the longest go."""


@contextmanager
def served(
    studio: Studio, *, host: str = "127.0.0.1", port: int | None = None, browser: bool = False
) -> Iterator[Any]:
    """Serve the page inside the block, which gets gradio's running app.

    Without a ``port``, the first free one from 7860 on. What gradio keeps for itself lies in a
    folder of its own, gone afterwards. Raises `PandaError` where gradio is missing or there is no
    such port.
    """
    with tempfile.TemporaryDirectory(prefix="panda-studio-") as folder:
        os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": folder}
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        page = _page(studio)
        try:
            page.launch(
                server_name=host,
                server_port=port,
                inbrowser=browser,
                share=False,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                enable_monitoring=False,
                quiet=True,
                footer_links=[],
                allowed_paths=[],
                max_file_size=UPLOAD,
                state_session_capacity=USERS,
                prevent_thread_lock=True,
                **_looks(),
            )
        except OSError as error:
            raise PandaError(
                f"no page at {host}:{port or '7860 and on'}: the port is taken, or the address is"
                " not this machine's; choose another with --port or --host"
            ) from error
        try:
            yield page
        finally:
            page.close(verbose=False)


def _page(studio: Studio) -> Any:
    try:
        from panda.studio.page import build_page
    except ImportError as error:
        raise PandaError(
            f"the studio needs gradio ({error}); pip install 'panda-parts[studio]'"
        ) from error
    return build_page(studio).queue(default_concurrency_limit=8)


def _looks() -> dict[str, Any]:
    from panda.studio.page import text_of, theme

    return {"theme": theme(), "css": text_of("style.css")}
