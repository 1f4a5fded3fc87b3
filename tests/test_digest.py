"""The digest of a copy's data."""

from __future__ import annotations

import io
import re

from hypothesis import given
from hypothesis import strategies as st

from badpix_selfcal.files.digest import GROUP, UNKNOWN, Summed, digest_of, recorded
from badpix_selfcal.files.input_file import InputFile

PIECES = st.lists(st.binary(max_size=3 * GROUP), max_size=8)


def expected(content):
    words = (content[at : at + 8] for at in range(0, len(content), GROUP))
    return sum(int.from_bytes(word, "little") for word in words) % 2**64


@given(PIECES)
def test_it_does_not_depend_on_the_pieces(tmp_path_factory, pieces):
    header, content = f"before {UNKNOWN} after".encode(), b"".join(pieces)
    file = io.BytesIO()
    file.write(header)
    summed = Summed(file, header)
    for piece in pieces:
        summed.write(piece)
    summed.finish()
    found = re.match(rb"before data=([0-9a-f]{16}) after", file.getvalue())
    assert int(found[1], 16) == expected(content)
    assert file.getvalue()[len(header) :] == content
    path = tmp_path_factory.getbasetemp() / "summed"
    path.write_bytes(file.getvalue())
    assert digest_of(InputFile(path), len(header)) == found[1].decode()


def test_the_digest_in_a_history():
    assert recorded(f"made {UNKNOWN} made data=0123456789abcdef") == (
        f"made {UNKNOWN} made",
        "0123456789abcdef",
    )
    assert recorded("made data=0123") == ("made data=0123", "")
