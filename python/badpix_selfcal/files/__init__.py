"""What lies on disk or elsewhere: exposures, associations, outputs."""
