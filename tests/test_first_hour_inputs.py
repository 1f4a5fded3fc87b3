"""What a new user gives as inputs in the first hour, and word for word what is printed.

The transcripts play in a copy of the folder of a simulation (`demo`).
"""

from __future__ import annotations

import pytest
from astropy.io import fits

from .transcripts import play


def crop(folder, given, name, rows):
    """Copy an exposure with fewer rows."""
    with fits.open(folder / given) as hdus:
        for hdu in hdus[1:]:
            if hdu.data is not None and hdu.data.ndim == 2:
                hdu.data = hdu.data[:rows]
        hdus.writeto(folder / name)


def test_one_exposure_is_not_enough(demo):
    transcript = """\
$ rm jw*; badpix-selfcal run sci_rate.fits
badpix-selfcal: warning: sci_rate.fits: no selfcal or background exposures for sci, step skipped: no pixel is flagged, no file is written (--copy-skipped writes unflagged copies). Add exposures of the same detector (--background), or pass --force-single to use the science exposure alone (generally not recommended)
sci: SKIPPED, no pixel is flagged
  member    sci_rate.fits
  written   nothing
next      nothing was flagged: add exposures of the same detector (--background)
[exit status 3]
$ ls
sci_rate.fits
sky_rate.fits
$ badpix-selfcal run sci_rate.fits --background sky_rate.fits
sci: COMPLETE
  member    sci_rate.fits  pedestal 0.0128321
  member    sky_rate.fits  pedestal 0.00377237
  dispaxis  2 (along y), kernel 15
  cuts      residual below -0.0795078 or above 3.16382
  flagged   61 low + 61 high = 122 pixels in 113 groups (0.199 %)
  written   sci_badpix_selfcal.fits
look      --report shows the flags on a page; --save-mask keeps the mask to plot
next      strun calwebb_spec2 sci_badpix_selfcal.fits
$ badpix-selfcal run sci_rate.fits --output-dir copies --copy-skipped --quiet; echo $?; ls copies
3
sci_badpix_selfcal.fits
$ badpix-selfcal batch sci_rate.fits --output-dir alone
badpix-selfcal: warning: sci_rate.fits: no selfcal or background exposures for MIRIFUSHORT GENERIC 12, step skipped: no pixel is flagged, no file is written (--copy-skipped writes unflagged copies). Add exposures of the same detector (--background), or pass --force-single to use the science exposure alone (generally not recommended)
group                   exposures  complete  skipped  kept  failed  background  flagged pixels
MIRIFUSHORT GENERIC 12  1          0         1        0     0       0           -
written   0 files in alone
next      nothing was flagged: add exposures of the same detector (--background)
[exit status 3]
"""
    assert play(transcript, demo) == transcript


def test_an_exposure_is_no_company_for_itself(demo):
    transcript = """\
$ badpix-selfcal run sci_rate.fits --background sci_rate.fits
badpix-selfcal: warning: sci_rate.fits: is compared with itself only, so light of the target may be flagged; add other exposures of the same detector (--background)
sci: COMPLETE
  member    sci_rate.fits  pedestal 0.0128321
  dispaxis  2 (along y), kernel 15
  cuts      residual below -0.119688 or above 3.96657
  flagged   61 low + 61 high = 122 pixels in 78 groups (0.199 %)
  written   sci_badpix_selfcal.fits
look      --report shows the flags on a page; --save-mask keeps the mask to plot
next      strun calwebb_spec2 sci_badpix_selfcal.fits
$ badpix-selfcal run sci_rate.fits --force-single --overwrite --quiet
"""
    assert play(transcript, demo) == transcript


