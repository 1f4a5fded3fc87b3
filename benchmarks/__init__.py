"""Speed and memory of this package and of its peers, side by side."""
