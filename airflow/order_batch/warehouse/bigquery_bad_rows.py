"""Bad rows: what BigQuery says about them, with the file and the line that they stand in."""

import gzip
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

_MOST_SHOWN = 5
# It knows only where in the uncompressed stream the row starts.
_BAD_ROW = re.compile(
    r"JSON parsing error in row starting at position (?P<position>\d+)(?: at file: \S+?)?[.:] *(?P<fault>.*)", re.DOTALL
)


def bad_rows(messages: Sequence[str], files: Sequence[Path]) -> list[str]:
    """`0000.json.gz line 3: Could not convert value to integer. Field: amount; Value: ten`, the first few."""
    return list(islice(_bad_rows(messages, files), _MOST_SHOWN))


def locate(files: Sequence[Path], position: int) -> tuple[Path, int] | None:
    """File and line, counted from 1, of the row that starts at a position of the files' lines, one after the other."""
    for path in files:
        with gzip.open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if position < len(line):
                    return path, number
                position -= len(line)
    return None


def _bad_rows(messages: Sequence[str], files: Sequence[Path]) -> Iterator[str]:
    for found in filter(None, map(_BAD_ROW.search, messages)):
        place = locate(files, int(found["position"]))
        yield f"{place[0].name} line {place[1]}: {found['fault']}" if place else found[0]
