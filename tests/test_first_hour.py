"""What a new user types in the first hour, and word for word what the installed command prints.

The transcripts play in the folder of a simulation, one after the other in each class.
"""

from __future__ import annotations

from .transcripts import facts, play


def test_an_output_exists(demo):
    transcript = """\
$ badpix-selfcal run sci_rate.fits --background sky_rate.fits --quiet
$ badpix-selfcal run sci_rate.fits --background sky_rate.fits --quiet
badpix-selfcal: error: sci_badpix_selfcal.fits exists already; pass --overwrite to replace it, or choose another output folder
[exit status 1]
$ badpix-selfcal run sci_rate.fits --background sky_rate.fits --overwrite --quiet
"""
    assert play(transcript, demo) == transcript


def test_associations_that_exist_are_listed(demo):
    group = "(MIRIFUSHORT GENERIC 12: 1 science, 2 background, 4 selfcal)"
    transcript = f"""\
$ rm s*_rate.fits *_00002_*_asn.json
$ badpix-selfcal associate . --dry-run
exists          jw09999001001_02101_00001_mirifushort_spec2_asn.json  {group}
would write     jw09999001001_02101_00002_mirifushort_spec2_asn.json  {group}
$ badpix-selfcal associate . --dry-run --overwrite
would replace   jw09999001001_02101_00001_mirifushort_spec2_asn.json  {group}
would write     jw09999001001_02101_00002_mirifushort_spec2_asn.json  {group}
$ badpix-selfcal associate .
badpix-selfcal: error: jw09999001001_02101_00001_mirifushort_spec2_asn.json exists already; pass --overwrite to replace it, or choose another output folder
[exit status 1]
$ ls *.json
jw09999001001_02101_00001_mirifushort_spec2_asn.json
"""
    assert play(transcript, demo) == transcript


RUN_USAGE = "usage: badpix-selfcal run [OPTION ...] INPUT"
LISTS = "'badpix-selfcal run --help' lists the options\n[exit status 2]"


def test_wrong_usage_names_the_command_and_what_was_meant(demo):
    transcript = f"""\
$ badpix-selfcal run sci_rate.fits --background sky_rate.fits other_rate.fits
{RUN_USAGE}
badpix-selfcal run: error: --background takes one FILE at a time, and other_rate.fits is one more: repeat --background for each, or quote a pattern
{LISTS}
$ badpix-selfcal run --background sky_rate.fits other_rate.fits sci_rate.fits
{RUN_USAGE}
badpix-selfcal run: error: --background takes one FILE at a time, and sci_rate.fits is one more: repeat --background for each, or quote a pattern
{LISTS}
$ badpix-selfcal run sci_rate.fits --kernal-size 9
{RUN_USAGE}
badpix-selfcal run: error: no such option: --kernal-size; did you mean --kernel-size?
{LISTS}
$ badpix-selfcal run sci_rate.fits --kernel-size 8
{RUN_USAGE}
badpix-selfcal run: error: argument --kernel-size: the value must be odd, got 8
{LISTS}
$ badpix-selfcal run sci_rate.fits --kernel-size nine
{RUN_USAGE}
badpix-selfcal run: error: argument --kernel-size: the value must be a whole number, got nine
{LISTS}
$ badpix-selfcal run sci_rate.fits --sigma-upper five
{RUN_USAGE}
badpix-selfcal run: error: argument --sigma-upper: the value must be a number, got five
{LISTS}
$ badpix-selfcal run sci_rate.fits --nope
{RUN_USAGE}
badpix-selfcal run: error: no such option: --nope
{LISTS}
$ badpix-selfcal run sci_rate.fits sky_rate.fits
{RUN_USAGE}
badpix-selfcal run: error: one argument too many: sky_rate.fits; 'badpix-selfcal batch' takes many exposures
{LISTS}
$ badpix-selfcal -v run sci_rate.fits
{RUN_USAGE}
badpix-selfcal run: error: -v stands before the command; write badpix-selfcal run ... -v
{LISTS}
"""
    assert play(transcript, demo) == transcript


def test_a_command_that_is_missing_or_unknown(demo):
    usage = "usage: badpix-selfcal COMMAND [OPTION ...] ..."
    lists = "'badpix-selfcal --help' lists the commands\n[exit status 2]"
    transcript = f"""\
$ badpix-selfcal
{usage}
badpix-selfcal: error: no command given
{lists}
$ badpix-selfcal -v
{usage}
badpix-selfcal: error: no command given; options stand after it, and --version prints the version
{lists}
$ badpix-selfcal bach .
{usage}
badpix-selfcal: error: no such command: bach; did you mean batch?
{lists}
"""
    assert play(transcript, demo) == transcript


