"""The README and the pages of the site, and their code blocks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest import SkipTest

from sybil import Document, Example, Region
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import SkipParser
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if "_build" not in path.parts
)
SHOWN = {"bibtex", "json", "text", "toml", "yaml"}  # no commands; text: also what a command prints
LEXER = FencedCodeBlockLexer(".*", {"language": "language", "source": "source"})


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def shell(example: Example) -> None:
    """Run commands as a user does, and print what they print."""
    done = subprocess.run(
        ["bash", "-ec", example.parsed],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{example.path}:{example.line}\n{done.stderr}"
    print(done.stdout, end="")


def unknown(example: Example) -> None:
    """Refuse a block that nobody runs."""
    raise ValueError(f"{example.path}:{example.line}: give a language: sh, python or {SHOWN}")


EVALUATORS = {"sh": shell, "python": PythonEvaluator()}


def blocks(document: Document) -> Iterator[Region]:
    """Find the blocks of code. Those that are directives of the site are its own."""
    for region in LEXER(document):
        language = region.lexemes["language"]
        is_code = language.startswith(("{code}", "{code-block}")) or language[:1] != "{"
        if is_code and language not in SHOWN:
            region.parsed = region.lexemes["source"]
            region.evaluator = EVALUATORS.get(language, unknown)
            yield region


def regions(page: str) -> list[tuple[str, str]]:
    """Return the language and the source of each block of a page, also of those that do not run."""
    found = LEXER(Document(text_of(page), page))
    return [(region.lexemes["language"], region.lexemes["source"]) for region in found]


def document_of(page: str) -> Document:
    return Document.parse(str(ROOT / page), blocks, SkipParser())


def run(page: str) -> dict[str, object]:
    """Run the blocks of a page in the current folder; return the names that they define."""
    document = document_of(page)
    for example in document:
        try:
            example.evaluate()
        except SkipTest:  # the page says why
            continue
    return document.namespace


def block(page: str, words: str) -> str:
    """Return the only block of a page that holds some words."""
    found = [each.parsed for each in document_of(page) if words in each.parsed]
    (only,) = found
    return only
