"""The parts of `badpix_selfcal.simulate`: settings -> slices -> scene -> defects -> files."""
