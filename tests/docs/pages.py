"""The pages of the documentation: their examples, and where they stand.

`python -m tests.docs.pages FOLDER` writes every example as a module of its own, for a
type checker.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

import attrs

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
STRICT = "# pyright: strict\n"
# Of an example with a library that has no types.
UNTYPED = '# pyright: basic\n# mypy: disable-error-code="import-untyped"\n'
# What stands around a fragment, which a page shows without its surroundings.
AROUND = """\
# pyright: reportUnusedImport=false, reportUnusedVariable=false
import asyncio

from openfunnel_async import (
    Book,
    BulkJob,
    Company,
    LookalikeSearch,
    OpenFunnel,
    PollPolicy,
    SubmitOutcomeUnknownError,
    merge_results,
)

SEARCH = LookalikeSearch(query="voice AI for clinics", limit=120)


async def main() -> None:
    async with OpenFunnel() as client:
{body}


asyncio.run(main())
"""
_ANY_FIT = """\
search = SEARCH
def is_a_fit(company: Company) -> bool:
    return bool(company.name)
"""
_ONE_JOB = "job = await client.submit(SEARCH)\nawait job.wait_until_terminal()\n"
_MANY = "searches = [SEARCH]\njobs = [await client.submit(SEARCH)]\n"
# What a fragment takes for granted, and what is to be done with what it defines.
FRAGMENTS = {
    ("README.md", 1): ("searches = [SEARCH]\n", ""),
    ("README.md", 2): (_ANY_FIT, ""),
    ("README.md", 3): (_MANY, ""),
    ("how-to/take-what-you-need.md", 1): (_ONE_JOB, ""),
    ("explanation/money-and-cancellation.md", 0): (
        "",
        "\njob = await submit_carefully(client, SEARCH)\nprint(job.limit)\n",
    ),
    ("explanation/money-and-cancellation.md", 1): ("", ""),
    ("explanation/pace.md", 0): ("", ""),
}


@attrs.frozen
class Example:
    """A piece of Python on a page.

    Attributes:
        page: The page, as its path below docs/, or README.md.
        number: Which of the page's, counted from 0.
        code: As it stands there.
    """

    page: str
    number: int
    code: str

    @property
    def is_program(self) -> bool:
        """Whether it stands by itself."""
        return self.code.startswith(("import ", "from "))

    @property
    def program(self) -> str:
        """The code, with a fragment's surroundings."""
        if self.is_program:
            return self.code
        before, after = FRAGMENTS[self.page, self.number]
        return AROUND.format(body=indent(before + self.code + after, " " * 8))

    @property
    def name(self) -> str:
        """A name for a module."""
        return re.sub(r"\W+", "_", f"{self.page.removesuffix('.md')}_{self.number}")


def pages() -> Iterator[tuple[str, Path]]:
    """Give the name and the file of every page that is written by hand."""
    yield "README.md", ROOT / "README.md"
    for path in sorted(DOCS.rglob("*.md")):
        yield path.relative_to(DOCS).as_posix(), path


def blocks(path: Path, language: str) -> list[str]:
    """Take the blocks of a language out of a page."""
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def examples() -> list[Example]:
    """List every piece of Python on every page."""
    return [
        Example(page, number, code)
        for page, path in pages()
        for number, code in enumerate(blocks(path, "python"))
    ]


def main(folder: Path) -> None:
    """Write every example for a type checker."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.py"):
        old.unlink()
    for example in examples():
        head = UNTYPED if "import vcr\n" in example.code else STRICT
        code = f"{head}{example.program}"
        (folder / f"{example.name}.py").write_text(code, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
