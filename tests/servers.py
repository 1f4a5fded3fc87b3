"""Real servers on the loopback: HTTP with and without ranges, S3, and a proxy that counts."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Handler(BaseHTTPRequestHandler):
    """Serves files, in parts if its server knows ranges."""

    protocol_version = "HTTP/1.1"

    def __init__(self, folder, facts, *args):
        self.folder, self.facts = folder, facts
        super().__init__(*args)

    def do_GET(self):
        time.sleep(self.facts.delay)
        path = self.path.partition("?")[0].lstrip("/")
        if self.facts.failures[path] > 0:
            self.facts.failures[path] -= 1
            self._answer(503, b"busy")
            return
        file = self.folder / path
        if not file.is_file():
            self._answer(404, b"absent")
            return
        content = file.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked is None or not self.facts.ranges:
            self._answer(200, content, path)
        elif int(asked[1]) >= len(content):
            self._answer(416, b"")
        else:
            start, end = int(asked[1]), min(int(asked[2]) + 1, len(content))
            told = {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"}
            self._answer(206, content[start:end], path, told)

    def do_HEAD(self):
        self.facts.heads += 1
        file = self.folder / self.path.lstrip("/")
        self.send_response(200 if file.is_file() else 404)
        self.send_header("Content-Length", str(file.stat().st_size if file.is_file() else 0))
        self.end_headers()

    def _answer(self, status, body, path="", told=()):
        self.facts.sent[path] += len(body)
        self.facts.requests[path] += 1
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in dict(told).items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Facts:
    """What a server has been asked and has sent, by path; what it is to do."""

    def __init__(self, ranges):
        self.ranges = ranges
        self.sent, self.requests, self.failures = Counter(), Counter(), Counter()
        self.heads = 0
        self.delay = 0.0
        self.url = ""


@contextmanager
def http(folder, *, ranges=True):
    """Serve a folder; gives the facts."""
    facts = Facts(ranges)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, Path(folder), facts))
    server.daemon_threads = True
    facts.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield facts
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class CountingProxy:
    """Passes connections on and counts the bytes that come back, headers of HTTP and all."""

    def __init__(self, port):
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.received = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._to)
                for pair in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source, target, counted):
        with suppress(OSError):
            while content := source.recv(1 << 16):
                if counted:
                    with self._lock:
                        self.received += len(content)
                target.sendall(content)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        if counted:
            source.close()
            target.close()
