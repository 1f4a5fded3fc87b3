"""The command ``badpix-selfcal``, as ``python -m badpix_selfcal`` and as a script."""

from __future__ import annotations

import mmap
import os
import signal
import sys
from typing import Final

NEEDED: Final = 128 << 20
"""Bytes that NumPy and other modules need; with less, they end the process in their own ways."""


def main() -> int:
    """Run the command; a signal while its modules are imported ends it in order, too."""
    number = signal.SIGINT

    def terminate(*_: object) -> None:
        nonlocal number
        number = signal.SIGTERM
        raise KeyboardInterrupt

    try:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, terminate)
        # The threads of NumPy's library take memory, and send SIGINT if there is too little.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        mmap.mmap(-1, NEEDED).close()
        from . import cli

        return cli.main()
    except KeyboardInterrupt:
        word = "interrupted" if number == signal.SIGINT else "terminated"
        print(f"badpix-selfcal: {word}; outputs that are there are complete", file=sys.stderr)
        return 128 + number
    except OSError:
        print("badpix-selfcal: error: out of memory", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
