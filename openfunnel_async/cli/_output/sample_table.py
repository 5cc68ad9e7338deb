"""Show the companies of a sample: a table for people, an object for programs."""

import unicodedata
from collections.abc import Sequence

import attrs

from openfunnel_async import Company
from openfunnel_async.cli._output.printer import Printer
from openfunnel_async.cli._output.text import format_amount, one_line

_MAX_ROWS = 50
_COLUMNS = (("name", 22), ("domain", 21), ("headquarters", 16), ("employee_count", 9))
_TITLES = {"employee_count": "employees"}


@attrs.frozen(kw_only=True)
class Sample:
    """A sample that was bought.

    Attributes:
        job_id: Its job.
        path: Its file.
        companies: Its companies.
        matches: For each company whether it matches; None without conditions.
        rest: The most credits that the whole search can bill.
        credits_consumed: Its bill; None if it is not known.
    """

    job_id: str
    path: str
    companies: tuple[Company, ...]
    matches: tuple[bool, ...] | None
    rest: int
    credits_consumed: float | None

    @property
    def matching(self) -> int | None:
        """The number of companies that match; None without conditions."""
        return None if self.matches is None else sum(self.matches)


def print_sample(printer: Printer, sample: Sample) -> None:
    """Print the companies, how many match, and the price of the search."""
    printer.print_result(
        "sample",
        "\n".join((*_draw(sample), *_sum_up(sample))),
        job_id=sample.job_id,
        path=sample.path,
        rows=len(sample.companies),
        matching=sample.matching,
        credits_consumed=sample.credits_consumed,
        rest_worst_case_credits=sample.rest,
    )


def _sum_up(sample: Sample) -> list[str]:
    lines = [""]
    if sample.matching is not None:
        count = format_amount(len(sample.companies))
        lines.append(f"{format_amount(sample.matching)} of {count} match --where.")
    lines.append(
        f"The whole search can bill up to {format_amount(sample.rest)} more credits; "
        "companies of the sample may be in it again, and are billed again."
    )
    return lines


def _draw(sample: Sample) -> list[str]:
    """Return the lines of a table, which fits into 80 columns without marks."""
    titles = [_TITLES.get(name, name) for name, _ in _COLUMNS]
    mark_title = "" if sample.matches is None else "match "
    lines = ["", mark_title + _format_row(titles)]
    for place, company in enumerate(sample.companies[:_MAX_ROWS]):
        values = [_format_value(company, name) for name, _ in _COLUMNS]
        mark = ""
        if sample.matches is not None:
            mark = f"{'yes' if sample.matches[place] else 'no':<6}"
        lines.append(mark + _format_row(values))
    hidden = len(sample.companies) - _MAX_ROWS
    if hidden > 0:
        lines.append(f"and {format_amount(hidden)} more in {sample.path}")
    return lines


def _format_row(values: Sequence[str]) -> str:
    cells = zip(values, (width for _, width in _COLUMNS), strict=True)
    return "  ".join(_fit(value, width) for value, width in cells).rstrip()


def _format_value(company: Company, name: str) -> str:
    value: object = getattr(company, name)
    if isinstance(value, (int, float)):
        return format_amount(value)
    return "-" if value is None else one_line(str(value))


def _fit(text: str, width: int) -> str:
    """Pad or shorten a text to a number of columns of a terminal."""
    kept, used = "", 0
    for character in text:
        needed = 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
        if unicodedata.combining(character):
            needed = 0
        if used + needed > width:
            return f"{kept[:-1]}…" + " " * (width - _columns(kept[:-1]) - 1)
        kept, used = kept + character, used + needed
    return kept + " " * (width - used)


def _columns(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(each) in {"W", "F"} for each in text)
    combined = sum(bool(unicodedata.combining(each)) for each in text)
    return len(text) + wide - combined
