"""``--where``: compare the companies of a sample with what is wanted."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Annotated, cast

import attrs
from cyclopts import Parameter

from openfunnel_async import Company, export
from openfunnel_async.cli._output.exit_codes import CommandError

_FORM = re.compile(r"\s*(\w+)\s*(>=|<=|=|~)(.*)", re.DOTALL)
_NUMBERS = frozenset(
    {"employee_count", "revenue_usd", "linkedin_follower_count", "rerank_score"}
)
_FIELDS = tuple(name for name in export.COLUMNS if name != "extra")

Where = Annotated[
    tuple[str, ...],
    Parameter(
        name="--where",
        help="What a company of the sample should have: FIELD=VALUE, FIELD~TEXT (has "
        "the text), FIELD>=N or FIELD<=N. Repeatable: all must match.",
    ),
]


@attrs.frozen(kw_only=True)
class Condition:
    """One condition for a company.

    Attributes:
        field: The field of the company.
        matches: Compares a value of the field; it is never None.
    """

    field: str
    matches: Callable[[object], bool]

    def is_met_by(self, company: Company) -> bool:
        """Whether the company has a value, and it matches."""
        value: object = getattr(company, self.field)
        if isinstance(value, tuple):
            values = cast("tuple[object, ...]", value)
            return any(self.matches(each) for each in values)
        return value is not None and self.matches(value)


def parse_where(texts: Sequence[str]) -> tuple[Condition, ...]:
    """Parse the conditions.

    Raises:
        CommandError: One is invalid, or names a field that companies do not have.
    """
    return tuple(_parse(text) for text in texts)


def _parse(text: str) -> Condition:
    found = _FORM.fullmatch(text)
    if found is None:
        raise CommandError(
            f"--where {text!r:.60} is none of FIELD=VALUE, FIELD~TEXT, FIELD>=N and "
            "FIELD<=N"
        )
    field, sign, wanted = found[1], found[2], found[3].strip()
    if field not in _FIELDS:
        there_are = ", ".join(_FIELDS)
        raise CommandError(f"--where: there is no field {field!r:.60}; use {there_are}")
    if not wanted:
        raise CommandError(f"--where {text!r:.60} has nothing to compare {field} with")
    if field in _NUMBERS:
        return Condition(field=field, matches=_compare_number(field, sign, wanted))
    return Condition(field=field, matches=_compare_text(field, sign, wanted))


def _compare_number(field: str, sign: str, wanted: str) -> Callable[[object], bool]:
    try:
        number = float(wanted)
    except ValueError:
        number = math.nan
    if sign == "~" or not math.isfinite(number):
        raise CommandError(
            f"--where: {field} is a number; compare it with =, >= or <= and a number"
        )

    def matches(value: object) -> bool:
        if not isinstance(value, (int, float)):
            return False
        if sign == "=":
            return value == number
        return value >= number if sign == ">=" else value <= number

    return matches


def _compare_text(field: str, sign: str, wanted: str) -> Callable[[object], bool]:
    if sign not in {"=", "~"}:
        raise CommandError(f"--where: {field} is a text; compare it with = or ~")
    folded = wanted.casefold()

    def matches(value: object) -> bool:
        text = str(value).strip().casefold()
        return folded in text if sign == "~" else folded == text

    return matches
