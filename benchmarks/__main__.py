"""``python -m benchmarks``: measure everything and print the tables."""

from . import arrays
from .timing import machine

print(machine(), end="\n\n")
arrays.main()
