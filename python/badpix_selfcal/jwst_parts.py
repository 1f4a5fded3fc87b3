"""The parts of jwst and stcal that `badpix_selfcal.jwst` replaces or uses, as they were tested."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable
from functools import cache, reduce
from hashlib import sha256
from importlib import import_module, metadata
from typing import Any, Final

TESTED: Final = {"jwst": "3.0.0", "stcal": "1.20.0"}

STEP: Final = {
    "jwst.badpix_selfcal.badpix_selfcal_step:BadpixSelfcalStep.process": "742c1a662b43",
    "jwst.badpix_selfcal.badpix_selfcal_step:BadpixSelfcalStep.spec": "2856549c926d",
    "jwst.badpix_selfcal.badpix_selfcal_step:BadpixSelfcalStep._parse_inputs": "fa10f24f631c",
    "jwst.badpix_selfcal.badpix_selfcal_step:BadpixSelfcalStep.save_bkg": "063ebab37828",
    "jwst.badpix_selfcal.badpix_selfcal_step:PEDESTAL_INDX_MIRIFULONG": "958ead3cbb33",
    "jwst.badpix_selfcal.badpix_selfcal_step:PEDESTAL_INDX_MIRIFUSHORT": "407ab53bafa1",
    "jwst.badpix_selfcal.badpix_selfcal:apply_flags": "ec5d2ab7c89e",
}
"""What the step replaces and uses, and the digests of their sources in the tested versions."""

FUNCTIONS: Final = {
    "jwst.badpix_selfcal.badpix_selfcal:badpix_selfcal": "eb66201a2bb3",
    "jwst.outlier_detection.tso:moving_median_over_zeroth_axis": "f7b384ec0b59",
    "jwst.refpix.reference_pixels:NIRDataset.median_filter": "161644ac67f3",
    "jwst.refpix.reference_pixels:NIRDataset.create_reflected": "8a70a701a6e6",
    "stcal.outlier_detection.utils:medfilt": "4dc2c0efb2e9",
}
"""The same for what `badpix_selfcal.jwst.install` replaces besides the step."""

IGNORED: Final = ("annotation", "returns", "kind", "type_comment", "type_params")
"""Fields of a syntax tree that do not change what a function computes."""


def changes(parts: Iterable[str] = (*STEP, *FUNCTIONS)) -> str:
    """Return which parts of the installed jwst and stcal are not those tested; "" if none."""
    found: dict[str, list[str]] = {}
    for part in parts:
        if _digest(part) != (STEP | FUNCTIONS)[part]:
            found.setdefault(part.partition(".")[0], []).append(part.partition(":")[2])
    return "; ".join(
        f"{package} {metadata.version(package)}: {', '.join(names)} "
        f"{'has' if len(names) == 1 else 'have'} changed since {TESTED[package]}"
        for package, names in found.items()
    )


def refuse_other_arguments(
    name: str, theirs: Callable[..., Any] | None, ours: Callable[..., Any]
) -> None:
    """Raise an ImportError if a function of jwst takes other arguments than ours, or is absent."""
    expected = [*inspect.signature(ours).parameters]
    taken = None if theirs is None else [*inspect.signature(theirs).parameters]
    if taken != expected:
        installed, tested = metadata.version("jwst"), TESTED["jwst"]
        has = f"takes ({', '.join(taken)})" if taken else "does not exist"
        raise ImportError(
            f"jwst {installed}: {name} {has}; in {tested} it takes ({', '.join(expected)}): "
            f"install jwst=={tested}, or a newer badpix-selfcal"
        )


def digest_of(source: str) -> str:
    """Return a digest of Python source that layout, comments, docstrings and types do not change.

    It is the same with each version of Python.
    """
    is_indented = source[:1] in " \t"
    tree: Any = ast.parse("if True:\n" * is_indented + source)
    return _hashed(_outline(tree.body[0].body if is_indented else tree.body))


@cache  # what `install` has replaced is compared as it was before
def _digest(part: str) -> str:
    """Return the digest of an installed part: of its source, or of a text or number."""
    module, _, name = part.partition(":")
    try:
        found = reduce(getattr, name.split("."), import_module(module))
        if inspect.isroutine(found):
            return digest_of(inspect.getsource(found))
    except (ImportError, AttributeError, OSError):
        return ""
    return _hashed(re.sub("#.*", "", str(found)).split())


def _hashed(content: object) -> str:
    return sha256(repr(content).encode()).hexdigest()[:12]


def _outline(node: Any) -> Any:
    """Return a syntax tree as lists."""
    if isinstance(node, list):
        return [_outline(each) for each in node]
    if not isinstance(node, ast.AST):
        return node
    fields = {name: value for name, value in ast.iter_fields(node) if name not in IGNORED}
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        fields["body"] = node.body[ast.get_docstring(node) is not None :]
    outlines = [(name, _outline(value)) for name, value in fields.items()]
    return [type(node).__name__, *(each for each in outlines if each[1] not in (None, []))]
