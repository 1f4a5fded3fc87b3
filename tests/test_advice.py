"""Progress of a run, and what its report says to do next."""

from __future__ import annotations

import io
import shlex
import sys
from dataclasses import replace

import numpy as np
import pytest

import badpix_selfcal as bps
from badpix_selfcal.cli import main, run
from badpix_selfcal.cli.advice import after_pool, after_run

from .exposures import observation


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def here(tmp_path, monkeypatch):
    observation(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def result(here):  # noqa: ARG001 - the current folder
    return bps.selfcal("x_asn.json", output_dir="a b", save_mask=True)


def test_progress_counts_what_is_read_and_written(here):
    reported = []
    bps.selfcal(
        here / "x_asn.json", save_flagged_bkg=True, progress=lambda *now: reported.append(now)
    )
    done, totals = zip(*reported, strict=True)
    assert {*totals} == {8}  # five exposures, three copies
    assert done[0] == 0
    assert done[-1] == 8
    assert [*done] == sorted(done)


@pytest.mark.parametrize("option", ["", "--quiet", "--json"])
@pytest.mark.usefixtures("here")
def test_a_terminal_shows_the_progress(monkeypatch, option):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(run, "AFTER", 0.0)
    assert main(["run", "x_asn.json", *filter(None, [option])]) == 0
    if option:
        assert terminal.getvalue() == ""
    else:
        assert "0/6 files read or written" in terminal.getvalue()
        assert "6/6 files read or written" in terminal.getvalue()


@pytest.mark.usefixtures("here")
def test_a_quick_run_shows_none(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(run, "AFTER", 1e9)
    assert main(["run", "x_asn.json"]) == 0
    assert terminal.getvalue() == ""


def test_a_mask_is_looked_at_and_the_copy_goes_on(result, here):
    look, figures, then = after_run(result)
    name = here / "a b" / "product_badpix_selfcal"
    before = shlex.split(then)[1:]
    for line, command in ((look, "report"), (figures, "plot")):
        words = shlex.split(line)[1:]
        assert words[:2] == ["badpix-selfcal", command]
        assert (here / words[2]).samefile(f"{name}_mask.fits")
    assert before[:2] == ["strun", "calwebb_spec2"]
    assert (here / before[2]).samefile(f"{name}.fits")


def test_a_page_is_the_first_thing_to_look_at(result):
    page = result.mask.with_name("x y_report.html")
    look, figures, _ = after_run(replace(result, page=page))
    assert shlex.split(look) == ["look", str(page)]
    assert figures.startswith("figures   badpix-selfcal plot ")
    assert len(after_run(replace(result, page=page, mask=None))) == 2


def test_the_list_of_the_pages_of_a_batch(here):
    done = bps.batch(here, output_dir=here / "out")
    (group,) = done.groups
    pages = {axis: here / f"{axis}.html" for axis in group.masks}
    with_pages = replace(done, groups=(replace(group, pages=pages),))
    assert after_pool(with_pages, finds=True)[0] == f"look      {here / '2.html'}"
    listed = replace(with_pages, index=here / "all.html")
    assert after_pool(listed, finds=True)[0] == f"look      {here / 'all.html'}"


def test_without_a_mask(result):
    look, _ = after_run(replace(result, mask=None))
    assert "--report" in look
    assert "--save-mask" in look


def test_two_products(result):
    assert after_run(replace(result, others=(result,)))[-1].endswith(
        "FILE, for each of the 2 files"
    )


def test_crowded_lines_are_named_unless_they_are_spared(result):
    mask = result.bad_pixels.mask.copy()
    mask[:50, 7] = True
    found = replace(result.bad_pixels, mask=mask)
    look, _ = after_run(replace(result, bad_pixels=found, crowded_rows=(7,)))
    assert look.startswith("look      1 line crowded with flags: ")
    assert look.endswith("--spare-crowded")
    spared = replace(found, mask=mask & (np.arange(mask.shape[1]) != 7))
    look, *_ = after_run(replace(result, bad_pixels=spared, crowded_rows=(7,)))
    assert "report" in look


def test_nothing_was_flagged(result):
    (line,) = after_run(replace(result, bad_pixels=None, science=None))
    assert "--background" in line


def test_a_failure_in_a_batch_comes_first(here):
    (here / "junk_rate.fits").write_text("junk")
    done = bps.batch(here, output_dir=here / "out")
    assert after_pool(done, finds=True) == [
        "next      correct what failed, then repeat it with --resume"
    ]


def test_nothing_to_do_for_backgrounds_alone():
    assert after_pool(bps.BatchResult((), (), ()), finds=True) == []


@pytest.mark.parametrize("option", ["--quiet", "--json"])
@pytest.mark.usefixtures("here")
def test_it_is_not_printed_with(option, capsys):
    assert main(["run", "x_asn.json", option]) == 0
    assert "strun" not in capsys.readouterr().out


def test_a_rejected_mask_is_not_handed_on(result):
    (*_, last) = after_run(result, ["TRUST: nothing", "REJECT: spikes left"])
    assert last == (
        "next      do what the page says, and run again: these flags are not fit for use"
    )
    assert after_run(result, ["LOOK: few"])[-1].startswith("next      strun ")


def test_a_rejected_mask_of_a_batch_is_not_handed_on(here):
    pool = bps.batch(sorted(here.glob("*_rate.fits")), output_dir="b")
    (*_, last) = after_pool(pool, finds=True, verdicts=["REJECT: spikes left"])
    assert last.startswith("next      do what the page says")
    assert "strun" in after_pool(pool, finds=True)[-1]


def test_exposures_without_a_pedestal_need_no_further_ones(result):
    alone = {path: float("nan") for path in result.members}
    (said,) = after_run(replace(result, bad_pixels=None, status="SKIPPED", pedestals=alone))
    assert said == (
        "next      nothing was flagged: no pedestal can be measured in the gap of the exposures"
    )
