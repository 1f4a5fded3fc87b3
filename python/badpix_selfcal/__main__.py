"""The command ``badpix-selfcal``, as ``python -m badpix_selfcal``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
