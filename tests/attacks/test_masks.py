"""Mutated mask files: every command that reads masks uses them or refuses them, in bounds.

``python -m tests.attacks.test_masks FOLDER FIRST LAST`` runs the commands on some cases, and prints
in JSON how each ended.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal.cli import main
from badpix_selfcal.errors import silenced
from badpix_selfcal.files import remote
from badpix_selfcal.look.plot import FIGURES

from ..exposures import sky, write
from ..fits_exposures import Endless, in_time
from . import cases, report
from .test_fits import SHAPE, mutated

SEED = 23

MOST_MEMORY = 500
"""MB that a command may take at a time."""

COMMANDS = {
    "apply": "apply {mask} a_rate.fits --output-dir out",
    "report": "report {given} --output-dir out",
    "plot": "plot {given} --figure {figure} --output-dir out",
    "compare": "compare {mask} {sound} --picture out/c.png",
    "history": "history {mask} {sound} --table out/h.ecsv --persistent-mask out/h.fits",
    "export": "export {mask} out/x.ecsv out/x.reg",
}

TEXTS = (
    "", " ", "/dev/zero", "/dev/null", ".", "a_rate.fits", "fifo", r"a\x00b", r"\ud800",
    r"\udc80", "\\x",
    "http://[::1", "http://127.0.0.1:9/a_rate.fits", "xyz://b/a.fits", "zip://a::b.fits", "file://x",
    r"\x1b[31m", "out/a_badpix_selfcal.fits", "science", "<script>", "%s{0}", "a" * 60, "../" * 20,
)  # fmt: skip

NUMBERS = (
    "1E300", "-1E300", "1E400", "nan", "inf", "0-60000000", "600", "9" * 20, "0-35", "3-1", "-1",
    "0", "1E-320", "3.4E38", "x", "1_0", "T", "23", "15", "1E9", "DETECTOR", "BPXVERS X", r"\ud800",
    r"a\0",
)  # fmt: skip

SAMPLES = (np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-45, 0.0, 1e30)


# Each changes an open mask.


def change_card(hdus, rng):
    """Change a card of this package, or one that describes the detector."""
    header = hdus[0].header
    keyword = rng.choice([key for key in header if key.startswith(("BPX", "DET", "SUB", "DATE-"))])
    text = rng.choice(NUMBERS)
    card = f"{keyword:8}= {text if rng.random() < 0.5 else repr(text):>20}"
    header[keyword] = 0
    header.cards[keyword]._image = card.ljust(80)[:80]


def change_text(hdus, rng):
    """Change texts in the table of exposures."""
    table = hdus["MEMBERS"]
    names = rng.sample(
        ("exposure", "role", "output", "problem", "same_as", "later"), rng.choice((1, 1, 2))
    )
    columns = []
    for column in table.columns:
        values = table.data[column.name]
        if column.name in names:
            values = [rng.choice(TEXTS) for _ in values]
            columns.append(fits.Column(column.name, rng.choice(("80A", "80A", "8A")), array=values))
        else:
            columns.append(fits.Column(column.name, column.format, array=values))
    hdus["MEMBERS"] = fits.BinTableHDU.from_columns(columns, name="MEMBERS")


def change_column(hdus, rng):
    """Give a column of a table another type."""
    name = rng.choice(("MEMBERS", "PIXELS", "DQ_DEF"))
    table, columns = hdus[name], []
    chosen = rng.randrange(len(table.columns))
    for number, column in enumerate(table.columns):
        form, values = column.format, table.data[column.name]
        if number == chosen:
            form = rng.choice(("8A", "J", "D", "L", "K", "2J", "PJ()", "0A", "C", "X"))
            values = None
        columns.append(fits.Column(column.name, form, array=values))
    hdus[name] = fits.BinTableHDU.from_columns(columns, nrows=len(table.data), name=name)


def change_samples(hdus, rng):
    """Change samples of images, flagged pixels or others."""
    for _ in range(rng.choice((1, 3, 200))):
        hdu = hdus[rng.choice([hdu.name for hdu in hdus if hdu.is_image and hdu.name])]
        place = tuple(rng.randrange(size) for size in hdu.data.shape)
        is_float = hdu.data.dtype.kind == "f"
        hdu.data[place] = rng.choice(SAMPLES) if is_float else rng.choice((0, 1, 2**30 + 1, 2**31))


def resize(hdus, rng):
    """Give images other shapes."""
    names = [hdu.name for hdu in hdus if hdu.is_image and hdu.name]
    shape = rng.choice(
        ((0, 5), (5, 0), (1, 1), (1, 36), (24, 1), (24,), (2, 24, 36), (48, 36), (900, 900))
    )
    for name in names if rng.random() < 0.5 else rng.sample(names, 1):
        hdus[name].data = np.zeros(shape, hdus[name].data.dtype)


CHANGES = (
    change_card,
    change_card,
    change_text,
    change_text,
    change_column,
    change_samples,
    resize,
)

ZEROS = gzip.compress(bytes(1 << 24), 1)


def inflated(content, rng):
    """Return a small gzip of a file in which an image or a table is very large."""
    starts = [each.start() for each in re.finditer(b"XTENSION=", content)]
    start = rng.choice(starts)
    end = content.index(b"END ".ljust(80), start)
    data = end + 80 + -(end + 80) % 2880
    many = rng.choice((1, 5, 12, 70))
    side = {b"NAXIS1": 4096, b"NAXIS2": many * 1024}
    head = bytearray(content[:data])
    for keyword, size in side.items():
        if (at := head.find(keyword.ljust(8) + b"=", start)) > 0:
            head[at : at + 80] = (keyword.ljust(8) + b"= %20d" % size).ljust(80)
    return gzip.compress(bytes(head), 1) + ZEROS * many + gzip.compress(content[data:], 1)


def mutant(content, number):
    """Return a mutated mask."""
    rng = random.Random(f"{SEED} {number}")
    how = rng.random()
    if how < 0.3:
        return mutated(content, rng)[0]
    if how < 0.36:
        return inflated(content, rng)
    with silenced(), fits.open(io.BytesIO(content), memmap=False) as opened:
        hdus = fits.HDUList([hdu.copy() for hdu in opened])
        whole = io.BytesIO()
        with suppress(Exception):  # after a change another one may be impossible
            for _ in range(rng.choice((1, 1, 2))):
                rng.choice(CHANGES)(hdus, rng)
        with suppress(Exception):  # then the file is cut short
            hdus.writeto(whole, output_verify="ignore")
    content = whole.getvalue()
    return gzip.compress(content, 1) if rng.random() < 0.1 else content


def peak():
    """Return the largest memory since the last call, MB."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024


