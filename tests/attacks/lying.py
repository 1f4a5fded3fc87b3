"""HTTP servers that lie, hang or break off: each kind is a function of one request."""

from __future__ import annotations

import re
import socketserver
import struct
import threading
from contextlib import contextmanager, suppress
from email.utils import formatdate
from socket import SO_LINGER, SOL_SOCKET

LOGIN = b"<!DOCTYPE html><html><body>Please log in.</body></html>"
HANG = 60.0
"""Seconds that a server waits for the end of the test."""


class Request:
    """A request, and the ways to answer it."""

    def __init__(self, server, connection, head):
        self.server, self.connection = server, connection
        self.number = server.number()
        self.content = server.content
        self.method, self.path = head.split()[:2]
        found = re.search(r"(?im)^range: bytes=(\d+)-(\d+)", head)
        self.is_conditional = bool(re.search(r"(?im)^if-(match|unmodified-since):", head))
        whole = (0, len(self.content))
        self.range = found and (int(found[1]), min(int(found[2]) + 1, whole[1]))
        self.start, self.end = self.range or whole
        self.place = f"bytes {self.start}-{self.end - 1}/{whole[1]}"

    def send(self, data):
        if self.method != "HEAD":
            self.connection.sendall(data)

    def head(self, status, **cards):
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in cards.items()]
        text = "\r\n".join([f"HTTP/1.1 {status} Odd", *lines, "", ""])
        self.connection.sendall(text.encode())

    def answer(self, status, body=b"", **cards):
        self.head(status, **{"Content_Length": len(body), **cards})
        self.send(body)

    def hang(self):
        self.server.ended.wait(HANG)

    def honest(self, content=None, **cards):
        """Answer truly."""
        content = self.content if content is None else content
        if self.range:
            cards["Content_Range"] = f"bytes {self.start}-{self.end - 1}/{len(content)}"
        self.answer(206 if self.range else 200, content[self.start : self.end], **cards)

    def cut_short(self, then=lambda _: None):
        """Send half of what is asked for."""
        cards = {"Content_Range": self.place} if self.range else {}
        self.head(206 if self.range else 200, Content_Length=self.end - self.start, **cards)
        self.send(self.content[self.start : (self.start + self.end) // 2])
        then(self)

    def reset(self):
        self.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))


def _babble(request):
    request.connection.sendall(b"\x16\x03\x01\x02\x00" * 99)


def _replaced(request, how):
    """Answer from another file of equal size after the headers, or refuse to, if asked for one."""
    later = request.number > 1
    if later and request.is_conditional:
        request.answer(412)
        return
    request.honest(request.server.other if later else None, **how[later])


OLD, NEW = formatdate(1e9, usegmt=True), formatdate(1.1e9, usegmt=True)

HONEST = {
    "honest": Request.honest,
    "ignores ranges": lambda r: r.answer(200, r.content),
    "has no ranges": lambda r: r.answer(200, r.content, Accept_Ranges="none"),
    "does not tell the size": lambda r: r.head(200) if r.method == "HEAD" else r.honest(),
    "knows no HEAD": lambda r: r.answer(405) if r.method == "HEAD" else r.honest(),
    "fails once": lambda r: r.honest() if r.number else r.answer(503),
    "resets the first": lambda r: r.honest() if r.number else r.reset(),
    "speaks another language at first": lambda r: r.honest() if r.number > 1 else _babble(r),
    "weak tags": lambda r: r.honest(ETag='W/"1"'),
}
"""Servers from which an exposure can be had."""

LYING = {
    "a login page": lambda r: r.answer(200, LOGIN, Content_Type="text/html"),
    "a login page as a range": lambda r: r.answer(206, LOGIN, Content_Range=r.place),
    "a redirect to a file": lambda r: r.answer(302, Location="file:///etc/passwd"),
    "a redirect without end": lambda r: r.answer(302, Location=r.path),
    "an empty file": lambda r: r.answer(200),
    "absent": lambda r: r.answer(404),
    "too many requests": lambda r: r.answer(429, Retry_After="9999"),
    "an error": lambda r: r.answer(500),
    "closes": lambda _: None,
    "resets within the body": lambda r: r.cut_short(Request.reset),
    "closes within the body": Request.cut_short,
    "speaks another language": _babble,
    "hangs": Request.hang,
    "hangs within the head": lambda r: (r.connection.sendall(b"HTTP/1.1 200 OK\r\nA: b"), r.hang()),
    "hangs after the head": lambda r: (r.head(200, Content_Length=10**6), r.hang()),
    "hangs within the body": lambda r: r.cut_short(Request.hang),
    "an absurd length": lambda r: r.answer(200, r.content, Content_Length=10**15),
    "damaged chunks": lambda r: (r.head(200, Transfer_Encoding="chunked"), r.send(b"zz\r\nzz")),
    "half of the file": lambda r: r.honest(r.content[: len(r.content) // 2]),
}
"""Servers from which no exposure can be had."""

CHANGING = {
    "another tag": lambda r: _replaced(r, ({"ETag": '"1"'}, {"ETag": '"2"'})),
    "another time": lambda r: _replaced(r, ({"Last_Modified": OLD}, {"Last_Modified": NEW})),
}
"""Servers of a file that is replaced after its headers were read."""


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, kind, content, other):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kind, self.content, self.other = kind, content, other
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.ended, self.lock, self.requests = threading.Event(), threading.Lock(), 0

    def number(self):
        with self.lock:
            self.requests += 1
            return self.requests - 1

    def handle_error(self, *_):
        """Say nothing: the client closes connections."""


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        head = ""
        while not head.endswith("\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line.decode("latin-1")
        with suppress(OSError):
            self.server.kind(Request(self.server, self.request, head))


@contextmanager
def lying(kind, content, other=None):
    """Serve one file in one way; yield the server."""
    with _Server(kind, content, other or content) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
