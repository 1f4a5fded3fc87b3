"""The command ``badpix-selfcal``, as ``python -m badpix_selfcal`` and as a script."""

from __future__ import annotations

import mmap
import os
import signal
import sys

NEEDED = 128 << 20
"""Bytes that NumPy and other modules need; with less, they end the process in their own ways."""


def _terminate(*_: object) -> None:
    raise KeyboardInterrupt("terminated")


def main() -> int:
    """Run the command; a signal while its modules are imported ends it in order, too."""
    try:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _terminate)
        # The threads of NumPy's library take memory, and send SIGINT if there is too little.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        mmap.mmap(-1, NEEDED).close()
        from . import cli

        return cli.main()
    except KeyboardInterrupt as stopped:
        status, said = 128 + (signal.SIGTERM if stopped.args else signal.SIGINT), str(stopped)
        said = f"{said or 'interrupted'}; outputs that are there are complete"
    except OSError:
        status, said = 1, "error: out of memory"
    print(f"badpix-selfcal: {said}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