def test_inputs_that_do_not_exist(demo):
    transcript = """\
$ rm jw*; mkdir data; badpix-selfcal batch dta
badpix-selfcal: error: dta: no such file or folder; did you mean data?
[exit status 1]
$ badpix-selfcal associate elsewhere
badpix-selfcal: error: elsewhere: no such file or folder
[exit status 1]
$ badpix-selfcal batch data
badpix-selfcal: error: data: this folder holds no *_rate.fits; name the exposures one by one
[exit status 1]
$ badpix-selfcal run sci_rte.fits
badpix-selfcal: error: sci_rte.fits: no such file or folder; did you mean sci_rate.fits or sky_rate.fits?
[exit status 1]
$ badpix-selfcal run sci_rate.fits --background sy_rate.fits
badpix-selfcal: error: sy_rate.fits: no such file or folder; did you mean sky_rate.fits or sci_rate.fits?
[exit status 1]
$ python -c "import badpix_selfcal as bps; bps.batch('dta')" 2>&1 | tail -1
badpix_selfcal.errors.ExposureError: dta: no such file or folder; did you mean data?
"""
    assert play(transcript, demo) == transcript


def test_exposure_types_of_an_association(demo):
    transcript = """\
$ mv jw*1001_*_00001_*_asn.json asn.json; sed s/background/backgroud/ asn.json > typo_asn.json
$ badpix-selfcal run typo_asn.json
badpix-selfcal: error: typo_asn.json: product 0, member 1 (jw09999002001_02101_00001_mirifushort_rate.fits): the exptype 'backgroud' is not known; use science, background or selfcal (known but not used here: autoflat, autowave, dark, direct_image, engineering, flat, imprint, psf, segmap, sourcecat, target_acquisition)
[exit status 1]
$ sed s/background/imprint/ asn.json > imprint_asn.json
$ badpix-selfcal run imprint_asn.json
jw09999001001_02101_00001_mirifushort: COMPLETE
  member    jw09999001001_02101_00001_mirifushort_rate.fits  pedestal 0.0128321
  member    jw09999001001_02101_00002_mirifushort_rate.fits  pedestal 0.00513949
  unused    jw09999002001_02101_00001_mirifushort_rate.fits (imprint)
  unused    jw09999002001_02101_00002_mirifushort_rate.fits (imprint)
  dispaxis  2 (along y), kernel 15
  cuts      residual below -0.0876592 or above 3.16226
  flagged   61 low + 61 high = 122 pixels in 111 groups (0.199 %)
  written   jw09999001001_02101_00001_mirifushort_badpix_selfcal.fits
look      --report shows the flags on a page; --save-mask keeps the mask to plot
next      strun calwebb_spec2 jw09999001001_02101_00001_mirifushort_badpix_selfcal.fits
"""
    assert play(transcript, demo) == transcript


def test_an_exposure_of_another_shape_fails_alone(demo):
    crop(demo, "sci_rate.fits", "odd_rate.fits", 90)
    transcript = """\
$ rm s*_rate.fits; badpix-selfcal batch . --output-dir out
badpix-selfcal: error: odd_rate.fits: SCI has shape (90, 640), 4 others of the same group (MIRIFUSHORT GENERIC 12) have (96, 640); process it separately
group                   exposures  complete  skipped  kept  failed  background  flagged pixels
MIRIFUSHORT GENERIC 12  5          2         0        0     1       2           61 low + 61 high
written   2 files in out: <exposure>_badpix_selfcal.fits
next      correct what failed, then repeat it with --resume
[exit status 1]
$ ls out
jw09999001001_02101_00001_mirifushort_badpix_selfcal.fits
jw09999001001_02101_00002_mirifushort_badpix_selfcal.fits
"""
    assert play(transcript, demo) == transcript


def test_a_group_without_a_majority_fails(demo):
    crop(demo, "sci_rate.fits", "odd_rate.fits", 90)
    transcript = """\
$ rm jw*; badpix-selfcal batch odd_rate.fits sky_rate.fits --output-dir out
badpix-selfcal: error: sky_rate.fits: SCI has shape (96, 640), that of odd_rate.fits of the same group (MIRIFUSHORT GENERIC 12) has (90, 640). No shape has the majority, so the group is not processed; process each shape separately
group                   exposures  complete  skipped  kept  failed  background  flagged pixels
MIRIFUSHORT GENERIC 12  2          0         0        0     2       0           -
written   0 files in out
next      correct what failed, then repeat it with --resume
[exit status 1]
$ find . -name '*_badpix_selfcal.fits'
"""
    assert play(transcript, demo) == transcript


