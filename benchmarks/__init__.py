"""Speed and memory of this package and of its peers, side by side in one run.

``python -m benchmarks --help`` tells how to run it. A part (`medians`, `rectangles`, `reductions`,
`step`, `scaling`) measures and returns tables; `goals` compares what they hold with the goals;
`report` and `plots` write them down. Nothing of what is measured is decided while reporting.
"""
