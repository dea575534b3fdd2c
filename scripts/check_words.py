"""Checks names, comments, docstrings, messages and docs for words that have a standard term: part of `make check`.

The words and what to write instead are in `banned_words.toml` beside this file. Names are read as their words:
`retry_after` and `RetryAfter` both as "retry after". Exits with 1, and one line for each place, when there is one.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
RULES: Final = Path(__file__).with_name("banned_words.toml")
ENDINGS: Final = (".py", ".md", ".sql", ".yml", ".yaml", ".toml", ".sh", "Makefile", "Dockerfile")
_WORD_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_+")


@dataclass(frozen=True)
class BannedWord:
    """Words that have a standard term, as a pattern over lower-case text, and what to write instead."""

    pattern: re.Pattern[str]
    instead: str


@dataclass(frozen=True)
class Rules:
    """All rules, the files that may use all words (they explain them), and words that one file may use."""

    rules: tuple[BannedWord, ...]
    exempt: frozenset[str]
    allowed: Mapping[str, Collection[str]]

    @classmethod
    def load(cls, path: Path = RULES) -> "Rules":
        """Read them from a TOML file."""
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        rules = tuple(BannedWord(re.compile(rf"\b(?:{pattern})\b"), to) for pattern, to in content["instead"].items())
        return cls(rules, frozenset(content["exempt"]), content["allowed"])

    def problems(self, text: str) -> Iterator[tuple[str, str]]:
        """What a line of a file, or a path, says that it should not, each with what to write instead."""
        words = _WORD_BOUNDARY.sub(" ", text).lower()
        for rule in self.rules:
            for found in rule.pattern.finditer(words):
                yield found[0], rule.instead


def tracked_files(root: Path) -> list[str]:
    """Paths of the text files in git that people write, below `root`."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout
    return [path for path in listed.split("\0") if path.endswith(ENDINGS) and (root / path).is_file()]


def find_problems(root: Path, rules: Rules) -> Iterator[str]:
    """One line for each place, as `path:line: found; write instead`."""
    for path in tracked_files(root):
        if path in rules.exempt:
            continue
        for found, instead in rules.problems(path):
            yield f"{path}: '{found}' in the name; write {instead}"
        for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), start=1):
            for found, instead in rules.problems(line):
                if found not in rules.allowed.get(path, ()):
                    yield f"{path}:{number}: '{found}'; write {instead}"


def main() -> None:
    """Check this checkout."""
    problems = list(find_problems(ROOT, Rules.load()))
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(f"{len(problems)} words have a standard term (docs/glossary.md, scripts/banned_words.toml)")


if __name__ == "__main__":
    main()
