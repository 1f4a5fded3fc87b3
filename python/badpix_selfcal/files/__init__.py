"""Files: paths and URLs, exposures and associations that are read, outputs that are written.

`paths` says where files are, `remote` asks servers, `fits_file` opens FITS after
checks, `exposure` and `association` know the two kinds of input, `outputs` makes files appear when
they are whole.
"""