def test_resuming_with_other_parameters(demo):
    transcript = """\
$ rm s*_rate.fits; badpix-selfcal batch . --output-dir out --quiet
$ badpix-selfcal batch . --output-dir out --resume --kernel-size 9
badpix-selfcal: error: out/jw09999001001_02101_00001_mirifushort_badpix_selfcal.fits: was made with --kernel-size 15 (now 9); outputs that differ: 2. To continue, give the same parameters; otherwise pass --overwrite too, or choose another output folder
[exit status 1]
$ badpix-selfcal batch . --output-dir out --resume --spare-crowded
badpix-selfcal: error: out/jw09999001001_02101_00001_mirifushort_badpix_selfcal.fits: was made with no --spare-crowded (now set); outputs that differ: 2. To continue, give the same parameters; otherwise pass --overwrite too, or choose another output folder
[exit status 1]
$ badpix-selfcal batch . --output-dir out --resume
group                   exposures  complete  skipped  kept  failed  background  flagged pixels
MIRIFUSHORT GENERIC 12  4          0         0        2     0       2           -
written   0 files in out (2 kept)
next      strun calwebb_spec2 FILE, for each of the 2 files
$ badpix-selfcal batch . --output-dir out --resume --kernel-size 9 --overwrite
group                   exposures  complete  skipped  kept  failed  background  flagged pixels
MIRIFUSHORT GENERIC 12  4          2         0        0     0       2           61 low + 61 high
written   2 files in out: <exposure>_badpix_selfcal.fits
look      --report shows the flags on a page; --save-mask keeps the mask to plot
next      strun calwebb_spec2 FILE, for each of the 2 files
$ python -c "import badpix_selfcal as bps; bps.batch('.', output_dir='out', resume=True)" 2>&1 | tail -1
FileExistsError: out/jw09999001001_02101_00001_mirifushort_badpix_selfcal.fits: was made with kernel_size=9 (now 15); outputs that differ: 2. To continue, give the same parameters; otherwise pass overwrite=True too, or choose another output folder
"""
    assert play(transcript, demo) == transcript


def test_exposures_that_are_probably_not_meant(demo):
    fits.setval(
        demo / "jw09999001001_02101_00001_mirifushort_rate.fits", "S_PHOTOM", value="COMPLETE"
    )
    (demo / "jw09999001001_02101_00001_mirifushort_rate.fits").rename(demo / "a_rate.fits")
    fits.setval(
        demo / "jw09999001001_02101_00002_mirifushort_rate.fits", "EXP_TYPE", value="MIR_IMAGE"
    )
    (demo / "jw09999001001_02101_00002_mirifushort_rate.fits").rename(demo / "b_rate.fits")
    transcript = """\
$ cp sci_rate.fits sci_cal.fits; badpix-selfcal run sci_cal.fits --background sky_rate.fits
badpix-selfcal: warning: sci_cal.fits: later steps of the pipeline have changed the samples; this step takes rates (_rate)
sci: COMPLETE
  member    sci_cal.fits  pedestal 0.0128321
  member    sky_rate.fits  pedestal 0.00377237
  dispaxis  2 (along y), kernel 15
  cuts      residual below -0.0795078 or above 3.16382
  flagged   61 low + 61 high = 122 pixels in 113 groups (0.199 %)
  written   sci_badpix_selfcal.fits
look      --report shows the flags on a page; --save-mask keeps the mask to plot
next      strun calwebb_spec2 sci_badpix_selfcal.fits
$ badpix-selfcal run a_rate.fits --background sky_rate.fits
badpix-selfcal: warning: a_rate.fits: later steps of the pipeline have changed the samples (S_PHOTOM = COMPLETE); this step takes rates (_rate)
a: COMPLETE
  member    a_rate.fits  pedestal 0.0128321
  member    sky_rate.fits  pedestal 0.00377237
  dispaxis  2 (along y), kernel 15
  cuts      residual below -0.0795078 or above 3.16382
  flagged   61 low + 61 high = 122 pixels in 113 groups (0.199 %)
  written   a_badpix_selfcal.fits
look      --report shows the flags on a page; --save-mask keeps the mask to plot
next      strun calwebb_spec2 a_badpix_selfcal.fits
$ badpix-selfcal run b_rate.fits --background sky_rate.fits
badpix-selfcal: warning: b_rate.fits: EXP_TYPE is MIR_IMAGE; this step is made for MIR_MRS, NRS_IFU, NRS_MSASPEC, NRS_FIXEDSLIT
badpix-selfcal: warning: sky_rate.fits: has EXP_TYPE MIR_MRS, the science exposure b_rate.fits has MIR_IMAGE
b: COMPLETE
  member    b_rate.fits  pedestal 0.00513949
  member    sky_rate.fits  pedestal 0.00377237
  dispaxis  2 (along y), kernel 15
  cuts      residual below -0.0800182 or above 3.19265
  flagged   61 low + 61 high = 122 pixels in 113 groups (0.199 %)
  written   b_badpix_selfcal.fits
look      --report shows the flags on a page; --save-mask keeps the mask to plot
next      strun calwebb_spec2 b_badpix_selfcal.fits
"""
    assert play(transcript, demo) == transcript


