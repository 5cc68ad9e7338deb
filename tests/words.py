"""Report old-fashioned phrases, listed in CONTRIBUTING.md under "Words to avoid".

`python -m tests.words [PATH ...]` checks the files and folders that are given, or
everything. In Python files it checks comments and strings, in Markdown the whole text.
"""

import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "CONTRIBUTING.md"
HEADING = "## Words to avoid\n"
EVERYTHING = ("openfunnel_async", "tests", "docs", "noxfile.py", *ROOT.glob("*.md"))
# Not a space, so that a phrase never spans code.
_CODE = "\0"
_STRINGS = {"STRING", "FSTRING_MIDDLE", "COMMENT"}


class Hit(NamedTuple):
    """A phrase to replace.

    Attributes:
        line: The number of the line, counted from 1.
        phrase: The phrase as it is in the file.
        advice: What to write instead.
    """

    line: int
    phrase: str
    advice: str


def phrases(table: str) -> dict[str, str]:
    """Return what to write instead of each phrase of the table in a page."""
    _, _, section = table.partition(HEADING)
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    # The first row is the head, the second one is the line below it.
    return {
        phrase.strip(): advice
        for old, advice in rows[1:]
        for phrase in old.split(",")
        if set(phrase) - set("-")
    }


def hits(path: Path, banned: Mapping[str, str]) -> Iterator[Hit]:
    """Yield every banned phrase of a file; line breaks count as spaces."""
    text = path.read_text(encoding="utf-8")
    prose = python_prose(text) if path.suffix == ".py" else markdown_prose(text)
    spaced = {re.sub(r"\s+", r"\\s+", phrase): phrase for phrase in banned}
    pattern = rf"\b(?:{'|'.join(spaced)})\b"
    for found in re.finditer(pattern, prose, re.IGNORECASE):
        phrase = " ".join(found[0].split())
        line = prose.count("\n", 0, found.start()) + 1
        yield Hit(line, phrase, banned[phrase.lower()])


def markdown_prose(text: str) -> str:
    """Return a page without the table of phrases; the number of lines is the same."""
    before, heading, section = text.partition(HEADING)
    return before + heading + re.sub(r"^\|.*", "", section, flags=re.MULTILINE)


def python_prose(code: str) -> str:
    """Return comments and strings where they are, and filling in place of code."""
    lines = code.splitlines(keepends=True)
    prose = [re.sub(r"\S", _CODE, line) for line in lines]
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if tokenize.tok_name[token.type] not in _STRINGS:
            continue
        (first, start), (last, end) = token.start, token.end
        for number in range(first - 1, last):
            left = start if number == first - 1 else 0
            right = end if number == last - 1 else len(lines[number])
            words = re.sub(r"[#\"]", " ", lines[number][left:right])
            prose[number] = prose[number][:left] + words + prose[number][right:]
    return "".join(prose)


def files(places: list[str]) -> Iterator[Path]:
    """Yield the Python and Markdown files of files and folders."""
    for place in places:
        path = ROOT / place
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.suffix in {".py", ".md"})


def main(arguments: list[str]) -> int:
    """Print every hit and the number of hits by folder; return 1 if there are any."""
    banned = phrases(TABLE.read_text(encoding="utf-8"))
    places = arguments or [str(place) for place in EVERYTHING]
    counts: Counter[str] = Counter()
    for file in dict.fromkeys(files(places)):
        name = file.relative_to(ROOT)
        for hit in hits(file, banned):
            counts[name.parent.as_posix()] += 1
            print(f"{name}:{hit.line}: {hit.phrase} -> {hit.advice}")  # noqa: T201 -- printing is its job
    for folder, count in sorted(counts.items()):
        print(f"{count:5} in {folder}")  # noqa: T201 -- printing is its job
    return 1 if counts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
