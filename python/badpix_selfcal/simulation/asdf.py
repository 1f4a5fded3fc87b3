"""The extension ASDF of an exposure: without it the pipeline's steps refuse an association."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["asdf_extension"]

# The names of the images in the data model.
_NAMES: Final = {
    "SCI": "data",
    "ERR": "err",
    "DQ": "dq",
    "VAR_POISSON": "var_poisson",
    "VAR_RNOISE": "var_rnoise",
}
_TREE: Final = """\
#ASDF 1.0.0
#ASDF_STANDARD 1.5.0
%YAML 1.1
%TAG ! tag:stsci.edu:asdf/
--- !core/asdf-1.1.0
{links}meta: {{model_type: IFUImageModel}}
...
"""


def asdf_extension(planes: Mapping[str, NDArray[Any]]) -> fits.BinTableHDU:
    """Return the extension for an exposure with these images.

    It holds, as text, the tree of the data model with links to the images. The tree does not repeat
    the values of the headers.

    Parameters
    ----------
    planes : mapping of str to ndarray, shape (rows, cols)
        The images by the names of their extensions.
    """
    from astropy.io import fits

    links = "".join(
        f"{_NAMES[extension]}: !core/ndarray-1.0.0 {{source: 'fits:{extension},1', "
        f"datatype: {image.dtype.name}, byteorder: big, shape: {[*image.shape]}}}\n"
        for extension, image in planes.items()
    )
    text = _TREE.format(links=links).encode("ascii")
    data = np.frombuffer(text, np.uint8)[np.newaxis]
    column = fits.Column(name="ASDF_METADATA", format=f"{data.size}B", array=data)
    return fits.BinTableHDU.from_columns([column], name="ASDF")
