"""HTTP servers that lie, hang, drip or never end: each kind is a function of one request."""

from __future__ import annotations

import gzip
import re
import socketserver
import struct
import threading
import time
from contextlib import contextmanager, suppress
from email.utils import formatdate
from socket import SO_LINGER, SOL_SOCKET

LOGIN = b"<!DOCTYPE html><html><body>Please log in.</body></html>"
HANG = 60.0
"""Seconds that a server waits for the end of the test."""

DRIP = 0.1
ZEROS = bytes(1 << 16)


class Request:
    """A request, and the ways to answer it."""

    def __init__(self, server, connection, head, random):
        self.server, self.connection, self.random = server, connection, random
        self.number = server.number()
        self.content = server.content
        self.method, self.path = head.split()[:2]
        found = re.search(r"(?im)^range: bytes=(\d+)-(\d+)", head)
        self.range = None if found is None else (int(found[1]), int(found[2]) + 1)

    def send(self, data):
        self.connection.sendall(data)
        self.server.sent += len(data)

    def head(self, status, **cards):
        lines = [
            f"HTTP/1.1 {status} Odd",
            *(f"{k.replace('_', '-')}: {v}" for k, v in cards.items()),
        ]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def answer(self, status, body=b"", **cards):
        self.head(status, **{"Content_Length": len(body), **cards})
        self.send(body)

    def hang(self):
        self.server.ended.wait(HANG)

    def drip(self, data):
        for at in range(len(data)):
            if self.server.ended.wait(DRIP):
                return
            self.send(data[at : at + 1])

    def honest(self, content=None, **cards):
        """Answer truly."""
        content = self.content if content is None else content
        if self.range is None:
            self.answer(200, content, **cards)
            return
        start, end = self.range[0], min(self.range[1], len(content))
        place = f"bytes {start}-{end - 1}/{len(content)}"
        self.answer(206, content[start:end], **{"Content_Range": place, **cards})

    def part(self, place=None, body=None, **cards):
        """Answer a range with another one; the whole file truly."""
        if self.range is None:
            self.honest()
            return
        start, end = self.range
        usual = f"bytes {start}-{end - 1}/{len(self.content)}"
        shown = {} if place == "" else {"Content_Range": place or usual}
        self.answer(206, self.content[start:end] if body is None else body, **{**shown, **cards})

    def endless(self, first=b"", chunked=False, **cards):
        self.head(cards.pop("status", 200), **cards)
        self.send(first)
        while not self.server.ended.is_set():
            self.send(b"%x\r\n%s\r\n" % (len(ZEROS), ZEROS) if chunked else ZEROS)

    @property
    def place(self):
        start, end = self.range or (0, len(self.content))
        return f"bytes {start}-{end - 1}/{len(self.content)}"

    @property
    def cut(self):
        """A place in the body of the answer."""
        start, end = self.range or (0, len(self.content))
        return start + self.random.randrange(1, min(end, len(self.content)) - start)


def _reset(request):
    request.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))


def _cut_short(request, then=lambda _: None):
    start, end = request.range or (0, len(request.content))
    status = 206 if request.range else 200
    request.head(status, Content_Length=end - start, Content_Range=request.place)
    request.send(request.content[start : request.cut])
    then(request)


def _dripping_body(request):
    start, end = request.range or (0, len(request.content))
    status = 206 if request.range else 200
    request.head(status, Content_Length=end - start, Content_Range=request.place)
    if request.method == "GET":
        request.drip(request.content[start:end])


def _endless_range(request):
    if request.range is None:
        request.honest()
    else:
        start, end = request.range
        body = request.content[start:end]
        first = b"%x\r\n%s\r\n" % (len(body), body)
        request.endless(
            first,
            chunked=True,
            status=206,
            Content_Range=request.place,
            Transfer_Encoding="chunked",
        )


def _replaced(request, **cards):
    """Answer from another file of equal size after the first request."""
    other = request.content if request.number == 0 else request.content[::-1]
    facts = {name: value[min(request.number, 1)] for name, value in cards.items()}
    content = request.server.other if request.number else other
    request.honest(content, **facts)


def _informational(request):
    while not request.server.ended.is_set():
        request.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def _endless_headers(request):
    request.send(b"HTTP/1.1 200 OK\r\n")
    while not request.server.ended.is_set():
        request.send(b"X-More: and more\r\n" * 1000)


def _bomb(request):
    body = gzip.compress(bytes(1 << 26))
    status = 206 if request.range else 200
    request.answer(status, body, Content_Encoding="gzip", Content_Range=request.place)


def _to_login(request):
    if request.path == "/login":
        request.answer(200, LOGIN, Content_Type="text/html")
    else:
        request.answer(302, Location="/login")


def _multipart(request):
    body = b"--x\r\nContent-Range: bytes 0-4/9\r\n\r\nSIMPL\r\n--x--\r\n"
    request.answer(206, body, Content_Type="multipart/byteranges; boundary=x")


OLD, NEW = formatdate(1e9), formatdate(1.1e9)

