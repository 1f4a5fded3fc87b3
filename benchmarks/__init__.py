"""Speed and memory of this package and of its peers, in one run; and the accuracy of flags.

``python -m benchmarks --help`` shows how to run it. A part (`medians`, `rectangles`, `reductions`,
`step`, `batch`, `scaling`) measures and returns tables. `goals` compares them with the goals.
`report` and `plots` write tables and pictures, and measure nothing.

``python -m benchmarks.accuracy --help``: flags beside the truth of simulated exposures.
"""
