r"""The reader of remote files: whatever it believes, the server has said.

An input holds the answers of a server, one after the other, separated by lines of "~". Its first
byte chooses what is read. In an answer, "{place}" stands for the range asked for and the size of
the file, "{body}" for its bytes, "{length}" for their number, "{all}" and "{size}" for the whole
file. "\n" stands for the end of a line of the head.
"""

from __future__ import annotations

import os
import random
import re
import socket
import threading
from typing import Any
from unittest import mock

from badpix_selfcal.errors import ExposureError
from badpix_selfcal.files import bodies, exposure, remote, requests
from badpix_selfcal.files.location import RemoteFile
from badpix_selfcal.files.remote import Downloaded, Ranges, read_text
from badpix_selfcal.files.requests import RemoteError

from . import Target
from .headers import TARGET as HEADERS
from .headers import file_of

CONTENT = file_of(HEADERS.seeds[1])
MOST = 1 << 16
LONGEST = 1 << 20

STARTS = (b"SIMPLE  =", b"\x1f\x8b")


class Server:
    """A server on the loopback that answers with given bytes, whatever is asked."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.bodies: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/a_rate.fits"
        threading.Thread(target=self._serve, daemon=True).start()

    def begin(self, answers: list[bytes]) -> None:
        self.answers, self.bodies = answers, []

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                connection.settimeout(5)
                try:
                    self._answer(connection)
                except OSError:
                    continue  # the client has closed it

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(1 << 16)
            if not piece:
                return
            head += piece
        answers = self.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        found = re.search(rb"(?im)^range: bytes=(\d+)-(\d+)", head)
        start, end = (int(found[1]), int(found[2]) + 1) if found else (0, len(CONTENT))
        body, size = CONTENT[start:end], len(CONTENT)
        for name, value in {
            b"{place}": b"bytes %d-%d/%d" % (start, min(end, size) - 1, size),
            b"{body}": body,
            b"{length}": b"%d" % len(body),
            b"{all}": CONTENT,
            b"{size}": b"%d" % size,
        }.items():
            answer = answer.replace(name, value)[:LONGEST]
        self.bodies.append(answer)
        connection.sendall(answer)


SERVER = Server()


def answers_of(data: bytes) -> list[bytes]:
    """Return the answers that an input stands for; none leads to another server."""
    found = []
    for each in data.split(b"\n~\n"):
        head, _, body = each.partition(b"\n\n")
        head = re.sub(rb"(?i)location|refresh", b"elsewhere", head.replace(b"\n", b"\r\n"))
        found.append(head + b"\r\n\r\n" + body)
    return found


def check_part(rng: random.Random) -> str:
    """Read a range."""
    start = rng.choice((0, 0, 80, len(CONTENT) - 9, len(CONTENT), 1 << 40))
    length = rng.choice((1, 80, 2880, len(CONTENT), 1 << 20))
    content = Ranges(RemoteFile(SERVER.url)).read_to(start, length)
    assert len(content) <= length
    head, _, body = SERVER.bodies[-1].partition(b"\r\n\r\n")
    if not content:
        return "nothing"
    assert re.match(rb"HTTP/\d\.\d 206\b", head), head
    places = re.findall(rb"(?im)^content-range:[ \t]*bytes (\d+)-(\d+)/(\d+|\*)[ \t]*\r?$", head)
    assert (b"%d" % start) in [place[0].lstrip(b"0") or b"0" for place in places]
    assert len(content) in [int(place[1]) + 1 - int(place[0]) for place in places] or b"*" in head
    plain = not re.search(rb"(?im)^(transfer|content)-encoding", head)
    assert not plain or body.startswith(content)
    return "a range"


def check_text() -> str:
    text = read_text(RemoteFile(SERVER.url), "latin-1")
    assert len(text) <= MOST
    return "a text"


def check_whole() -> str:
    copy = Downloaded(RemoteFile(SERVER.url))
    assert copy.stat().st_size <= MOST
    with copy.open("rb") as file:
        start = file.read(9)
    assert any(each.startswith(start) or start.startswith(each) for each in STARTS)
    return "a file"


def check_exposure() -> str:
    found = exposure.read(SERVER.url, whole=False)
    image = found.science_image()
    assert image.shape == found.shape
    return "an exposure"


def attempt(data: bytes) -> str:
    with (
        mock.patch.dict(os.environ, {requests.VARIABLE: "2"}),
        mock.patch.object(requests, "PAUSES", (0.0,)),
        mock.patch.multiple(remote, MOST_TEXT=MOST, MOST=MOST),
    ):
        return _attempt(data)


def _attempt(data: bytes) -> str:
    kind = data[:1]
    SERVER.begin(answers_of(data[1:]))
    checks: dict[bytes, Any] = {b"T": check_text, b"W": check_whole, b"E": check_exposure}
    try:
        return checks[kind]() if kind in checks else check_part(random.Random(data))
    except RemoteError as error:
        assert str(error)  # noqa: PT017 - or it is read
        return "an error"
    except ExposureError as error:
        assert kind == b"E"
        assert str(error).startswith(SERVER.url)  # noqa: PT017
        return "an error with the URL"


_PART = b"HTTP/1.1 206 Odd\nContent-Range: {place}\nContent-Length: {length}\n\n{body}"
_WHOLE = b"HTTP/1.1 200 Odd\nContent-Length: {size}\n\n{all}"

SEEDS = [
    b"P" + _PART,
    b"E" + _PART,
    b"E" + _PART.replace(b"\n\n", b'\nETag: "1"\nLast-Modified: x\n\n') + b"\n~\n" + _PART,
    b"E" + _WHOLE,
    b"W" + _WHOLE,
    b"W" + b"HTTP/1.1 200 Odd\nConnection: close\n\n{all}",
    b"T" + b"HTTP/1.1 200 Odd\nTransfer-Encoding: chunked\n\n5\r\nhello\r\n0\r\n\r\n",
    b"T" + b"HTTP/1.0 503 Odd\n\n\n~\nHTTP/1.1 200 Odd\nContent-Encoding: gzip\n\nabc",
    b"P" + b"HTTP/1.1 416 Odd\nContent-Range: bytes */{size}\nContent-Length: 0\n\n",
]

WORDS = [
    b"{place}", b"{body}", b"{all}", b"{length}", b"{size}", b"\n~\n", b"\n\n", b"bytes 0-1/2",
    b"HTTP/1.1 206 X\n", b"HTTP/1.1 200 X\n", b"HTTP/1.1 404 X\n", b"HTTP/1.1 100 X\n\n",
    b"Content-Length: 5\n", b"Content-Length: -1\n", b"Content-Length: 99999999999999999999\n",
    b"Content-Range: bytes 0-4/5\n", b"Content-Range: bytes 0-4/*\n", b"Content-Encoding: gzip\n",
    b"Transfer-Encoding: chunked\n", b"ETag: W/\"1\"\n", b"\xff", b"\0", b"\r", b"5\r\nhello\r\n",
    b"Content-Encoding: deflate\n", b"Set-Cookie: a=b\n", b"Content-Type: text/html\n",
]  # fmt: skip

TARGET = Target(SEEDS, WORDS, attempt)
_ = bodies  # imported with the other modules, so that its branches are seen
