"""What each notebook of the site runs first."""

import subprocess

import matplotlib.pyplot as plt
from IPython import get_ipython

# Text that is readable on a phone, too.
plt.rcParams.update({"figure.dpi": 130, "font.size": 11})


def bash(line: str, cell: str) -> None:
    """Run a cell of shell commands, and print in one piece: %%bash breaks lines."""
    done = subprocess.run(
        ["bash", *line.split()],
        input=cell,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    print(done.stdout, end="")
    done.check_returncode()


get_ipython().register_magic_function(bash, "cell")