def test_an_output_is_no_input(demo):
    transcript = """\
$ badpix-selfcal run sci_rate.fits --background sky_rate.fits --quiet
$ badpix-selfcal run sci_badpix_selfcal.fits --background sky_rate.fits
badpix-selfcal: error: sci_badpix_selfcal.fits: would replace the input, which has the name of an output; give the exposure that it was made from (_rate), or choose another output folder
[exit status 1]
$ badpix-selfcal run sci_badpix_selfcal.fits --background sky_rate.fits --output-dir out
badpix-selfcal: error: sci_badpix_selfcal.fits: is flagged already (S_BPXSLF = COMPLETE), by this step or the pipeline's; give the exposure that it was made from (_rate), or pass --force to use it
[exit status 1]
$ badpix-selfcal run sky_rate.fits --background sci_badpix_selfcal.fits
badpix-selfcal: error: sci_badpix_selfcal.fits: is flagged already (S_BPXSLF = COMPLETE), by this step or the pipeline's; give the exposure that it was made from (_rate), or pass --force to use it
[exit status 1]
$ badpix-selfcal run sky_rate.fits --background sci_badpix_selfcal.fits --force --quiet
"""
    assert play(transcript, demo) == transcript


def test_detectors_of_miri_are_not_mixed(demo):
    fits.setval(demo / "sky_rate.fits", "DETECTOR", value="MIRIFULONG")
    transcript = """\
$ badpix-selfcal run sci_rate.fits --background sky_rate.fits
badpix-selfcal: error: sky_rate.fits: was taken with MIRIFULONG, the science exposure sci_rate.fits with MIRIFUSHORT. Their pixels and pedestals do not correspond; use one detector, or pass --force to go on
[exit status 1]
$ find . -name '*_badpix_selfcal.fits'
$ badpix-selfcal run sci_rate.fits --background sky_rate.fits --force
badpix-selfcal: warning: sky_rate.fits: was taken with MIRIFULONG, the science exposure sci_rate.fits with MIRIFUSHORT
sci: COMPLETE
  member    sci_rate.fits  pedestal 0.0128321
  member    sky_rate.fits  pedestal 0.00377237
  dispaxis  2 (along y), kernel 15
  cuts      residual below -0.0795078 or above 3.16382
  flagged   61 low + 61 high = 122 pixels in 113 groups (0.199 %)
  written   sci_badpix_selfcal.fits
look      --report shows the flags on a page; --save-mask keeps the mask to plot
next      strun calwebb_spec2 sci_badpix_selfcal.fits
"""
    assert play(transcript, demo) == transcript


def test_files_and_folders_in_the_wrong_place(demo):
    transcript = """\
$ mkdir data; badpix-selfcal run data
badpix-selfcal: error: data: is a folder; use badpix-selfcal batch
[exit status 1]
$ badpix-selfcal run sci_rate.fits --background sky_rate.fits --output-dir sci_rate.fits
badpix-selfcal: error: sci_rate.fits: is a file; give a folder for the outputs
[exit status 1]
$ badpix-selfcal associate . --output-dir sci_rate.fits
badpix-selfcal: error: sci_rate.fits: is a file; give a folder for the outputs
[exit status 1]
$ badpix-selfcal simulate sci_rate.fits
badpix-selfcal: error: sci_rate.fits: is a file; give a folder for the outputs
[exit status 1]
"""
    assert play(transcript, demo) == transcript


