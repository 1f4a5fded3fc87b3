"""Association files: which exposures belong together, and in which role.

The format is that of the JWST pipeline's level-2 associations, JSON or (deprecated there) YAML.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import AssociationError, is_of_machine
from .inputs import ENDINGS, what_takes
from .paths import (
    Location,
    RemoteFile,
    beside,
    line_of,
    locate,
    no_such,
    server_of,
    stem_of,
    without_secrets,
)
from .remote import download

ROLES: Final = ("science", "background", "selfcal", "imprint")
"""The exposure types that self-calibration uses."""

UNUSED: Final = (
    *("autoflat", "autowave", "dark", "direct_image", "engineering", "flat", "psf", "segmap"),
    *("sourcecat", "target_acquisition"),
)
"""The other exposure types that the pipeline knows."""

MOST_BYTES: Final = 1 << 24
"""Length of an association; one of 20 000 members takes 2 MB."""

MOST_YAML: Final = 1 << 16
"""Length of a YAML association, which takes seconds to parse: 500 members."""

MOST_MEMBERS: Final = 20_000
"""Members of all products together."""

MOST_NAME: Final = 4096
"""Characters of a path or URL."""


@dataclass(frozen=True)
class Product:
    """One product of an association: a science exposure and what calibrates it.

    Attributes
    ----------
    name : str
        The start of its files' names; a plain file name: of a path, the last part.
    science : Path or RemoteFile
        The exposure to flag.
    backgrounds : tuple of Path or RemoteFile
        Exposures to flag as well, in the association's order.
    selfcal : tuple of Path or RemoteFile
        Exposures that only serve to find bad pixels.
    imprints : tuple of Path or RemoteFile
        Imprint exposures; they too only serve to find bad pixels.
    unused : tuple of (Path or RemoteFile, str)
        Further members, which self-calibration does not use, with their exposure types.
    """

    name: str
    science: Location
    backgrounds: tuple[Location, ...] = ()
    selfcal: tuple[Location, ...] = ()
    imprints: tuple[Location, ...] = ()
    unused: tuple[tuple[Location, str], ...] = ()

    @property
    def members(self) -> tuple[Location, ...]:
        """All exposures that are used, as listed; an exposure listed in two roles is here twice."""
        return (self.science, *self.backgrounds, *self.selfcal, *self.imprints)


@dataclass(frozen=True)
class Association:
    """The content of an association file.

    Attributes
    ----------
    path : Path or RemoteFile
        The file.
    pool : str or None
        Its ``asn_pool``.
    products : tuple of Product
        Its products, at least one.
    """

    path: Location
    pool: str | None
    products: tuple[Product, ...]


def read(path: str | Location, *, force: bool = False) -> Association:
    """Read and check an association file, JSON or YAML.

    A member is a path relative to the association, or a URL. The case of exposure types does not
    matter. Members of types that self-calibration does not use (`UNUSED`) need not exist. The
    members of an association on a server must be there, unless `force` is set.

    Raises
    ------
    AssociationError
        If the file cannot be read or is not an association; if a product does not have exactly
        one science exposure, lists a member that is no file or has an unknown type, or has a name
        that is not a plain file name or that another product has. The message names the file and
        the member.
    """
    path = locate(path)
    content = _table(_parse(path), f"{path}: the association")
    entries = content.get("products")
    if not isinstance(entries, list) or not entries:
        raise AssociationError(f"{path}: 'products' must be a list of at least one product")
    lists = [entry.get("members") for entry in entries if isinstance(entry, dict)]
    count = max(len(entries), sum(len(each) for each in lists if isinstance(each, list)))
    if count > MOST_MEMBERS:
        raise AssociationError(
            f"{path}: lists {count} members, more than {MOST_MEMBERS}; process many exposures with "
            "`batch`, or divide the association"
        )
    products: dict[str, Product] = {}
    for number, entry in enumerate(entries):
        product = _product(path, f"{path}: product {number}", entry, force=force)
        if product.name.casefold() in products:  # some file systems ignore the case of names
            raise AssociationError(
                f"{path}: two products have the name {product.name!r}; rename one"
            )
        products[product.name.casefold()] = product
    pool = content.get("asn_pool")
    return Association(path, pool if isinstance(pool, str) else None, tuple(products.values()))


def is_plain_name(name: str) -> bool:
    """Return whether a product's name can be part of a file's name and of a FITS card."""
    is_text = name.isascii() and name.isprintable() and name.strip() == name != ""
    return is_text and not name.startswith(".") and not {*name} & {*"/\\:"}


def text_of(product: str, members: Mapping[str, Iterable[str]], **facts: str) -> str:
    """Return the text of an association of one product: its members by role, and other facts."""
    listed = [{"expname": name, "exptype": role} for role in members for name in members[role]]
    content: dict[str, object] = {
        "asn_type": "spec2",
        "asn_rule": "DMSLevel2bBase",
        "version_id": None,
        "code_version": "badpix_selfcal",
        "degraded_status": "No known degraded exposures in association.",
        "program": "noprogram",
        "constraints": "No constraints",
        "asn_id": "a3001",
        "asn_pool": "none",
    }
    content |= {**facts, "products": [{"name": product, "members": listed}]}
    return json.dumps(content, indent=4) + "\n"


def _parse(path: Location) -> object:
    is_yaml = path.suffix.lower() in (".yaml", ".yml")
    most, form = (MOST_YAML, "YAML") if is_yaml else (MOST_BYTES, "JSON")
    try:
        with download(path, most) if isinstance(path, RemoteFile) else path.open("rb") as file:
            content = file.read(most + 1)
    except FileNotFoundError:
        raise AssociationError(no_such(Path(str(path)))) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        if isinstance(error, OSError) and is_of_machine(error):
            raise
        raise AssociationError(f"{path}: cannot be read: {error}") from None
    if len(content) > most:
        advice = "write it as JSON" if is_yaml else "is it an association?"
        raise AssociationError(f"{path}: is longer than {most} bytes; {advice}")
    try:
        if not is_yaml:
            return json.loads(content.decode())
        import yaml

        return yaml.safe_load(content.decode())
    except MemoryError:
        raise
    except Exception as error:  # a tagged scalar such as !!int '' makes PyYAML raise any type
        if path.suffix.lower() not in ENDINGS:
            what = what_takes(path) or "is neither an exposure (.fits) nor an association (.json)"
            raise AssociationError(f"{path}: {what}") from None
        raise AssociationError(f"{path}: is not valid {form}: {line_of(str(error))}") from None


def _product(path: Location, place: str, entry: object, *, force: bool) -> Product:
    table = _table(entry, place)
    members = table.get("members")
    if not isinstance(members, list) or not members:
        raise AssociationError(f"{place}: 'members' must be a list of at least one member")
    found: dict[str, list[Location]] = {role: [] for role in ROLES}
    unused: list[tuple[Location, str]] = []
    for number, member in enumerate(members):
        here = f"{place}, member {number}"
        expname = _text(_table(member, here), "expname", here)
        role = _role(member, f"{here} ({without_secrets(expname)})")
        try:
            exposure = beside(path, expname)
        except ValueError as error:
            raise AssociationError(f"{here}: {error}") from None
        if role in found:
            found[role].append(exposure)
        else:
            unused.append((exposure, role))
    for exposure in dict.fromkeys(each for exposures in found.values() for each in exposures):
        if not force and isinstance(path, RemoteFile) and server_of(exposure) != server_of(path):
            raise AssociationError(
                f"{place}: member {exposure} is not on the server of the association; set `force` "
                "to use it all the same"
            )
        try:  # reading a remote one reports it, and no request is needed here
            if isinstance(exposure, RemoteFile) or exposure.is_file():
                continue
        except OSError as error:
            raise AssociationError(f"{place}: member {exposure} cannot be read: {error}") from error
        what = "is not a file" if exposure.exists() else "does not exist"
        raise AssociationError(
            f"{place}: member {exposure} {what}; paths are relative to the association file"
        )
    if len(found["science"]) != 1:
        names = ", ".join(exposure.name for exposure in found["science"]) or "none"
        raise AssociationError(
            f"{place}: must have exactly one member of exptype science, got {names}"
        )
    (science,) = found["science"]
    name = table.get("name", stem_of(science))
    if isinstance(name, str):  # asn_from_list writes the path of what it was given, as a name
        name = name.rpartition("/")[2]  # the pipeline takes the last part, too
    if not isinstance(name, str) or not is_plain_name(name):
        raise AssociationError(
            f"{place}: 'name' must be a plain file name (printable ASCII, no leading dot), got "
            f"{reprlib.repr(table.get('name', name))}"
        )
    backgrounds, selfcal, imprints = (tuple(found[role]) for role in ROLES[1:])
    return Product(name, science, backgrounds, selfcal, imprints, tuple(unused))


def _role(member: dict[object, object], here: str) -> str:
    """Return the exposure type of a member, in small letters."""
    given = _text(member, "exptype", here)
    role = given.strip().lower()
    if role in (*ROLES, *UNUSED):
        return role
    raise AssociationError(
        f"{here}: the exptype {reprlib.repr(given)} is not known; use {', '.join(ROLES[:-1])} or "
        f"{ROLES[-1]} (known but not used here: {', '.join(UNUSED)})"
    )


def _table(value: object, place: str) -> dict[object, object]:
    if not isinstance(value, dict):
        raise AssociationError(
            f"{place} must be a table of keys and values, got {type(value).__name__}"
        )
    return value


def _text(table: dict[object, object], key: str, place: str) -> str:
    value = table.get(key)
    if isinstance(value, str) and value.strip() and "\0" not in value and len(value) <= MOST_NAME:
        return value
    raise AssociationError(
        f"{place}: {key!r} must be a text that is not empty, of at most {MOST_NAME} characters, "
        f"got {reprlib.repr(value)}"
    )