def test_a_pattern_stands_for_several_backgrounds(demo):
    transcript = """\
$ badpix-selfcal run sci_rate.fits --background 'jw*2001_*_rate.fits'
sci: COMPLETE
  member    sci_rate.fits  pedestal 0.0128321
  member    jw09999002001_02101_00001_mirifushort_rate.fits  pedestal 0.00377237
  member    jw09999002001_02101_00002_mirifushort_rate.fits  pedestal -0.000871569
  dispaxis  2 (along y), kernel 15
  cuts      residual below -0.0725314 or above 3.16084
  flagged   61 low + 61 high = 122 pixels in 114 groups (0.199 %)
  written   sci_badpix_selfcal.fits
look      --report shows the flags on a page; --save-mask keeps the mask to plot
next      strun calwebb_spec2 sci_badpix_selfcal.fits
$ badpix-selfcal run sci_rate.fits --background 'no*_rate.fits'
badpix-selfcal: error: no*_rate.fits: no file matches this pattern
[exit status 1]
"""
    assert play(transcript, demo) == transcript


def test_the_table_of_a_batch_accounts_for_every_exposure(demo):
    transcript = """\
$ rm s*_rate.fits; echo junk > junk_rate.fits
$ badpix-selfcal batch . --output-dir out
badpix-selfcal: error: junk_rate.fits: is not a FITS file, nor one compressed by gzip
group                   exposures  complete  skipped  kept  failed  background  flagged pixels
MIRIFUSHORT GENERIC 12  4          2         0        0     0       2           61 low + 61 high
unreadable              1          0         0        0     1       0           -
written   2 files in out: <exposure>_badpix_selfcal.fits
next      correct what failed, then repeat it with --resume
[exit status 1]
$ rm junk_rate.fits; badpix-selfcal batch . --output-dir out --resume
group                   exposures  complete  skipped  kept  failed  background  flagged pixels
MIRIFUSHORT GENERIC 12  4          0         0        2     0       2           -
written   0 files in out (2 kept)
next      strun calwebb_spec2 FILE, for each of the 2 files
$ badpix-selfcal batch . --save-flagged-bkg --group-by band
group                         exposures  complete  skipped  kept  failed  background  flagged pixels
MIRIFUSHORT GENERIC 12 SHORT  4          4         0        0     0       0           61 low + 61 high
written   4 files in the current directory: <exposure>_badpix_selfcal.fits
look      --report shows the flags on a page; --save-mask keeps the mask to plot
next      strun calwebb_spec2 FILE, for each of the 4 files
$ ls out | wc -l; ls *_badpix_selfcal.fits | wc -l
2
4
"""
    assert play(transcript, demo) == transcript


def test_a_folder_a_file_and_a_cube_in_the_wrong_place(demo):
    code = (
        "import numpy; from astropy.io import fits; "
        "h = fits.open('sci_rate.fits'); h['SCI'].data = numpy.ones((3, 9, 9), 'f4'); "
        "h.writeto('sci_s3d.fits')"
    )
    transcript = f"""\
$ badpix-selfcal run .
badpix-selfcal: error: .: is a folder; use badpix-selfcal batch
[exit status 1]
$ badpix-selfcal run sci_rate.fits --background sky_rate.fits --output-dir sky_rate.fits
badpix-selfcal: error: sky_rate.fits: is a file; give a folder for the outputs
[exit status 1]
$ badpix-selfcal batch . --output-dir sky_rate.fits/out
badpix-selfcal: error: sky_rate.fits: is a file; give a folder for the outputs
[exit status 1]
$ python -c "{code}"; badpix-selfcal run sci_s3d.fits --background sky_rate.fits
badpix-selfcal: error: sci_s3d.fits: SCI must be 2-D, got shape (3, 9, 9); _s3d is a spectral cube: take the rate image (_rate)
[exit status 1]
"""
    assert play(transcript, demo) == transcript


class TestJson:
    """With --json there is always a report, and it says how the command ended."""

    def test_a_skipped_run_has_its_warning(self, demo):
        found = facts("badpix-selfcal run sci_rate.fits --json --quiet", demo)
        assert [product["status"] for product in found["products"]] == ["SKIPPED"]
        (warning,) = found["warnings"]
        assert warning.startswith("sci_rate.fits: no selfcal or background exposures")
        assert "--force-single" in warning
        assert found["errors"] == []

    def test_an_error(self, demo):
        found = facts("badpix-selfcal run nowhere.fits --json", demo)
        assert found["exit_status"] == 1
        assert found["errors"] == ["nowhere.fits: no such file or folder"]

    def test_wrong_usage(self, demo):
        found = facts("badpix-selfcal run sci_rate.fits --kernal-size 9 --json", demo)
        assert found["exit_status"] == 2
        assert found["errors"] == ["no such option: --kernal-size; did you mean --kernel-size?"]

    def test_a_failed_exposure_of_a_batch(self, demo):
        (demo / "junk_rate.fits").write_text("junk")
        found = facts("badpix-selfcal batch . --output-dir out --json", demo)
        assert found["exit_status"] == 1
        assert found["errors"] == ["junk_rate.fits: is not a FITS file, nor one compressed by gzip"]
        assert found["statuses"]["COMPLETE"] == 3
        assert sum(found["statuses"].values()) == 7

    def test_a_run_without_trouble(self, demo):
        found = facts("badpix-selfcal associate . --output-dir out --json", demo)
        assert (found["exit_status"], found["warnings"], found["errors"]) == (0, [], [])
        assert len(found["associations"]) == 3
