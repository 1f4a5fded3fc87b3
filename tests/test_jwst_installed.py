"""The drop-in inside jwst: in place and out of it, in a pipeline, on the command line."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import badpix_selfcal as bps
from badpix_selfcal import instrument

pytest.importorskip("jwst", reason="jwst is not installed")

from jwst.associations import asn_from_list
from jwst.badpix_selfcal import badpix_selfcal_step as theirs
from jwst.datamodels import ModelContainer
from jwst.outlier_detection import ifu
from jwst.pipeline import Spec2Pipeline
from jwst.refpix import RefPixStep
from jwst.refpix.reference_pixels import NIRDataset
from jwst.stpipe import Step
from stdatamodels.jwst import datamodels as dm
from stpipe import crds_client, utilities

import badpix_selfcal.jwst as drop_in

from .models import KnowsItsAxis, assert_same_files, assert_same_models, listed_twice, observe
from .pages import block, text_of

arrays = importlib.import_module("jwst.badpix_selfcal.badpix_selfcal")
Stock, Ours = theirs.BadpixSelfcalStep, drop_in.BadpixSelfcalStep
STOCK = {"step": Stock, "bad": arrays.badpix_selfcal, "medfilt": arrays.medfilt}
STOCK["reference"] = NIRDataset.median_filter


def in_place():
    """Return whether ours are in place; fail if only some of them are."""
    ours = [
        Spec2Pipeline.step_defs["badpix_selfcal"] is Ours,
        arrays.badpix_selfcal is drop_in.badpix_selfcal,
        arrays.medfilt is drop_in.medfilt,
        ifu.medfilt is drop_in.medfilt,
        NIRDataset.median_filter is drop_in.reference_median,
    ]
    assert len(set(ours)) == 1
    if not ours[0]:
        assert Spec2Pipeline.step_defs["badpix_selfcal"] is STOCK["step"]
        assert arrays.badpix_selfcal is STOCK["bad"]
        assert arrays.medfilt is ifu.medfilt is STOCK["medfilt"]
        assert NIRDataset.median_filter is STOCK["reference"]
    return ours[0]


@pytest.fixture(autouse=True)
def _clean():
    assert not in_place()
    yield
    drop_in.uninstall()
    assert not in_place()


@pytest.fixture(scope="module")
def exposures(tmp_path_factory):
    return observe(tmp_path_factory.mktemp("exposures"))


@pytest.mark.parametrize(
    ("calls", "stays"),
    [
        (["uninstall", "install", "install"], True),
        (["install", "install", "uninstall"], False),
        (["enter", "enter", "leave"], True),
        (["enter", "enter", "leave", "leave"], False),
        (["install", "enter", "leave"], True),
        (["enter", "install", "leave"], True),
        (["enter", "uninstall"], False),
        (["enter", "uninstall", "enter"], True),
        (["enter", "uninstall", "enter", "leave", "leave"], False),
    ],
    ids=repr,
)
def test_installing_and_contexts(calls, stays):
    contexts = []
    for call in calls:
        if call == "enter":
            contexts.append(drop_in.installed())
            contexts[-1].__enter__()
        elif call == "leave":
            contexts.pop().__exit__(None, None, None)
        else:
            getattr(drop_in, call)()
    assert in_place() == stays
    while contexts:
        contexts.pop().__exit__(None, None, None)


def test_contexts_end_with_errors():
    with pytest.raises(RuntimeError, match="within"), drop_in.installed():
        raise RuntimeError("within")
    assert not in_place()


def test_what_somebody_else_replaces_is_left_alone(monkeypatch):
    other = object()
    with monkeypatch.context() as patch:
        drop_in.install()
        patch.setattr(ifu, "medfilt", other)
        drop_in.uninstall()
        assert ifu.medfilt is other
        ifu.medfilt = drop_in.medfilt  # what the patch puts back
    ifu.medfilt = STOCK["medfilt"]


def spec2(association, folder, **how):
    """Run the pipeline with this step alone, after one that replaces assign_wcs."""
    steps = {name: {"skip": True} for name in Spec2Pipeline.step_defs}
    steps["assign_wcs"] = {"save_results": "cut" in how}
    steps["badpix_selfcal"] = {"skip": False, "save_results": True, **how}
    saved = {"save_results": True, "output_dir": str(folder)}
    (result,) = Spec2Pipeline.call(association, steps=steps, configure_log=False, **saved)
    return result


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(crds_client, "get_context_used", lambda *_: "none")
    monkeypatch.setattr("gc.collect", lambda *_: 0)  # which every step does, also if skipped
    monkeypatch.setitem(Spec2Pipeline.step_defs, "assign_wcs", KnowsItsAxis)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("how", [{"save_flagged_bkg": True}, {"skip": True}], ids=["run", "skip"])
def test_a_pipeline(exposures, tmp_path, how, monkeypatch):
    ran = []
    monkeypatch.setattr(
        Ours, "run", lambda self, *given: ran.append(type(self)) or Stock.run(self, *given)
    )
    others = spec2(exposures["association"], tmp_path / "theirs", **how)
    assert not ran
    with drop_in.installed():
        ours = spec2(exposures["association"], tmp_path / "ours", **how)
    assert ran == [Ours]
    for model in (ours, others):
        assert Path(model.meta.filename).name == "set_cal.fits"
        model.meta.filename = None  # of different folders
    assert_same_models(ours, others)
    done = "SKIPPED" if "skip" in how else "COMPLETE"
    assert ours.meta.cal_step.badpix_selfcal == done
    assert (ours.dq & 2**30).any() == (done == "COMPLETE")
    names = {path.name for path in (tmp_path / "theirs").iterdir()}
    assert names == {path.name for path in (tmp_path / "ours").iterdir()}
    assert len(names) == (4 if done == "COMPLETE" else 1)
    for name in names - {"set_cal.fits"}:
        assert_same_files(tmp_path / "ours" / name, tmp_path / "theirs" / name)


@pytest.mark.usefixtures("offline")
def test_the_sigma_cut_in_a_pipeline_flags_what_selfcal_flags(tmp_path):
    """Its science exposure is a selfcal exposure too, and has another name after assign_wcs."""
    association = listed_twice(observe(tmp_path))
    expected = bps.selfcal(association, output_dir=tmp_path / "out", cut="sigma")
    with drop_in.installed():
        science = spec2(association, tmp_path / "theirs", cut="sigma")
    assert expected.bad_pixels.mask.sum() > 5
    np.testing.assert_array_equal(
        science.dq & instrument.BAD == instrument.BAD, expected.bad_pixels.mask
    )


def test_outlier_detection(exposures):
    def detect(kernel_size):
        models = ModelContainer(exposures["association"]).copy()
        return ifu.detect_outliers(models, False, kernel_size, True, 99.8, None)

    for kernel_size in ("7 7", "6 9"):
        others = detect(kernel_size)
        with drop_in.installed():
            ours = detect(kernel_size)
        for mine, other in zip(ours, others, strict=True):
            assert_same_models(mine, other)
            assert (mine.dq & 16).any()


def test_reference_pixels():
    side, border = 2048, np.ones((2048, 2048), bool)  # only full frames have medians of the sides
    border[4:-4, 4:-4] = False
    rng = np.random.default_rng(1)
    before = rng.normal(10, 5, (1, 1, side, side)).astype(np.float32)
    dq = np.where(border, instrument.REFERENCE_PIXEL, 0).astype(np.uint32)
    dq |= rng.random(dq.shape) < 0.01

    def correct():
        model = dm.RampModel(data=before.copy(), pixeldq=dq.copy())
        model.groupdq = np.zeros(before.shape, np.uint8)
        model.meta.instrument.name, model.meta.instrument.detector = "NIRSPEC", "NRS1"
        model.meta.subarray.name = "FULL"
        model.meta.subarray.xstart = model.meta.subarray.ystart = 1
        model.meta.subarray.xsize = model.meta.subarray.ysize = side
        model.meta.subarray.fastaxis, model.meta.subarray.slowaxis = 2, 1
        model.meta.exposure.readpatt = "NRSRAPID"
        return RefPixStep().process(model).data

    expected = correct()
    with drop_in.installed():
        ours = correct()
    assert not np.array_equal(expected, before)
    np.testing.assert_array_equal(ours, expected, strict=True)


def test_the_alias_is_not_that_of_jwst():
    (entry,) = metadata.distribution("badpix-selfcal").entry_points.select(group="stpipe.steps")
    (name, alias, is_pipeline), *more = entry.load()()
    assert not is_pipeline
    assert not more
    assert utilities.import_class(name, Step) is Ours
    assert utilities.resolve_step_class_alias(alias) == name
    assert utilities.resolve_step_class_alias(f"badpix-selfcal::{alias}") == name
    assert utilities.resolve_step_class_alias("badpix_selfcal") == "jwst.step.BadpixSelfcalStep"


@pytest.mark.parametrize("name", ["badpix_selfcal.jwst.BadpixSelfcalStep", "fast_badpix_selfcal"])
def test_the_command_line(name, exposures, tmp_path):
    def strun(name, folder):
        given = [name, exposures["association"], "--save_flagged_bkg=true"]
        step = Step.from_cmdline([*given, f"--output_dir={folder}", "--log-level=ERROR"])
        return type(step), {path.name: path for path in folder.iterdir()}

    kind, ours = strun(name, tmp_path / "ours")
    assert kind is Ours
    kind, others = strun("badpix_selfcal", tmp_path / "theirs")
    assert kind is Stock
    assert ours.keys() == others.keys()
    assert len(ours) == 3
    for file, path in ours.items():
        assert_same_files(path, others[file])
        with dm.open(path) as model:
            assert (model.dq & 2**30).any()


def test_steps_are_listed_without_jwst():
    code = """
