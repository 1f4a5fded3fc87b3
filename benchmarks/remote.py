"""Ways to read the headers and SCI of remote exposures, from a slow loopback server.

``python -m benchmarks.remote`` prints a table. It shows why `badpix_selfcal.files.remote` reads
ranges itself instead of using the files and caches of fsspec.
"""

from __future__ import annotations

import math
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import fsspec

from badpix_selfcal.files.location import RemoteFile
from badpix_selfcal.files.plain_headers import scan_to
from badpix_selfcal.files.remote import HEAD, Ranges
from badpix_selfcal.simulate import simulate

__all__ = ["main"]

DELAY: Final = 0.1
"""Seconds before each answer."""

EXPOSURES: Final = 16
SHAPE: Final = (256, 256)
THREADS: Final = 8
CACHES: Final = ("readahead", "first", "background", "bytes", "none")

Reader = Callable[[str], int]


class _Server(ThreadingHTTPServer):
    """Answers every request for any path with ranges of one file."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.requests = 0
        self.sent = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        time.sleep(DELAY)
        length = len(self.server.content)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        start, end = (int(wanted[1]), min(int(wanted[2]) + 1, length)) if wanted else (0, length)
        self.send_response(206 if wanted else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - start))
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{length}")
        self.end_headers()
        self.server.requests += 1
        if self.command == "GET":
            self.server.sent += end - start
            self.wfile.write(self.server.content[start:end])

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _serving(content: bytes) -> Iterator[tuple[_Server, str]]:
    with _Server(content) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server, f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _length(header: Any) -> int:
    return int(4 * math.prod(header.shape))


def ours(url: str) -> int:
    """Read by `Ranges`."""
    file = Ranges(RemoteFile(url))
    header = (scan_to("SCI", file.open()) or [])[-1]
    return len(file.read(header.data, _length(header)))


def by_fsspec(cache: str, block: int | None) -> Reader:
    """Return a reader by `fsspec.open`."""

    def read(url: str) -> int:
        with fsspec.open(url, "rb", cache_type=cache, block_size=block) as file:
            header = (scan_to("SCI", file) or [])[-1]
            file.seek(header.data)
            content: bytes = file.read(_length(header))
            return len(content)

    return read


def main() -> None:
    """Print requests, bytes and seconds of each way."""
    ways: dict[str, Reader] = {"Ranges": ours}
    for cache in CACHES:
        ways[f"fsspec.open, {cache}, {HEAD} bytes"] = by_fsspec(cache, HEAD)
    ways["fsspec.open, readahead, 5 MiB"] = by_fsspec("readahead", None)
    with tempfile.TemporaryDirectory(prefix="badpix-selfcal-") as name:
        (path,) = simulate(Path(name), size=SHAPE, n_science=1, n_background=0).science
        content = path.read_bytes()
    print(f"{EXPOSURES} exposures of {len(content)} bytes, SCI {4 * math.prod(SHAPE)} bytes")
    print(f"{'':36}requests  bytes/1e6  s, 1 thread  s, {THREADS} threads")
    with _serving(content) as (server, base):
        urls = [f"{base}/{number}_rate.fits" for number in range(EXPOSURES)]
        ours(urls[0])
        for label, read in ways.items():
            server.requests = server.sent = 0
            serial = _time(lambda read=read: [*map(read, urls)])  # type: ignore[misc]
            requests, sent = server.requests, server.sent
            with ThreadPoolExecutor(THREADS) as threads:
                parallel = _time(lambda read=read: [*threads.map(read, urls)])  # type: ignore[misc]
            print(f"{label:36}{requests:8}{sent / 1e6:11.1f}{serial:13.2f}{parallel:14.2f}")


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
