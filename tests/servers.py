"""Real servers on the loopback: HTTP with and without ranges, and S3 behind a proxy."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections import Counter
from contextlib import contextmanager, suppress
from email.utils import formatdate
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


def _send(handler, status, headers, body=b""):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, str(value))
    handler.end_headers()
    if handler.command == "HEAD":  # a body would be taken for the next answer
        return
    with suppress(ConnectionError):
        handler.wfile.write(body)


class _Handler(BaseHTTPRequestHandler):
    """Serves files; serves ranges of them if the server supports ranges."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, folder, facts, *args):
        self.folder, self.facts = folder, facts
        super().__init__(*args)

    def do_GET(self):
        time.sleep(self.facts.delay)
        path, file = self._file()
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if self.facts.failures[path] > 0:
            self.facts.failures[path] -= 1
            self._answer(503, b"busy", path)
        elif not file.is_file():
            self._answer(404, b"absent")
        elif self._is_refused(file):
            self._answer(412, b"changed", path)
        elif wanted is None or not self.facts.ranges:
            self._answer(200, file.read_bytes(), path)
        else:
            content, start = file.read_bytes(), int(wanted[1])
            piece = content[start : int(wanted[2]) + 1]
            place = f"bytes {start}-{start + len(piece) - 1}/{len(content)}"
            self._answer(206 if piece else 416, piece, path, {"Content-Range": place})

    def _file(self):
        path = self.path.partition("?")[0].lstrip("/")
        return path, self.folder / path

    def _is_refused(self, file):
        """Return whether a condition of the request does not hold."""
        facts = self._version(file)
        conditions = {"If-Match": "ETag", "If-Unmodified-Since": "Last-Modified"}
        asked = {facts.get(name): self.headers.get(each) for each, name in conditions.items()}
        return any(value and value != fact for fact, value in asked.items())

    def _version(self, file):
        """Return the headers that tell the version of a file."""
        time = formatdate(file.stat().st_mtime, usegmt=True)
        each = {"etag": {"ETag": f'"{time}"'}, "time": {"Last-Modified": time}}
        return each.get(self.facts.versions, {})

    def do_HEAD(self):
        time.sleep(self.facts.delay)
        self.facts.heads += 1
        file = self._file()[1]
        exists = file.is_file()
        headers = {"Content-Length": file.stat().st_size if exists else 0}
        if not self.facts.hides_ranges:
            headers["Accept-Ranges"] = "bytes" if self.facts.ranges else "none"
        _send(self, 200 if exists else 404, headers | (self._version(file) if exists else {}))

    def _answer(self, status, body, path="", headers=()):
        self.facts.sent[path] += len(body)
        self.facts.requests[path] += 1
        _send(self, status, {"Content-Length": len(body), **dict(headers)}, body)

    def log_message(self, *_):
        pass


class Facts:
    """The requests that a server received, the bytes that it sent by path, and its settings.

    `versions` is "etag" or "time": what it says about the version of a file.
    """

    def __init__(self, ranges):
        self.ranges, self.hides_ranges = ranges, False
        self.sent, self.requests, self.failures = Counter(), Counter(), Counter()
        self.heads, self.delay = 0, 0.0
        self.versions = self.url = ""


@contextmanager
def http(folder, *, ranges=True):
    """Serve a folder; yield the facts."""
    facts = Facts(ranges)
    with _serving(partial(_Handler, Path(folder), facts)) as facts.url:
        yield facts


@pytest.fixture
def web(tmp_path):
    """A server of the folder `web`."""
    (tmp_path / "web").mkdir()
    with http(tmp_path / "web") as facts:
        facts.folder = tmp_path / "web"
        yield facts


@contextmanager
def _serving(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def moto():
    """The port of an S3 server."""
    pytest.importorskip("s3fs", reason="needs the extra cloud")
    threaded = pytest.importorskip("moto.server", reason="needs moto[server]").ThreadedMotoServer
    server = threaded("127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture(scope="session")
def proxy(moto):
    """A proxy for the S3 server; one for all tests, because s3fs keeps a client for each URL."""
    made = Proxy(moto)
    with _serving(partial(_ProxyHandler, made)) as made.url:
        yield made


@pytest.fixture
def bucket(proxy, monkeypatch):
    """An empty bucket of an S3 server, reached through a proxy."""
    fsspec = pytest.importorskip("fsspec")
    options = {"endpoint_url": proxy.url, "key": "key", "secret": "secret"}
    options["config_kwargs"] = {"retries": {"max_attempts": 0}}  # tests need not wait for them
    monkeypatch.setitem(fsspec.config.conf, "s3", options)
    name = f"b{uuid.uuid4().hex}"
    fsspec.filesystem("s3").mkdir(name)
    proxy.reset()
    yield Bucket(fsspec.filesystem("s3"), proxy, name)
    proxy.reset()


class Bucket:
    """A bucket and the proxy through which it is reached."""

    def __init__(self, system, proxy, name):
        self.system, self.proxy, self.name, self.url = system, proxy, name, f"s3://{name}"

    def put(self, folder, prefix=""):
        """Upload the files of a folder."""
        for path in Path(folder).iterdir():
            key = f"{self.name}/{prefix}{path.name}"
            self.system.put_file(str(path), key, ACL="public-read")

    def write(self, **contents):
        """Write objects, given as key=text."""
        for key, text in contents.items():
            self.system.pipe_file(f"{self.name}/{key}", text.encode())

    def read(self, key):
        """Return the text of an object."""
        return self.system.cat_file(f"{self.name}/{key}").decode()

    def contents(self):
        """Return the text of every object by its key."""
        self.system.invalidate_cache()
        found = self.system.find(self.name)
        return {path.partition("/")[2]: self.system.cat_file(path).decode() for path in found}


class Proxy:
    """Forwards requests to an S3 server; may refuse them, or wait for `delay` seconds before."""

    def __init__(self, port):
        self.port, self.url = port, ""
        self.reset()

    def reset(self):
        """Forget the rules."""
        self.delay, self._refused = 0.0, []

    def refuse(self, method, pattern):
        """Answer requests whose path has this pattern with an error."""
        self._refused.append((method, pattern))

    def refuses(self, method, path):
        """Return whether a request is refused."""
        return any(each == method and re.search(found, path) for each, found in self._refused)


DENIED = b"<Error><Code>AccessDenied</Code><Message>AccessDenied</Message></Error>"


class _ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, proxy, *args):
        self.proxy = proxy
        super().__init__(*args)

    def _pass_on(self):
        time.sleep(self.proxy.delay)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.proxy.refuses(self.command, self.path):
            headers = {"Content-Type": "application/xml", "Content-Length": len(DENIED)}
            _send(self, 403, headers, DENIED)
            return
        server = HTTPConnection("127.0.0.1", self.proxy.port)
        headers = {name: value for name, value in self.headers.items() if name != "Expect"}
        server.request(self.command, self.path, body, headers)
        answer = server.getresponse()
        content = answer.read()
        dropped = ("transfer-encoding", "connection", "date", "server")
        kept = {k.lower(): v for k, v in answer.getheaders() if k.lower() not in dropped}
        _send(self, answer.status, {"content-length": len(content), **kept}, content)
        server.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - names of http.server

    def log_message(self, *_):
        pass
