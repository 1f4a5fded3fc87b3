"""The command ``badpix-selfcal``, as ``python -m badpix_selfcal`` and as a script."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command; an interrupt while its modules are imported ends it in order, too."""
    try:
        from . import cli

        return cli.main()
    except KeyboardInterrupt:
        print("badpix-selfcal: interrupted; outputs that are there are complete", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
