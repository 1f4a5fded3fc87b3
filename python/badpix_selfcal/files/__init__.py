"""Local and remote files: exposures, associations, outputs, and their bytes."""
