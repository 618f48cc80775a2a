"""Serve the page: on this machine, offline, and nothing but the page."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from panda.errors import PandaError
from panda.studio.app import Studio

MAX_UPLOAD = 20 * 2**20
"""Largest size of an uploaded file, in bytes."""

MAX_SESSIONS = 100
"""Sessions in memory; beyond this, the one that was idle the longest is dropped."""


@contextmanager
def served(
    studio: Studio, *, host: str = "127.0.0.1", port: int | None = None, browser: bool = False
) -> Iterator[Any]:
    """Serve the page while the block runs. Gradio's files lie in a temporary folder.

    Args:
        studio: The studio.
        host: The address to listen on.
        port: The port, by default the first free one from 7860.
        browser: Whether to open the page in the browser.

    Yields:
        Gradio's running app.

    Raises:
        PandaError: If gradio is missing, or the address or the port is not available.
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
                max_file_size=MAX_UPLOAD,
                state_session_capacity=MAX_SESSIONS,
                prevent_thread_lock=True,
                **_looks(),
            )
        except OSError as error:
            raise PandaError(
                f"cannot serve at {host}:{port or '7860 and above'}: the port is taken, or the"
                " address is not this machine's; choose another with --port or --host"
            ) from error
        try:
            yield page
        finally:
            page.close(verbose=False)


def _page(studio: Studio) -> Any:
    """Build the page; gradio is an optional dependency."""
    try:
        from panda.studio.page import build_page
    except ImportError as error:
        raise PandaError(
            f"the studio needs gradio ({error}); pip install 'panda-parts[studio]'"
        ) from error
    return build_page(studio).queue(default_concurrency_limit=8)


def _looks() -> dict[str, Any]:
    """Return the theme and the style sheet."""
    from panda.studio.page import text_of, theme

    return {"theme": theme(), "css": text_of("style.css")}
