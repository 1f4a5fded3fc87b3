"""Exposures from a server that delays each answer."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import badpix_selfcal as bps
from badpix_selfcal.simulate import simulate

from .processes import in_memory, quiet
from .sizes import Sizes
from .tables import Table
from .timing import Row, Way, in_turns, once

__all__ = ["measure"]

DELAY: Final = 0.1
"""Seconds before each answer."""

SHAPE: Final = (256, 256)
NOTE: Final = """\
A batch of {0} exposures of {1:.1f} MB, which a server on this machine sends; each answer comes
{2:.0f} ms after its request. Below: the requests of a run, and what the server has sent in it."""


class _Server(ThreadingHTTPServer):
    """Answers requests for the files of a folder, also for ranges of them."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.requests = self.sent = 0


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
        content = (self.server.folder / self.path.lstrip("/")).read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        part = content[int(wanted[1]) : int(wanted[2]) + 1] if wanted else content
        self.send_response(206 if wanted else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if wanted:
            end = int(wanted[1]) + len(part) - 1
            self.send_header("Content-Range", f"bytes {wanted[1]}-{end}/{len(content)}")
        self.end_headers()
        self.server.requests += 1
        if self.command == "GET":
            self.server.sent += len(part)
            self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _serving(folder: Path) -> Iterator[_Server]:
    with _Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def measure(sizes: Sizes) -> list[Table]:
    """Return the time of a batch of remote exposures, the requests, and the bytes sent."""
    with quiet(), in_memory() as name:
        folder = Path(name)
        made = simulate(folder, detector="NRS1", size=SHAPE, n_science=sizes.remote, n_background=0)
        size = made.science[0].stat().st_size / 1e6
        with _serving(folder) as server:
            base = f"http://127.0.0.1:{server.server_address[1]}"
            urls = [f"{base}/{path.name}" for path in made.science]
            run = partial(bps.batch, urls, output_dir=folder / "out", overwrite=True)
            bps.set_num_threads(None)
            times = in_turns(f"{sizes.remote} remote exposures", {"ours": Way(run)}, sizes)
            server.requests = server.sent = 0
            found = run()
        if len(found.written) < sizes.remote:
            raise RuntimeError(f"not all copies are written: {found!r}")
    counts = {"requests": float(server.requests), "MB sent": server.sent / 1e6}
    rows = [
        Row(f"{key} in a run", once({"ours": value}, 1), unit="") for key, value in counts.items()
    ]
    note = NOTE.format(sizes.remote, size, 1e3 * DELAY)
    return [Table("Exposures from a slow server", [times, *rows], note=note)]
