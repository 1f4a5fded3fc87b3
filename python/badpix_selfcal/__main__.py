"""``python -m badpix_selfcal`` is the command ``badpix-selfcal``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
