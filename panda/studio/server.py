"""Serve the page: on this machine, offline, and nothing but the page."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from panda.errors import PandaError
from panda.studio.app import Studio
from panda.studio.guard import Guard

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
        port: The port, from 1 to 65535; by default the first free one from 7860.
        browser: Whether to open the page in the browser.

    Yields:
        Gradio's running app.

    Raises:
        PandaError: If gradio is missing, or the address or the port is not available.
    """
    server_name = _checked(host, port)
    with tempfile.TemporaryDirectory(prefix="panda-studio-") as folder:
        os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": folder}
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        page = _page(studio)
        try:
            page.launch(
                server_name=server_name,
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
                app_kwargs={"middleware": [_guard(host)]},
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


def _checked(host: str, port: int | None) -> str:
    """Return the address as gradio takes it.

    Raises:
        PandaError: If there is no such port, or this machine has no such address. Gradio would try
            a hundred ports before it said so.
    """
    if port is not None and not 1 <= port <= 65535:
        raise PandaError(f"there is no port {port}; choose one from 1 to 65535 with --port")
    name = host.strip("[]")
    try:
        family, kind, _, _, address = socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PandaError(
            f"this machine cannot serve at {host!r:.80} ({reason}); leave --host out for this"
            " machine alone, or give it 0.0.0.0 or an address of this machine"
        ) from error
    return f"[{name}]" if ":" in name else name


def _page(studio: Studio) -> Any:
    """Build the page; gradio is an optional dependency."""
    try:
        from panda.studio.page import build_page
    except ImportError as error:
        raise PandaError(
            f"the studio needs gradio ({error}); pip install 'panda-parts[studio]'"
        ) from error
    return build_page(studio).queue(default_concurrency_limit=8)


def _guard(host: str) -> Any:
    """Return the guard as a middleware, which starlette, part of gradio, puts before the page."""
    from starlette.middleware import Middleware

    return Middleware(Guard, host=host)


def _looks() -> dict[str, Any]:
    """Return the theme and the style sheet."""
    from panda.studio.page import text_of, theme

    return {"theme": theme(), "css": text_of("style.css")}
