"""What `badpix_selfcal.simulate` is made of: settings -> slices -> scene -> defects -> files."""