@pytest.mark.parametrize(
    ("ending", "axes", "what"),
    [
        ("s3d", "(3, 9, 9)", "_s3d is a spectral cube"),
        ("rateints", "(2, 96, 640)", "_rateints is a cube of integrations"),
        ("uncal", "(1, 2, 96, 640)", "_uncal is a raw ramp"),
        ("x1d", "(100,)", "_x1d is a spectrum"),
    ],
)
def test_a_product_without_a_rate_image(demo, ending, axes, what):
    code = (
        "import numpy; from astropy.io import fits; h = fits.open('sci_rate.fits'); "
        f"h['SCI'].data = numpy.ones({axes}, 'f4'); h.writeto('sci_{ending}.fits')"
    )
    transcript = f"""\
$ python -c "{code}"; badpix-selfcal run sci_{ending}.fits --background sky_rate.fits
badpix-selfcal: error: sci_{ending}.fits: SCI must be 2-D, got shape {axes}; {what}: take the rate image (_rate)
[exit status 1]
"""
    assert play(transcript, demo) == transcript


MASKED = """\
import numpy, sys
import badpix_selfcal as bps
from astropy.nddata import CCDData, NDData
samples = numpy.arange(30.0).reshape(5, 6)
hot = samples > 28
image = eval(sys.argv[1])
print(bps.median_filter(eval(sys.argv[2]), 3, axis=1)[-1])
"""


def test_arrays_with_a_mask_or_a_unit(tmp_path):
    (tmp_path / "median.py").write_text(MASKED)
    transcript = """\
$ python median.py 'numpy.ma.array(samples.astype(int), mask=hot)' image 2>&1 | tail -1
TypeError: image is a MaskedArray; pass image.astype(float).filled(numpy.nan)
$ python median.py 'numpy.ma.array(samples.astype(int), mask=hot)' 'image.astype(float).filled(numpy.nan)'
[24.  25.  26.  27.  27.5 14. ]
$ python median.py 'numpy.ma.array(samples, mask=hot)' image 2>&1 | tail -1
TypeError: image is a MaskedArray; pass image.filled(numpy.nan)
$ python median.py 'numpy.ma.array(samples, mask=hot)' 'image.filled(numpy.nan)'
[24.  25.  26.  27.  27.5 14. ]
$ python median.py 'CCDData(samples, mask=hot, unit="DN/s")' image 2>&1 | tail -1
TypeError: image is a CCDData; pass numpy.where(image.mask, numpy.nan, image.data)
$ python median.py 'CCDData(samples, mask=hot, unit="DN/s")' 'numpy.where(image.mask, numpy.nan, image.data)'
[24.  25.  26.  27.  27.5 14. ]
$ python median.py 'NDData(samples)' image 2>&1 | tail -1
TypeError: image is a NDData; pass image.data
$ python median.py 'NDData(samples)' image.data
[24. 25. 26. 27. 28. 28.]
"""
    assert play(transcript, tmp_path) == transcript


def test_a_gap_beyond_the_image(tmp_path):
    transcript = """\
$ python -c "import numpy, badpix_selfcal as bps; print(bps.pedestal(numpy.ones((1024, 1032)), (50, 974, 474, 5070)))"
<string>:1: SelfcalWarning: gap (50, 974, 474, 5070): only 12 % of it lies inside the image of shape (1024, 1032); it is (y0, y1, x0, x1)
1.0
$ python -c "import numpy, badpix_selfcal as bps; print(bps.pedestal(numpy.ones((1024, 1032)), (2000, 2100, 474, 507)))"
<string>:1: SelfcalWarning: gap (2000, 2100, 474, 507): nothing of it lies inside the image of shape (1024, 1032); it is (y0, y1, x0, x1)
nan
$ python -c "import numpy, badpix_selfcal as bps; print(bps.pedestal(numpy.ones((1024, 1032)), (50, 974, 474, 507)))"
1.0
"""
    assert play(transcript, tmp_path) == transcript