HONEST = {
    "honest": lambda r: r.honest(),
    "ignores ranges": lambda r: r.answer(200, r.content),
    "does not tell the size": lambda r: r.part(
        r.range and f"bytes {r.range[0]}-{r.range[1] - 1}/*"
    ),
    "fails once": lambda r: r.honest() if r.number else r.answer(503),
    "cuts the first answer": lambda r: r.honest() if r.number else _cut_short(r),
    "hangs once": lambda r: r.honest() if r.number else r.hang(),
    "weak tags": lambda r: r.honest(ETag='W/"1"'),
    "a range is odd": lambda r: r.part("bytes of all kinds"),
    "a range without its place": lambda r: r.part(""),
    "a range that begins elsewhere": lambda r: r.part(
        r.range and f"bytes {r.range[0] + 1}-{r.range[1]}/{len(r.content)}"
    ),
    "a range that ends elsewhere": lambda r: r.part(
        r.range and f"bytes {r.range[0]}-{r.range[1]}/{len(r.content)}"
    ),
    "a range in several parts": lambda r: _multipart(r) if r.range else r.honest(),
    "a page in place of ranges": lambda r: r.answer(200, LOGIN) if r.range else r.honest(),
    "an endless range": _endless_range,
}
"""Servers from which an exposure can be had, at worst as a whole."""

LYING = {
    "a login page": lambda r: r.answer(200, LOGIN, Content_Type="text/html"),
    "a login page as a range": lambda r: r.answer(206, LOGIN, Content_Range=r.place),
    "a redirect to a login page": _to_login,
    "a redirect to a file": lambda r: r.answer(302, Location="file:///etc/passwd"),
    "a redirect without end": lambda r: r.answer(302, Location=r.path),
    "a redirect to nowhere": lambda r: r.answer(302),
    "nothing": lambda r: r.answer(204),
    "not modified": lambda r: r.answer(304),
    "an empty file": lambda r: r.answer(200),
    "forbidden": lambda r: r.answer(403),
    "absent": lambda r: r.answer(404),
    "too many requests": lambda r: r.answer(429, Retry_After="9999"),
    "an error": lambda r: r.answer(500),
    "busy": lambda r: r.answer(503, Retry_After="9999"),
    "closes": lambda _: None,
    "resets": _reset,
    "resets within the body": lambda r: _cut_short(r, _reset),
    "closes within the body": _cut_short,
    "speaks another language": lambda r: r.send(b"\x16\x03\x01\x02\x00" * 99),
    "hangs": lambda r: r.hang(),
    "hangs within the head": lambda r: (r.send(b"HTTP/1.1 200 OK\r\nA: b"), r.hang()),
    "hangs after the head": lambda r: (r.head(200, Content_Length=10**6), r.hang()),
    "hangs within the body": lambda r: _cut_short(r, Request.hang),
    "drips the head": lambda r: r.drip(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 999),
    "drips the body": _dripping_body,
    "endless headers": _endless_headers,
    "endless interim answers": _informational,
    "an endless page": lambda r: r.endless(LOGIN),
    "an endless exposure": lambda r: r.endless(r.content),
    "an endless exposure in chunks": lambda r: r.endless(chunked=True, Transfer_Encoding="chunked"),
    "an absurd length": lambda r: r.endless(r.content, Content_Length=10**15),
    "a negative length": lambda r: r.endless(r.content, Content_Length=-5),
    "damaged chunks": lambda r: (r.head(200, Transfer_Encoding="chunked"), r.send(b"zz\r\nzz")),
    "a bomb": _bomb,
    "noise": lambda r: r.honest(r.random.randbytes(len(r.content))),
    "half of the file": lambda r: r.honest(r.content[: len(r.content) // 2]),
}
"""Servers from which no exposure can be had."""

CHANGING = {
    "another tag": lambda r: _replaced(r, ETag=('"1"', '"2"')),
    "another time": lambda r: _replaced(r, Last_Modified=(OLD, NEW)),
    "another weak tag": lambda r: _replaced(r, ETag=('W/"1"', 'W/"2"')),
    "another size": lambda r: r.honest(r.content + bytes(2880 * bool(r.number))),
}
"""Servers of a file that is replaced after the first request; part of it is not all of it."""


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, kind, content, other, random):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kind, self.content, self.other, self.random = kind, content, other, random
        self.ended = threading.Event()
        self.sent = self.requests = 0
        self._lock = threading.Lock()

    def number(self):
        with self._lock:
            self.requests += 1
            return self.requests - 1

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_):
        """Say nothing: the client closes connections."""


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.request.recv(1 << 16)
            if not piece:
                return
            head += piece
        with suppress(OSError):
            self.server.kind(
                Request(self.server, self.request, head.decode("latin-1"), self.server.random)
            )


@contextmanager
def lying(kind, content, random, other=None):
    """Serve one file in one way; yield the server."""
    server = _Server(kind, content, other or content, random)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def wait_until(condition, most=20.0):
    """Wait for a condition."""
    end = time.monotonic() + most
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()
