"""A real web server on this machine that serves one file, well or badly."""

from __future__ import annotations

import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


class WebServer:
    """Serves ``files`` by path; the other attributes say what it does wrong."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.validators = {"ETag": '"one"'}
        self.ranges = True
        self.cuts: list[int] = []
        """After how many bytes the next answers break off."""
        self.claims: int | str | None = None
        """A Content-Length that is not true."""
        self.total = ""
        """A size in Content-Range that is not true."""
        self.junk = b""
        """What follows the end of the file in answers that tell no Content-Length."""
        self.stall = 0.0
        """Seconds that it waits where it would break off."""
        self.status = 200
        self.busy: list[int] = []
        """The status of the next answers, which have no file."""
        self.kind = "application/octet-stream"
        self.redirects: dict[str, str] = {}
        self.asked: list[str | None] = []
        """The Range of every request for a file."""
        self.headers: list[dict[str, str]] = []
        """Those of every request."""
        self.sent = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                web.headers.append(dict(self.headers))
                if self.path in web.redirects:
                    return self.begin(302, {"Location": web.redirects[self.path]}, 0)
                web.asked.append(self.headers.get("Range"))
                if web.busy:
                    return self.begin(web.busy.pop(0), {}, 0)
                if self.path not in web.files or web.status >= 400:
                    return self.begin(web.status if web.status >= 400 else 404, {}, 0)
                data, start = web.files[self.path], self.start()
                if start >= len(data) > 0:
                    return self.begin(416, {"Content-Range": f"bytes */{len(data)}"}, 0)
                facts = {"Content-Type": web.kind, **web.validators}
                if start:
                    facts["Content-Range"] = (
                        f"bytes {start}-{len(data) - 1}/{web.total or len(data)}"
                    )
                body = data[start:]
                length = None if web.junk else web.claims or len(body)
                self.begin(206 if start else 200, facts, length)
                if web.cuts:
                    body = body[: web.cuts.pop(0)]
                    self.close_connection = True
                else:
                    body += web.junk
                self.wfile.write(body)
                self.wfile.flush()
                web.sent += len(body)
                if self.close_connection:
                    time.sleep(web.stall)
                return None

            def start(self) -> int:
                found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                same = self.headers.get("If-Range") in (None, *web.validators.values())
                return int(found[1]) if found and same and web.ranges else 0

            def begin(self, status, headers, length):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                self.close_connection = True
                self.send_header("Connection", "close")
                self.end_headers()

        return Handler