import sys
sys.modules["numpy"] = sys.modules["stpipe"] = None
from badpix_selfcal import stpipe
stpipe.find_spec = {"jwst": None}.get
print(stpipe.get_steps())
del sys.modules["numpy"]
sys.modules["jwst"] = None
try:
    import badpix_selfcal.jwst
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    listed, why = done.stdout.splitlines()
    assert listed == "[]"
    assert 'pip install "badpix-selfcal[jwst]"' in why


@pytest.mark.parametrize("step", ["ours", "jwst's with our functions"])
def test_the_tests_of_jwst_pass(step, tmp_path):
    tests = Path(theirs.__file__).parent / "tests" / "test_badpix_selfcal.py"
    if not tests.exists():
        pytest.skip(f"jwst was installed without its tests: there is no {tests}")
    root = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join([str(root), *sys.path])
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.jwst_own", "-c", os.devnull),
            *("-p", "no:cacheprovider", "--rootdir", str(tmp_path), "--basetemp", tmp_path / "t"),
            *("--confcutdir", tests.parents[2], tests),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths, "STEP_UNDER_TEST": step},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " 12 passed" in done.stdout.splitlines()[-1]
    assert "skipped" not in done.stdout.splitlines()[-1]
    assert ("badpix_selfcal.jwst.BadpixSelfcalStep" in done.stdout) == (step == "ours")


