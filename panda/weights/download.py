"""Resumable download of a file from a web server, which may be slow, unreliable or wrong.

A partial download stays in the cache with notes: the size, and the validator (ETag or date) by
which the server decides whether the file is still the same. Ranges follow RFC 9110, section 14.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from panda.errors import PandaError
from panda.files.in_place import open_in_place
from panda.files.writing import staging
from panda.progress import bar

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as broken."""

TRIES = 4
"""Tries in a row without a new byte after which a download is given up."""

PAUSE = 1.0
"""Seconds between such tries."""

BUSY = (429, 502, 503, 504)
"""Status codes that may be gone at the next try."""

LARGEST = 1 << 35
"""Bytes of a file, at most; published generators have under 1 GB."""

CHUNK = 1 << 20
REDIRECTS = 5
BY_HAND = "get it with a browser, then run 'panda fetch NAME --file COPY'"


class _BrokenError(Exception):
    """The connection broke or was never made; another try may succeed."""


@dataclass(frozen=True)
class Download:
    """The download of a file.

    Attributes:
        address: URL of the file.
        path: Where its bytes are collected; the notes are beside it.
    """

    address: str
    path: Path

    @property
    def notes_path(self) -> Path:
        """Path of the notes."""
        return self.path.with_name(f"{self.path.name}.json")

    def notes(self) -> dict[str, str]:
        """Return the notes (address, validator, size, sha256), empty where they are damaged."""
        try:
            content = json.loads(self.notes_path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        notes = content if isinstance(content, dict) else {}
        texts = {name: str(value) for name, value in notes.items()}
        return {name: text for name, text in texts.items() if re.fullmatch("[ -~]*", text)}

    def note(self, notes: Mapping[str, str]) -> None:
        """Write the notes.

        Raises:
            PandaError: They cannot be written.
        """
        with staging(self.notes_path) as work:
            work.write_text(json.dumps(dict(notes), indent=1) + "\n", encoding="utf-8")

    def run(self) -> None:
        """Download what is missing of the file.

        Raises:
            PandaError: The server refuses, has a web page or more than fits on the disk, or breaks
                off again and again. What was downloaded so far is kept.
        """
        longest, left = self._size(), TRIES
        while True:
            try:
                self._receive()
                return
            except _BrokenError as broken:
                reason = str(broken)
            except OSError as error:
                reason = f"cannot write {self.path}: {error.strerror or error}"
                break
            size = self._size()
            longest, left = max(longest, size), TRIES if size > longest else left - 1
            if left <= 0:
                break
            if left < TRIES:
                time.sleep(PAUSE)
        size = self._size()
        resume = f"{size} bytes are kept and the same command resumes there; or " if size else ""
        raise PandaError(f"{self.address} cannot be fetched: {reason}; {resume}{BY_HAND}")

    def _size(self) -> int:
        """Return how many bytes are downloaded."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def _receive(self) -> None:
        """Try once: request what is missing, and append it to the file."""
        notes, received = self.notes(), self._size()
        if received and notes.get("size") == str(received):
            return
        validator = notes.get("validator", "")
        requested = received if validator else 0
        with self._answer(requested, validator) as response:
            start, size = _span(response)
            new_validator, new_size = _validator(response.headers), str(size or "")
            same = new_validator in ("", validator) and new_size == notes.get("size")
            if start and not (same and start == requested):
                self.path.unlink(missing_ok=True)
                raise _BrokenError("the file changed on the server meanwhile")
            most = self._most(start)
            if size is not None and size > most:
                raise self._too_large(f"says that it has {size} bytes", most)
            chunks = _chunks(response, (most + 1 if size is None else size) - start)
            first = next(chunks, b"")
            if not start:
                if not first and not size:
                    raise PandaError(f"{self.address} gave nothing; {BY_HAND}")
                _refuse_page(response, first, self.address)
                self.path.unlink(missing_ok=True)  # before its notes are those of another file
                new = {"address": self.address, "validator": new_validator, "size": new_size}
                self.note(new | {k: v for k, v in notes.items() if k == "sha256"})
            with (
                open_in_place(self.path) as file,
                bar(
                    total=size,
                    initial=start,
                    unit="B",
                    unit_scale=True,
                    desc=f"fetch {self.path.name}",
                ) as progress,
            ):
                file.seek(file.truncate(start))
                file.write(first)
                progress.update(len(first))
                for chunk in chunks:
                    file.write(chunk)
                    progress.update(len(chunk))
            if size is not None and self._size() < size:
                raise _BrokenError(f"{self._size()} of {size} bytes came")
            if self._size() > most:
                self.path.unlink()
                raise self._too_large("has no end", most)

    def _most(self, received: int) -> int:
        """Return how many bytes the file may have: those that are here, and what is free."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return min(LARGEST, received + shutil.disk_usage(self.path.parent).free)

    def _too_large(self, what: str, most: int) -> PandaError:
        reason = "no generator has more"
        if most < LARGEST:
            reason = f"no more fit into {self.path.parent}"
        return PandaError(f"{self.address} {what}, expected at most {most}: {reason}; {BY_HAND}")

    def _answer(self, start: int, validator: str) -> HTTPResponse:
        """Request the file from a byte on, if the server still has that of the validator."""
        headers = {"User-Agent": "panda", "Accept-Encoding": "identity"}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": validator}
        try:
            response: HTTPResponse = build_opener(_Redirects).open(
                Request(self.address, headers=headers), timeout=TIMEOUT
            )
            return response
        except HTTPError as error:
            error.close()
            if error.code == 416 and start:
                self.path.unlink(missing_ok=True)
                raise _BrokenError("the file on the server became shorter") from error
            reason = f"{error.code} {error.reason}".splitlines()[0]
            if error.code in BUSY:
                raise _BrokenError(f"it answered {reason}") from error
            raise PandaError(f"{self.address} answered {reason}; {BY_HAND}") from error
        except (URLError, HTTPException, OSError) as error:
            raise _BrokenError(_reason(error)) from error
        except ValueError as error:  # a redirect to something that is not an address
            raise PandaError(f"{self.address} cannot be fetched: {error}; {BY_HAND}") from error


class _Redirects(HTTPRedirectHandler):
    """Follow a few redirects, to web servers only, and never from https to http."""

    max_redirections = REDIRECTS

    def redirect_request(
        self, req: Request, fp: object, code: int, msg: str, headers: object, newurl: str
    ) -> Request | None:
        """Refuse redirects that lead elsewhere."""
        before, after = (urlsplit(url).scheme for url in (req.full_url, newurl))
        if after != "https" and (before, after) != ("http", "http"):
            raise PandaError(f"{req.full_url} leads from {before} to {newurl:.200}; {BY_HAND}")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        if request is not None:
            # The next server may be reached without the proxy, whose password this is.
            request.remove_header("Proxy-authorization")
        return request


def _span(response: HTTPResponse) -> tuple[int, int | None]:
    """Return where the answer begins in the file, and the size of the whole file if known."""
    if response.status == 206:
        span = re.fullmatch(
            r"bytes (\d{1,18})-\d+/(\d{1,18})", response.headers.get("Content-Range", "")
        )
        return (int(span[1]), int(span[2])) if span else (-1, None)
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if re.fullmatch(r"\d{1,18}", length) else None


def _validator(headers: Message) -> str:
    """Return a strong ETag, else the date of the last change, else an empty text."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")


def _chunks(response: HTTPResponse, missing: int) -> Iterator[bytes]:
    """Yield the missing bytes as they arrive, and no more; a break loses none of them."""
    try:
        while chunk := response.read1(min(CHUNK, missing)):
            missing -= len(chunk)
            yield chunk
    except (HTTPException, OSError) as error:
        raise _BrokenError(_reason(error)) from error


def _refuse_page(response: HTTPResponse, first: bytes, address: str) -> None:
    """Raise `PandaError` for a web page, such as one about an exceeded quota."""
    page = re.match(rb"\s*<(!doctype|!--|html|head)", first, re.IGNORECASE)
    if page or response.headers.get_content_type() == "text/html":
        title = re.search(rb"<title>([^<]*)", first, re.IGNORECASE)
        shown = f" ({title[1].decode(errors='replace').strip()[:80]!r})" if title else ""
        raise PandaError(f"{address} gave a web page{shown} instead of the file; {BY_HAND}")


def _reason(error: Exception) -> str:
    """Return why a connection broke, in words for the user."""
    if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", 0), TimeoutError):
        return f"nothing came for {TIMEOUT:g} seconds"
    return str(getattr(error, "reason", error)) or type(error).__name__
