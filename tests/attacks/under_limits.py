"""Does some work in child processes, each of which may use some bytes more than it is given.

``python -m tests.attacks.under_limits WORKS LIMITS`` prints the outcome of each work for each
limit, in JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
from pathlib import Path

import numpy as np

import badpix_selfcal as bps
from badpix_selfcal._kernels import median_kernel
from badpix_selfcal.arrays import MeanError
from badpix_selfcal.stcal import medfilt

from . import cases

rng = np.random.default_rng(1)
image = rng.normal(size=(cases(64, 512), 600)).astype(np.float32)
image[rng.random(image.shape) < 0.05] = np.nan
integers = np.arange(image.size).reshape(image.shape) % 977
errors = np.ones_like(image)
everywhere = np.ones(image.shape, dtype=bool)


def mean_error():
    mean = MeanError(image.shape)
    for _ in range(5):
        mean.add(errors)
    return mean.image()


def sigma(dispaxis, **how):
    return bps.find_bad_pixels(image, dispaxis=dispaxis, cut="sigma", **how).significance


WORK = {
    "lines": lambda: bps.median_filter(image, 15, axis=0),
    "integers": lambda: bps.median_filter(integers, 7, axis=1),
    "heap": lambda: bps.median_filter(image, 501, axis=1, method="heap"),
    "square": lambda: bps.median_filter(image, 15),
    "rectangle by heap": lambda: bps.median_filter(image, (151, 5), method="heap"),
    "table": lambda: bps.median_filter(image, 601, axis=0, method="network"),
    "network of a table": lambda: np.array(median_kernel(61, 61, 1024, 1032)),
    "one line": lambda: bps.median_filter(image.ravel(), 33),
    "fraction": lambda: bps.find_bad_pixels(image, dispaxis=2).residual,
    "fraction of a square": lambda: bps.find_bad_pixels(image, dispaxis=None).residual,
    "sigma": lambda: sigma(1, error=errors),
    "sigma without errors": lambda: sigma(None),
    "percentiles": lambda: bps.percentiles(image, np.linspace(0, 100, 101)),
    "two percentiles": lambda: bps.percentiles(image, [0.1, 99.9]),
    "medfilt": lambda: medfilt(image, (4, 7)),
    "minimum image": lambda: bps.minimum_image([image, integers, image]),
    "pedestal": lambda: np.float64(bps.pedestal(image, everywhere)),
    "rectangular gap": lambda: np.float64(bps.pedestal(image, (0, len(image), 0, 600))),
    "mean error": mean_error,
}


def outcome(work, further):
    """Return how some work ends in a process that may use so many bytes more than it has."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + further, resource.RLIM_INFINITY))
    try:
        result = np.ascontiguousarray(work())
    except MemoryError:
        return "no memory"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    return hashlib.sha256(result).hexdigest()


def in_child(work, further):
    """Return the outcome of some work in a child process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, outcome(work, further).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
        said = pipe.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return said if status == 0 else f"ended with {status}"


if __name__ == "__main__":
    names, limits = map(json.loads, sys.argv[1:3])
    print(json.dumps({name: [in_child(WORK[name], each) for each in limits] for name in names}))