# The examples of README and guide run as they are written

GUIDE = "docs/how-to/jwst-pipeline.md"


def line(start):
    """Return what follows these words in the only command of the guide that begins so."""
    text = text_of(GUIDE).replace("\\\n", " ")
    (found,) = re.findall(rf"^ *{re.escape(start)} (.*)$", text, re.MULTILINE)
    return shlex.split(found)


class Passes(Step):
    """Replaces a step that needs reference files."""

    spec = "skip = boolean(default=True)"

    def process(self, model, *_):
        return model


@pytest.fixture
def folder(here, monkeypatch):
    """A folder with exposures, which is the current one, and a pipeline without reference files."""
    observe(here)
    (here / "set_asn.json").rename(here / "jw01234_spec2_asn.json")
    monkeypatch.setattr(crds_client, "get_context_used", lambda *_: "none")
    for name in Spec2Pipeline.step_defs:
        if name != "badpix_selfcal":
            step = KnowsItsAxis if name == "assign_wcs" else Passes
            monkeypatch.setitem(Spec2Pipeline.step_defs, name, step)
    return here


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", ["README.md", GUIDE])
def test_the_pipeline(monkeypatch, page):
    results = []
    process = Spec2Pipeline.process
    monkeypatch.setattr(
        Spec2Pipeline, "process", lambda *given: results.extend(process(*given)) or results
    )
    exec(compile(block(page, "Spec2Pipeline"), page, "exec"), {})
    (result,) = results
    assert result.meta.cal_step.badpix_selfcal == "COMPLETE"
    assert (result.dq & 2**30).any()


def expanded(word):
    """Expand a word as a shell does."""
    return sorted(map(str, Path().glob(word))) or [word] if "*" in word else [word]


def test_the_next_pipelines_take_the_flagged_files(folder, monkeypatch):
    (copy, *_) = bps.batch(".", output_dir="flagged", save_flagged_bkg=True).exposures
    bps.associate("flagged", flagged=True)
    made = sorted(Path().glob("flagged/*_spec2_asn.json"))
    words = [*line("strun calwebb_spec2"), "--steps.pixel_replace.skip=false"]
    (place,) = (number for number, word in enumerate(words) if word == "$association")
    for association in made:
        words[place] = str(association)
        Step.from_cmdline(["calwebb_spec2", *words])
    results = sorted((folder / "cal").iterdir())
    assert [each.name for each in results] == [
        each.name.replace("rate", "cal") for each in sorted(folder.glob("jw09999001*_rate.fits"))
    ]
    before, result = fits.getdata(copy.output, "DQ"), results[0]
    header = fits.getheader(result)
    assert header["S_BPXSLF"] == "SKIPPED"
    assert f"badpix_selfcal {bps.__version__} COMPLETE:" in " ".join(header["HISTORY"])
    np.testing.assert_array_equal(fits.getdata(result, "DQ"), before)
    monkeypatch.chdir(folder / "cal")
    words = [part for word in line("asn_from_list") for part in expanded(word)]
    asn_from_list.Main.cli(words)
    (product,) = json.loads((folder / "cal" / "spec3_asn.json").read_text())["products"]
    assert product["name"] == "target"
    assert [member["expname"] for member in product["members"]] == [each.name for each in results]
    assert line("strun calwebb_spec3") == ["spec3_asn.json"]


def test_the_command(folder):
    name = "fast_badpix_selfcal"
    Step.from_cmdline([name, *line(f"strun {name}")])
    assert len([*folder.glob("*badpix*")]) == 3
