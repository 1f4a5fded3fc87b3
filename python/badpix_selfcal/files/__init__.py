"""What lies on disk or elsewhere: exposures, associations, outputs, and their bytes."""
