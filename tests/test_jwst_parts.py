"""What of jwst and stcal the drop-in replaces and uses: changes are noticed and named."""

from __future__ import annotations

import ast
import importlib
import sys
import warnings
from importlib import metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("jwst", reason="jwst is not installed")

import badpix_selfcal as bps
import badpix_selfcal.jwst as drop_in
from badpix_selfcal import SelfcalWarning, jwst_parts
from badpix_selfcal.cli import main
from badpix_selfcal.jwst_parts import changes, digest_of

SOURCE = '''
def low(image, n=3, *, sign=-1):
    """Return what is low."""
    found = image[image < n * sign]  # strictly
    return f"{found:>{n}}", [each for each in found if each]
'''
SAME = {
    "docstring": SOURCE.replace("Return what is low.", "Something else."),
    "no docstring": SOURCE.replace('    """Return what is low."""\n', ""),
    "comment": SOURCE.replace("# strictly", "# really"),
    "layout": SOURCE.replace("n=3, *, sign=-1", "\n    n = 3,\n    *,\n    sign = (-1),\n"),
    "quotes": SOURCE.replace('f"{found:>{n}}"', "(f'{found:>{n}}')"),
    "types": SOURCE.replace("image, n=3", "image: list[int], n: int = 3").replace(
        "sign=-1)", "sign=-1) -> tuple[str, ...]"
    ),
    "indentation": "".join(f"        {line}\n" for line in SOURCE.splitlines() if line),
}
OTHER = {
    "operator": ("<", "<="),
    "sign": ("=-1", "=1"),
    "default": ("n=3", "n=4"),
    "name": ("low(", "high("),
    "argument": ("*, ", ""),
    "kind of number": ("n=3", "n=3.0"),
    "format": (":>", ":<"),
    "condition": (" if each", ""),
    "decorator": ("\ndef", "\n@cache\ndef"),
}


@pytest.mark.parametrize("source", SAME.values(), ids=SAME)
def test_how_a_function_is_written_does_not_matter(source):
    assert source != SOURCE
    assert digest_of(source) == digest_of(SOURCE)


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_what_a_function_computes_matters(change):
    assert SOURCE.count(change[0]) == 1
    assert digest_of(SOURCE.replace(*change)) != digest_of(SOURCE)


EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "b", "1", "2.5", "'x'", "None"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "<", "and"]), inner).map(
            lambda each: f"({' '.join(each)})"
        ),
        inner.map("f(a, key={})".format),
        inner.map("[each for each in {}]".format),
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, EXPRESSIONS, st.text(st.characters(codec="ascii", categories=["L", "Z"])))
def test_only_equal_functions_have_equal_digests(one, other, text):
    def source(expression, before="", after=""):
        return f"def f(a, b=0):\n{before}    return {expression}{after}\n"

    plain = source(one)
    assert digest_of(source(one, f"    {text!r}\n", f"  # {text!r}")) == digest_of(plain)
    assert digest_of(ast.unparse(ast.parse(plain))) == digest_of(plain)
    same = ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    assert (digest_of(source(other)) == digest_of(plain)) == same


@pytest.fixture
def parts(monkeypatch):
    """Forgets digests, before and afterwards, and what was loaded."""
    jwst_parts._digest.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    jwst_parts._digest.cache_clear()


@pytest.mark.usefixtures("parts")
def test_nothing_has_changed_in_the_tested_versions():
    versions = {name: metadata.version(name) for name in jwst_parts.TESTED}
    if versions != jwst_parts.TESTED:
        pytest.skip(f"tested with {jwst_parts.TESTED}, installed are {versions}")
    assert changes() == ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drop_in._warn_of_changes(jwst_parts.STEP)
        with drop_in.installed():
            assert changes() == ""  # ours are in place


def test_a_changed_function_is_named(parts, tmp_path, capsys):
    from jwst.outlier_detection import tso

    name = "moving_median_over_zeroth_axis"
    (tmp_path / "changed.py").write_text(f"def {name}(x, w):\n    return x + w\n")
    parts.syspath_prepend(tmp_path)
    parts.setattr(tso, name, getattr(importlib.import_module("changed"), name))
    version = metadata.version("jwst")
    line = (
        f"jwst {version}: moving_median_over_zeroth_axis has changed since 3.0.0, with which "
        "badpix_selfcal.jwst was tested; `badpix-selfcal verify --against jwst` decides"
    )
    with pytest.warns(SelfcalWarning) as told:
        drop_in.install()
    drop_in.uninstall()
    assert [str(each.message) for each in told] == [line]
    assert told[0].filename == __file__
    assert main(["verify", "--against", "jwst", "--examples", "1"]) == 0
    said = f"changed   jwst {version}: moving_median_over_zeroth_axis has changed since 3.0.0\n"
    assert said in capsys.readouterr().out


def test_several_are_one_line(parts):
    for name in (*jwst_parts.STEP, *jwst_parts.FUNCTIONS):
        table = jwst_parts.STEP if name in jwst_parts.STEP else jwst_parts.FUNCTIONS
        if name.endswith((".process", ".spec", ":medfilt")):
            parts.setitem(table, name, "another")
    stcal, jwst = (metadata.version(name) for name in ("stcal", "jwst"))
    assert changes() == (
        f"jwst {jwst}: BadpixSelfcalStep.process, BadpixSelfcalStep.spec have changed since 3.0.0; "
        f"stcal {stcal}: medfilt has changed since {jwst_parts.TESTED['stcal']}"
    )
    with pytest.warns(SelfcalWarning, match="^stcal .*: medfilt has changed"):
        drop_in._warn_of_changes(jwst_parts.FUNCTIONS)  # those of the step at its import


def test_other_arguments_are_an_error_and_nothing_is_replaced(parts):
    from jwst.outlier_detection import ifu, tso

    before = ifu.medfilt
    for found, says in {
        (lambda x, window: x + window): "takes (x, window)",
        None: "does not exist",
    }.items():
        parts.setattr(tso, "moving_median_over_zeroth_axis", found)
        with pytest.raises(ImportError) as error:
            drop_in.install()
        assert str(error.value) == (
            f"jwst {metadata.version('jwst')}: moving_median_over_zeroth_axis {says}; in 3.0.0 it "
            "takes (x, w): install jwst==3.0.0, or a newer badpix-selfcal"
        )
        assert ifu.medfilt is before
        assert not drop_in._HOLDERS
    parts.undo()
    with drop_in.installed():
        assert ifu.medfilt is drop_in.medfilt


def test_the_step_is_compared_when_it_is_imported(parts):
    stock = drop_in.pipeline.BadpixSelfcalStep
    process = stock.process

    def other(self, input_data, selfcal_list=None, bkg_list=None):
        return process(self, input_data, selfcal_list, bkg_list)

    parts.setattr(stock, "process", other)
    parts.setattr(bps, "jwst", drop_in)  # is put back
    parts.delitem(sys.modules, "badpix_selfcal.jwst")
    with pytest.warns(SelfcalWarning, match=r"^jwst .*: BadpixSelfcalStep.process has changed"):
        importlib.import_module("badpix_selfcal.jwst")
    parts.setattr(stock, "process", lambda model: model)
    parts.delitem(sys.modules, "badpix_selfcal.jwst")
    with pytest.raises(ImportError, match=r"process takes \(model\); in 3.0.0 it takes"):
        importlib.import_module("badpix_selfcal.jwst")
