"""Tables in CSV files, read strictly: every error says in which line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import MediaError

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True)
class Row:
    """The wanted cells of one row."""

    line: int
    """In which its last cell ends, from 1."""
    cells: Mapping[str, str]
    """By what the caller calls the column; without those that the table does not have."""


def rows(path: Path, columns: Mapping[str, Sequence[str]], *, optional: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of a CSV file in UTF-8 whose first line names its columns.

    Args:
        columns: what the caller calls each wanted column, and the headings that it may have, in lower case. Other
            columns are not looked at.
        optional: columns that may be missing.

    Raises:
        MediaError: the file cannot be read, is not UTF-8 or no CSV, lacks a column or has it twice, or a row has more
            or fewer cells than the first line.
    """
    try:
        with open(path, "rb") as file:
            yield from _rows(path, file, columns, optional)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror or error}") from error


def _rows(
    path: Path, lines: Iterator[bytes], columns: Mapping[str, Sequence[str]], optional: Sequence[str]
) -> Iterator[Row]:
    reader = csv.reader(_text(path, lines), strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise MediaError(f"{path}: is empty; its first line names the columns")
        places = _places(path, [heading.strip().lower() for heading in header], columns, optional)
        for cells in reader:
            if not cells:
                continue  # an empty line
            if len(cells) != len(header):
                raise MediaError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells, the first line has {len(header)}"
                )
            yield Row(line=reader.line_num, cells={name: cells[place] for name, place in places.items()})
    except csv.Error as error:
        raise MediaError(f"{path}, line {reader.line_num}: no CSV: {error}") from error


def _text(path: Path, lines: Iterator[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        try:
            yield line.removeprefix(_BOM if number == 1 else b"").decode()
        except UnicodeDecodeError as error:
            raise MediaError(f"{path}, line {number}: not UTF-8: byte {line[error.start]:#04x}") from error


def _places(
    path: Path, header: list[str], columns: Mapping[str, Sequence[str]], optional: Sequence[str]
) -> dict[str, int]:
    places = {}
    for name, headings in columns.items():
        found = [place for place, heading in enumerate(header) if heading in headings]
        if len(found) > 1:
            named = ", ".join(header[place] for place in found[:8])
            raise MediaError(f"{path}, line 1: {len(found)} columns could be the {name} ({named}); needed 1")
        if found:
            places[name] = found[0]
        elif name not in optional:
            there = ", ".join(heading[:40] for heading in header[:8]) + (", ..." if len(header) > 8 else "")
            raise MediaError(f"{path}, line 1: no column {' or '.join(headings)}; there: {there}")
    return places
