"""The pages of masks: what they say and hold, and how they are written."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("bokeh", reason="bokeh is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

import badpix_selfcal as bps
from badpix_selfcal import look
from badpix_selfcal.cli import main
from badpix_selfcal.instrument import NAMES
from badpix_selfcal.look import layers, page, shown
from badpix_selfcal.look.report import facts_in

from .exposures import observation
from .masks import masks
from .reported import NUMBERS, Cells, mask_of, numbers_in, observed
from .test_verdict import GROUP, MRS, good_mask, left_alone


def html_of(mask):
    return page.page_of(mask)[0]


def expected_numbers(mask):
    """Compute the numbers of a page from the arrays, by plain NumPy."""
    found = mask.bad_pixels
    residual, flagged = found.residual.astype("f8"), found.mask
    values = residual if found.significance is None else found.significance
    finite = np.isfinite(residual)
    high, low = flagged & (values > found.cut_high), flagged & (values < found.cut_low)
    before, after = residual[finite], residual[finite & ~flagged]
    return {
        "pixels": flagged.size,
        "sensitive": np.sum(~np.isnan(residual)),
        "low": low.sum(),
        "high": high.sum(),
        "flagged": flagged.sum(),
        "share": 100 * flagged.sum() / finite.sum(),
        "share_low": 100 * low.sum() / finite.sum(),
        "share_high": 100 * high.sum() / finite.sum(),
        "cut_low": found.cut_low,
        "cut_high": found.cut_high,
        "scatter_before": 1.4826 * np.median(abs(before - np.median(before))),
        "scatter_after": 1.4826 * np.median(abs(after - np.median(after))),
        "deviation_before": before.std(),
        "deviation_after": after.std(),
        "already_known": np.sum(flagged & (mask.dq % 2 == 1)),
        "exposures": len(mask.members),
    }


SHARES = ("share", "share_low", "share_high")
SHARE = 5.1e-3
"""Percentages have three digits."""

WORDS = re.compile(r"\w*_\w+")


def settings_in(html):
    """Return what the script of a page is given."""
    return json.loads(html.partition('id="settings">')[2].partition("</script>")[0])


class TestContent:
    @pytest.mark.parametrize("cut", ["sigma", "fraction"])
    def test_its_numbers_are_those_of_the_arrays(self, cut):
        mask = mask_of("MIRIFULONG", (96, 640), cut)
        html = html_of(mask)
        numbers, texts = numbers_in(html), Cells(html).texts
        expected = expected_numbers(mask)
        assert expected["flagged"] > 100
        for name, value in expected.items():
            assert numbers[name] == pytest.approx(value, rel=SHARE if name in SHARES else 1e-5), (
                name
            )
            for text in texts.get(name, []):
                assert float(text) == pytest.approx(float(numbers[name]), rel=1e-4), name
        assert len({*expected} & {*texts}) >= 13
        assert sum(each["high"] for each in numbers["regions"].values()) == numbers["high"]
        assert sum(each["sensitive"] for each in numbers["slices"].values()) == numbers["sensitive"]
        half = numbers["regions"]["upper left"]
        assert half["low"] + half["high"] == np.sum(mask.flags[48:, :320])

    def test_it_needs_no_network(self):
        html = html_of(mask_of())
        head = html[: html.index("<script")]
        assert "default-src 'none'" in head
        assert 'src="http' not in head
        assert html.count("<link") == 1
        assert '<link rel="icon" href="data:,">' in head

    def test_its_pictures_follow_light_and_dark(self):
        html = html_of(mask_of())
        svgs = html.split("<svg ")[1:]
        assert len(svgs) == 4 + 24  # histogram and counts, galleries
        drawn = " ".join(svg.partition("</svg>")[0] for svg in svgs).lower()
        assert "var(--high)" in drawn
        assert "currentcolor" in drawn
        for colour in ("#000000", "#ffffff", "#0072b2", "#d55e00"):
            assert colour not in drawn
        assert ">significance</text>" in drawn

    def test_what_a_name_holds_is_no_html(self):
        mask = replace(mask_of(), name="</script><script>alert(1)</script>&\"'")
        html = html_of(mask)
        assert "<script>alert" not in html
        assert numbers_in(html)["name"] == mask.name

    @settings(max_examples=15)  # each is drawn
    @given(masks())
    def test_every_mask_has_a_page(self, mask):
        html = html_of(replace(mask, members=()))
        numbers = json.loads(NUMBERS.search(html)[1], parse_constant=pytest.fail)  # NaN is no JSON
        assert numbers["flagged"] == mask.flags.sum()
        assert html.count("<html") == html.count("</html>") == 1

    def test_a_whole_detector_takes_seconds_and_megabytes(self):
        """Of processor time, imports included: other programs may be running."""
        path = observed("MIRIFUSHORT", (1024, 1032), "sigma")[1].mask_file
        code = (
            "import sys, time, badpix_selfcal as bps; mask = bps.Mask.read(sys.argv[1]); "
            "begin = time.process_time(); from badpix_selfcal.look.page import page_of; "
            "page, _ = page_of(mask); print(time.process_time() - begin, len(page))"
        )
        command = [sys.executable, "-c", code, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, size = map(float, done.stdout.split())
        assert seconds < 5
        assert size < 9e6

    @pytest.mark.parametrize("cut", ["sigma", "fraction"])
    def test_the_table_has_a_verdict_for_each_check(self, cut):
        mask = replace(mask_of("MIRIFULONG", (96, 640), cut), dq=None)
        html = html_of(mask)
        table = html[html.index("All numbers") : html.index("</details>")]
        assert f"of {table.count('<tr><td><span')} checks" in numbers_in(html)["why"]
        assert "<tr><td>not checked</td><td>flags that DQ had before</td>" in table

    @pytest.mark.filterwarnings("ignore:.*page does not show 4 exposures")
    def test_groups_that_are_left_are_counted_listed_and_marked(self):
        html = html_of(left_alone(good_mask()))
        (place,) = numbers_in(html)["sharp_left_at"]
        texts = Cells(html).texts
        assert (texts["sharp_left"], texts["sharp_left_pixels"]) == (["1"], ["9"])
        assert "1 group of 9 pixels above 20 times the noise" in html
        assert f'"left": [[{place["column"]}, {place["row"]}]]' in html
        section = html[html.index('id="left"') : html.index("Spectrum of a slice")]
        pixel = f'data-pixel="{place["row"] * MRS[1] + place["column"]}"'
        assert section.count(pixel) == 2  # picture and list
        assert GROUP[0].start <= place["row"] < GROUP[0].stop

    def test_what_is_wrong_with_exposures_is_in_their_table(self):
        mask = mask_of()
        first, second, third, *rest = mask.members
        members = (
            replace(first, is_constant=True, later="S_FLAT = COMPLETE"),
            replace(second, same_as=first.exposure),
            replace(third, problem="no pedestal", pedestal=float("nan")),
            *rest,
        )
        html = html_of(replace(mask, members=members))
        said = "its SCI holds one value only; has passed later steps (S_FLAT = COMPLETE)"
        assert f"<td>{said}</td>" in html
        assert f"<td>its SCI is that of {first.exposure.name}</td>" in html
        assert "<td>no pedestal</td>" in html
        assert "<b>copies of another exposure: 1</b> (LOOK)" in html

    def test_a_share_is_one_number_everywhere(self, tmp_path, capsys):
        given = [observed()[1].mask_file, observed("NRS1", (96, 128))[1].mask_file]
        made = bps.report(given, output_dir=tmp_path)
        assert main(["report", *map(str, given), "--output-dir", str(tmp_path), "--json",
                     "--overwrite"]) == 0  # fmt: skip
        told = json.loads(capsys.readouterr().out)["groups"]
        for path, group, said in zip(given, made.groups, told, strict=True):
            share = bps.Mask.read(path).bad_pixels.share
            assert group.judgement.numbers["share"] == said["numbers"]["share"] == share
            assert f"({share:g} %)" in repr(bps.Mask.read(path))
            assert f"{share:g} % of the " in group.page.read_text()
            assert f'<td class="n">{share:g}</td>' in made.index.read_text()
            note = look.mask(bps.Mask.read(path)).texts[0].get_text()
            assert f"{share:g} % flagged" in note


def with_wavelengths(path, to, kind):
    """Copy an exposure, with wavelengths from 5 µm on along its rows, .01 µm each."""
    with fits.open(path) as hdus:
        rows, columns = hdus["SCI"].data.shape
        if kind == "extension":
            image = np.broadcast_to(5 + 0.01 * np.arange(rows)[:, np.newaxis], (rows, columns))
            hdus.append(fits.ImageHDU(image.astype("f4"), name="WAVELENGTH"))
        else:
            cards = {"CTYPE1": "LINEAR", "CTYPE2": "WAVE", "CUNIT2": "um", "CRPIX2": 1.0}
            hdus["SCI"].header.update(cards | {"CRVAL2": 5.0, "CDELT2": 0.01})
        hdus.writeto(to)


class TestExposures:
    @pytest.mark.parametrize("kind", ["extension", "WCS"])
    def test_wavelengths_are_those_of_the_file(self, tmp_path, kind):
        mask = mask_of()
        first, *others = mask.members
        assert first.role == "science"
        copy = tmp_path / first.exposure.name
        with_wavelengths(first.exposure, copy, kind)
        html = html_of(replace(mask, members=(replace(first, exposure=copy), *others)))
        found = settings_in(html)["wavelengths"]
        assert len(found) == len(shown.slices_of(mask).names)
        np.testing.assert_allclose(found, [5 + 0.01 * np.arange(96)] * len(found), rtol=1e-5)
        assert settings_in(html_of(mask))["wavelengths"] is None

    def test_the_colours_of_the_science_exposure_are_its_own(self):
        mask = mask_of("NRS1", (96, 128))
        found = {each["name"]: each["limits"] for each in settings_in(html_of(mask))["panels"]}
        first = mask.members[0]
        image = fits.getdata(first.exposure, "SCI") - (first.pedestal or 0.0)
        sample = image.ravel()[:: page.SAMPLE]
        limits = np.percentile(sample[np.isfinite(sample)], (1, 99))
        np.testing.assert_allclose(found["science"], limits, rtol=1e-5)
        assert found["science"][1] > found["minimum"][1]

    def test_without_them_it_shows_the_minimum(self, tmp_path):
        mask = mask_of()
        gone = tuple(replace(each, exposure=tmp_path / each.exposure.name) for each in mask.members)
        with pytest.warns(bps.SelfcalWarning, match=f"page does not show 4 .*: {tmp_path}/"):
            html = html_of(replace(mask, members=gone))
        assert "Only the minimum is shown." in html
        assert str(tmp_path / gone[0].exposure.name) in html
        assert '"exposures": []' in html

    @pytest.mark.parametrize(
        ("change", "said", "times"),
        [
            (lambda data: data - 5, "has changed since the mask was found", 2),  # cuts, table
            (lambda data: data[:50], "SCI has shape (50, 640), the mask (96, 640)", 2),
        ],
    )
    def test_one_that_has_changed_is_not_shown(self, tmp_path, change, said, times):
        mask = mask_of()
        first, *others = mask.members
        changed = tmp_path / first.exposure.name
        with fits.open(first.exposure) as hdus:
            hdus["SCI"].data = change(hdus["SCI"].data)
            hdus.writeto(changed)
        with pytest.warns(bps.SelfcalWarning, match="page does not show 1 exposure"):
            html = html_of(replace(mask, members=(replace(first, exposure=changed), *others)))
        assert html.count(f"{changed}: {said}") == times

    def test_the_page_says_for_how_many_pixels_it_holds_them(self, monkeypatch):
        mask = mask_of()
        note = "The page holds the exposures for {} of {} flagged, borderline and left pixels"
        flags = {*np.flatnonzero(mask.flags).tolist()}
        near = {*shown.near_cuts(mask.bad_pixels).tolist(), *shown.borderline(mask.bad_pixels)}
        number = len(flags | near)
        assert note.format(number, number) in html_of(mask)
        monkeypatch.setattr(shown, "MOST_SAMPLES", 3 * shown.SAMPLES * len(mask.members))
        assert note.format(3, number) in html_of(mask)

    def test_strips_are_the_exposures_minus_their_pedestals(self):
        mask = mask_of()
        pixels = shown.flagged_first(mask.bad_pixels)[:50]
        strips = shown.strips_of(mask, pixels)
        assert len(strips.names) == len(mask.members) > 2
        middle = strips.values[:, :, shown.ALONG]
        for member, values in zip(mask.members, middle, strict=True):
            image = fits.getdata(member.exposure, "SCI") - member.pedestal
            np.testing.assert_allclose(values, image.ravel()[pixels], rtol=1e-5, atol=1e-6)
        least = mask.minimum.ravel()[pixels]
        np.testing.assert_allclose(np.nanmin(middle, axis=0), least, rtol=1e-5, atol=1e-6)


class TestLayers:
    """Arrays in a page, as its script unpacks them."""

    def unpacked(self, layer, dtype):
        about = json.loads(layer.partition("data-about='")[2].partition("'")[0])
        text = layer.partition(">")[2].partition("<")[0]
        raw = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
        planes = raw.reshape(about["bytes"], -1).T
        return np.ascontiguousarray(planes).view(dtype).ravel(), about

    @given(
        arrays(
            np.float32,
            st.tuples(st.integers(1, 9), st.integers(1, 9)),
            elements=st.floats(-1e6, 1e6, width=32) | st.sampled_from([np.nan, np.inf, -np.inf]),
        ),
        st.floats(1e-3, 1e3),
    )
    def test_floats_are_as_exact_as_documented(self, values, scatter):
        codes, about = self.unpacked(layers.float_layer("x", values, scatter), "<u2")
        knee, step, values = about["knee"], about["step"], values.ravel()
        found = knee * np.sinh((codes.astype("f8") - 32768) * (step / knee))
        np.testing.assert_array_equal(codes == 0, np.isnan(values))
        np.testing.assert_array_equal(codes == 1, np.isneginf(values))
        np.testing.assert_array_equal(codes == 65535, np.isposinf(values))
        finite = np.isfinite(values)
        size = abs(values[finite].astype("f8"))
        allowed = layers.STEP * scatter / 2 + layers.STEP / layers.KNEE / 2 * size
        assert np.all(abs(found[finite] - values[finite]) <= allowed * 1.02 + 1e-6 * size)

    @given(arrays(np.float32, (3, 7), elements=st.floats(0, 1e6, width=32) | st.just(np.nan)))
    def test_growth_keeps_what_is_small_and_what_is_large(self, values):
        codes, about = self.unpacked(layers.growth_layer("x", values, 0.5), "u1")
        values, known = values.ravel(), codes > 0
        np.testing.assert_array_equal(~known, np.isnan(values))
        found = about["knee"] * np.sinh((codes[known] - 1.0) * about["step"])
        assert np.all(abs(found - values[known]) <= 0.04 * values[known] + 0.04)

    @given(arrays(np.uint32, (4, 5), elements=st.integers(0, 2**32 - 1)))
    def test_bits_keep_all_words(self, words):
        layer = layers.bits_layer("dq", words)
        size = json.loads(layer.partition("data-about='")[2].partition("'")[0])["bytes"]
        codes, about = self.unpacked(layer, f"<u{size}")
        found = np.zeros(words.size, np.uint64)
        for place, bit in enumerate(about["bits"]):
            found |= (codes.astype(np.uint64) >> np.uint64(place) & np.uint64(1)) << np.uint64(bit)
        np.testing.assert_array_equal(found, words.ravel())

    def test_the_names_of_the_bits_are_those_of_jwst(self):
        flags = pytest.importorskip("stdatamodels.jwst.datamodels.dqflags").pixel
        assert all(flags[name] == 1 << bit for bit, name in enumerate(NAMES))


class TestFiles:
    def test_a_mask_file_and_the_copy_beside_it_have_the_same_page(self, tmp_path):
        result = observed()[1]
        by_mask = bps.report(result.mask_file, output_dir=tmp_path / "mask")
        by_copy = bps.report([result.science], output_dir=tmp_path / "copy")
        both = bps.report([result.science, result.mask_file], output_dir=tmp_path / "both")
        assert both.index is None
        for made in (by_mask, by_copy, both):
            (group,) = made.groups
            assert group.page.name == f"{result.name}_badpix_selfcal_report.html"
            assert group.verdict == by_mask.groups[0].verdict
            numbers = numbers_in(group.page.read_text())
            assert numbers == numbers_in(by_mask.groups[0].page.read_text())
            assert [path.name for path in group.page.parent.iterdir()] == [group.page.name]

    def test_several_masks_have_a_page_that_lists_them(self, tmp_path):
        given = [observed()[1].mask_file, observed("NRS1", (96, 128))[1].mask_file]
        made = bps.report(given, output_dir=tmp_path)
        text = made.index.read_text()
        for group in made.groups:
            assert f'href="{group.page.name}"' in text
            assert f'<td class="n">{group.judgement.numbers["flagged"]}</td>' in text
            assert f">{group.verdict}</span> {group.judgement.why}</td>" in text
            assert not {each.name for each in group.judgement.reasons} & {*WORDS.findall(text)}
        names = [made.index.name, *(group.page.name for group in made.groups)]
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
        assert made.index.name in repr(made)

    def test_a_copy_without_a_mask_says_what_to_do(self, tmp_path):
        copy = tmp_path / observed()[1].science.name
        shutil.copy(observed()[1].science, copy)
        with pytest.raises(bps.MaskError, match=r"no mask beside it .*`save_mask` .*or `report`"):
            bps.report(copy, output_dir=tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_wrong_inputs(self, tmp_path):
        with pytest.raises(bps.MaskError, match="nowhere"):
            bps.report(tmp_path / "nowhere.fits", output_dir=tmp_path / "out")
        with pytest.raises(ValueError, match="results is empty"):
            bps.report([], output_dir=tmp_path / "out")
        mask = observed()[1].mask_file
        other = tmp_path / mask.name
        shutil.copy(mask, other)
        with pytest.raises(ValueError, match="have pages of the same names"):
            bps.report([mask, other], output_dir=tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_an_existing_page_is_replaced_only_if_asked(self, tmp_path):
        mask = observed()[1].mask_file
        (group,) = bps.report(mask, output_dir=tmp_path).groups
        group.page.write_text("mine")
        with pytest.raises(FileExistsError, match="set `overwrite` to replace it"):
            bps.report(mask, output_dir=tmp_path)
        assert group.page.read_text() == "mine"
        bps.report(mask, output_dir=tmp_path, overwrite=True)
        assert numbers_in(group.page.read_text())["flagged"] > 0

    @pytest.mark.parametrize("missing", ["bokeh", "matplotlib"])
    def test_without_the_extra_the_error_names_it(self, tmp_path, monkeypatch, missing):
        def find(name, *_):
            return None if name == missing else importlib.util.find_spec(name)

        page.require_extra.cache_clear()
        monkeypatch.setattr(look, "find_spec", find)
        said = (
            f"a page needs {missing}, which is not installed: "
            r'pip install "badpix-selfcal\[report\]"'
        )
        with pytest.raises(RuntimeError, match=said):
            bps.report(observed()[1].mask_file, output_dir=tmp_path / "out")
        with pytest.raises(RuntimeError, match=said):
            bps.selfcal(observed()[0].associations[0], output_dir=tmp_path / "out", report=True)
        assert not (tmp_path / "out").exists()

    @pytest.mark.skipif(sys.platform != "linux", reason="files have no such names")
    def test_a_name_that_is_no_unicode(self, tmp_path, monkeypatch):
        observation(tmp_path)
        monkeypatch.chdir(tmp_path)
        odd = os.fsdecode(b"sci\xff_rate.fits")
        (tmp_path / "sci0_rate.fits").rename(odd)
        result = bps.selfcal(odd, background="bkg*_rate.fits", output_dir="out", report=True)
        assert "sci?_rate.fits" in result.page.read_text(encoding="utf-8")


class TestRuns:
    def test_selfcal_writes_the_page_with_the_copies(self, tmp_path):
        made = bps.selfcal(
            observed()[0].associations[0], output_dir=tmp_path, cut="sigma", report=True
        )
        assert made.page == tmp_path / f"{made.name}_badpix_selfcal_report.html"
        facts = numbers_in(made.page.read_text())
        assert facts["flagged"] == made.bad_pixels.mask.sum()
        assert sorted(tmp_path.iterdir()) == sorted([made.page, made.science])
        assert facts_in(made.page) == facts
        assert facts["why"] in made.page.read_text()
        assert observed()[1].page is None

    def test_what_is_no_page_has_no_verdict(self, tmp_path):
        assert facts_in(tmp_path / "missing.html") is None
        (tmp_path / "other.html").write_text("mine")
        assert facts_in(tmp_path / "other.html") is None

    def test_batch_writes_pages_and_their_list_and_keeps_them(self, tmp_path):
        (tmp_path / "data").mkdir()
        for which in (("MIRIFULONG", (96, 640)), ("NRS1", (96, 128))):
            files = observed(*which, "sigma")[0]
            for path in (*files.science, *files.background):
                shutil.copy(path, tmp_path / "data" / path.name)
        how = {"output_dir": tmp_path / "out", "cut": "sigma", "report": True}
        made = bps.batch(tmp_path / "data", **how)
        pages = [each.page for each in made]
        assert len(pages) == 2
        assert made.index == tmp_path / "out" / "badpix_selfcal_report.html"
        assert all(f'href="{each.name}"' in made.index.read_text() for each in pages)
        time = pages[0].stat().st_mtime_ns
        pages[1].write_bytes(pages[1].read_bytes()[:-100])
        again = bps.batch(tmp_path / "data", **how, resume=True)
        assert again.index == made.index
        assert pages[0].stat().st_mtime_ns == time
        assert pages[1].read_text().endswith("</html>\n")  # the damaged page is made again

    def test_a_list_of_pages_that_cannot_be_written_is_a_warning(self, tmp_path):
        (tmp_path / "data").mkdir()
        for which in (("MIRIFULONG", (96, 640)), ("NRS1", (96, 128))):
            for path in observed(*which, "sigma")[0].science:
                shutil.copy(path, tmp_path / "data" / path.name)
        (tmp_path / "out" / "badpix_selfcal_report.html").mkdir(parents=True)
        with pytest.warns(bps.SelfcalWarning, match=r"badpix_selfcal_report\.html"):
            made = bps.batch(
                tmp_path / "data", output_dir=tmp_path / "out", cut="sigma", report=True
            )
        assert made.index is None
        assert {each.status for each in made} == {"COMPLETE"}
