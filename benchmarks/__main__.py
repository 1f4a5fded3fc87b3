"""``python -m benchmarks``: measure everything and print the tables."""

from . import arrays, step
from .timing import machine

print(machine(), end="\n\n")
arrays.main()
step.main()