def outcome(line):
    """Return how a command ends: a word, and what it printed."""
    printed = io.StringIO()
    try:
        with in_time(), redirect_stderr(printed), redirect_stdout(printed):
            status = main(line.split())
    except Endless:
        return "hangs", ""
    text = printed.getvalue()
    if "unexpected error" in text or "Traceback" in text or status not in (0, 1, 4):
        return f"unexpected, status {status}", text
    return ("refused" if status == 1 else "done"), text


def try_cases(first, last):
    """Run all commands on some cases, and print how each ended."""
    remote._PAUSES = (0.0, 0.0)
    sound = sorted(Path().glob("*_sound.fits"))
    mask = Path("in_mask.fits")
    for number in range(first, last):
        names = {"mask": mask, "sound": sound[number % 2], "figure": FIGURES[number % len(FIGURES)]}
        names["given"] = ("in_mask.fits", "a_badpix_selfcal.fits")[number // 2 % 2]
        mask.write_bytes(mutant(names["sound"].read_bytes(), number))
        for name, line in COMMANDS.items():
            peak()
            how, text = outcome(f"{line.format(**names)} --overwrite")
            used = peak()
            how = f"more than {MOST_MEMORY} MB" if used > MOST_MEMORY else how
            if how == "refused" and "{mask}" in line and str(mask) not in text:
                how = "refused without its name"
            print(json.dumps([number, name, how, used, text[-600:]]), flush=True)
        shutil.rmtree("out", ignore_errors=True)


@pytest.mark.skipif(sys.platform != "linux", reason="measures the memory in /proc")
@pytest.mark.filterwarnings("ignore::badpix_selfcal.SelfcalWarning")
def test_a_mutated_mask_is_used_or_refused_by_every_command(tmp_path):
    exposures = [
        write(tmp_path / f"{name}_rate.fits", sky(seed, SHAPE), detector="NRS1", exp_type="NRS_IFU")
        for seed, name in enumerate("abc")
    ]
    for cut in ("fraction", "sigma"):
        how = {"cut": cut, "save_mask": True, "overwrite": True, "output_dir": tmp_path}
        made = bps.selfcal(exposures[0], selfcal=exposures[1:], **how)
        shutil.copy(made.mask_file, tmp_path / f"{cut}_sound.fits")
    made.mask_file.unlink()
    os.mkfifo(tmp_path / "fifo_mask.fits")
    (tmp_path / "fifo").symlink_to("fifo_mask.fits")
    number = cases(16, 2000)
    command = [sys.executable, "-m", "tests.attacks.test_masks", str(tmp_path), "0", str(number)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100 * number, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(found) == number * len(COMMANDS)
    wrong = [each for each in found if each[2] not in ("done", "refused")]
    ends = Counter(each[2] for each in found)
    report(f"mutated masks, {number}, largest memory {max(each[3] for each in found)} MB", ends)
    assert not wrong, wrong[:3]
    assert ends.keys() == {"done", "refused"}


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    try_cases(*map(int, sys.argv[2:4]))
