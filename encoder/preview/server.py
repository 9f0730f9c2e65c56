"""An HTTP server on the loopback interface, for one package and the page that shows it.

Nobody else's page may read what it serves: the ``Host`` header must name this machine (or names
that others point at it could be used, DNS rebinding), and nothing is allowed to other origins.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from encoder.errors import EncoderError, MachineError
from encoder.media.protection import ContentKey
from encoder.preview.data import Shown
from encoder.preview.files import asked_range, find_file

_LOG = logging.getLogger(__name__)
_STATIC = Path(__file__).parent / "static"
LOOPBACK = "127.0.0.1"
_CHUNK = 1 << 18
_LARGEST_REQUEST = 1 << 16
# Players make blobs of media, and nothing comes from anywhere else.
_POLICY = (
    "default-src 'self'; media-src 'self' blob:; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True)
class Site:
    """What is served: the package, and how to get a frame of its master as a JPEG.

    ``licence`` are the keys of an encrypted package as ClearKey's message, for whoever knows the
    ``token``; both are empty without.
    """

    shown: Shown
    frame: Callable[[int], bytes]
    licence: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)


def licensed(shown: Shown, frame: Callable[[int], bytes], keys: Sequence[ContentKey]) -> Site:
    """A site that hands out keys, to the page that was opened with its address alone."""
    return Site(shown, frame, licence(keys), secrets.token_urlsafe(16))


def licence(keys: Sequence[ContentKey]) -> bytes:
    """Keys as ClearKey's message (W3C Encrypted Media Extensions 9.1.4)."""

    def plain(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")

    listed = [{"kty": "oct", "kid": plain(one.kid), "k": plain(one.key)} for one in keys]
    return json.dumps({"keys": listed, "type": "temporary"}).encode("ascii")


class PreviewServer(ThreadingHTTPServer):
    """Serves until :meth:`shutdown`; ``server_port`` is the port that it has."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, site: Site, port: int = 0) -> None:
        """Args:
            site: what to serve.
            port: the port; 0 for any that is free.

        Raises:
            MachineError: when the port cannot be had.
        """
        self._site = site
        try:
            super().__init__((LOOPBACK, port), partial(_Handler, site))
        except (OSError, OverflowError) as error:
            raise MachineError(
                "The port cannot be opened",
                where=f"{LOOPBACK}:{port}",
                why=getattr(error, "strerror", None) or str(error),
                hint="Choose another with --port, or leave it out for one that is free",
            ) from error

    @property
    def url(self) -> str:
        """Where the page is; what is behind # stays in the browser, and gives it the keys."""
        token = f"#{self._site.token}" if self._site.token else ""
        return f"http://{LOOPBACK}:{self.server_port}/{token}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "encoder"
    sys_version = ""
    # A connection that says nothing is not kept for ever.
    timeout = 60

    def __init__(self, site: Site, *arguments: object) -> None:
        self._site = site
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_POST(self) -> None:
        """The licence alone: to this server's own page, with the token of its address."""
        self.close_connection = True
        try:
            # What is left unread would have the answer thrown away.
            length = self.headers.get("Content-Length") or "0"
            if re.fullmatch(r"\d{1,18}", length, re.ASCII):
                self.rfile.read(min(_LARGEST_REQUEST, int(length)))
            if self._for_us():
                self._licence()
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass

    def _licence(self) -> None:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._path() != "/licence" or not self._site.licence:
            self._missing(True)
        elif not secrets.compare_digest(given.encode("latin-1"), self._site.token.encode()):
            self._say(HTTPStatus.FORBIDDEN, "the keys are for the page alone", True)
        else:
            self._bytes(self._site.licence, "application/json", True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        _LOG.info(format, *args)

    def _answer(self, *, body: bool) -> None:
        try:
            self._route(body)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True  # a player that seeks hangs up

    def _route(self, body: bool) -> None:
        if not self._for_us():
            return None
        path = self._path()
        if path in ("", "/"):
            return self._file(_STATIC, "index.html", body)
        area, _, rest = path[1:].partition("/")
        if area == "static":
            return self._file(_STATIC, rest, body)
        if area == "package":
            return self._file(self._site.shown.folder, rest, body)
        if path == "/data.json":
            data = json.dumps(self._site.shown.document, ensure_ascii=True, allow_nan=False)
            return self._bytes(data.encode(), "application/json", body)
        frame = re.fullmatch(r"frame/(\d{1,9})\.jpg", path[1:])
        if frame is not None and int(frame[1]) < self._site.shown.frames:
            return self._frame(int(frame[1]), body)
        return self._missing(body)

    def _path(self) -> str:
        """The path of what is asked for; one that nothing has where it is no address at all."""
        try:
            return urlsplit(self.path).path
        except ValueError:
            return "/?"

    def _for_us(self) -> bool:
        """Whether a request names this machine; one that does not is answered."""
        port = cast(PreviewServer, self.server).server_port
        if self.headers.get("Host", "") in (f"{LOOPBACK}:{port}", f"localhost:{port}"):
            return True
        body = self.command != "HEAD"
        self._say(HTTPStatus.FORBIDDEN, "this server is for this machine alone", body)
        return False

    def _frame(self, number: int, body: bool) -> None:
        try:
            data = self._site.frame(number)
        except EncoderError as error:
            return self._say(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), body)
        return self._bytes(data, "image/jpeg", body)

    def _file(self, root: Path, name: str, body: bool) -> None:
        found = find_file(root, name)
        if found is None:
            return self._missing(body)
        path, kind = found
        try:
            with path.open("rb") as file:
                size = path.stat().st_size
                self._part(file, size, kind, body)
        except OSError as error:
            if isinstance(error, (BrokenPipeError, ConnectionResetError, TimeoutError)):
                raise
            return self._missing(body)
        return None

    def _part(self, file: BinaryIO, size: int, kind: str, body: bool) -> None:
        try:
            # Nothing here has a validator, so that what If-Range names is another version.
            asked = None if "If-Range" in self.headers else self.headers.get("Range")
            part = asked_range(asked, size)
        except ValueError:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self._finish("text/plain; charset=utf-8", 0)
            return
        if part is None:
            self.send_response(HTTPStatus.OK)
            length = size
        else:
            self.send_response(HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Content-Range", f"bytes {part.first}-{part.last}/{size}")
            length = len(part)
            file.seek(part.first)
        self.send_header("Accept-Ranges", "bytes")
        self._finish(kind, length)
        while body and length:
            data = file.read(min(_CHUNK, length))
            if not data:
                self.close_connection = True  # it became shorter under way
                return
            self.wfile.write(data)
            length -= len(data)

    def _bytes(self, data: bytes, kind: str, body: bool) -> None:
        self.send_response(HTTPStatus.OK)
        self._finish(kind, len(data))
        if body:
            self.wfile.write(data)

    def _missing(self, body: bool) -> None:
        self._say(HTTPStatus.NOT_FOUND, "there is no such file in the package", body)

    def _say(self, status: HTTPStatus, text: str, body: bool) -> None:
        data = f"{text}\n".encode("utf-8", "backslashreplace")
        self.send_response(status)
        self._finish("text/plain; charset=utf-8", len(data))
        if body:
            self.wfile.write(data)

    def _finish(self, kind: str, length: int) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Content-Security-Policy", _POLICY)
        self.end_headers()
