"""The arguments of the tools: what a model may pass, and the checks of it."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openfunnel_async import MAX_LIMIT, LookalikeSearch
from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export import COLUMNS
from openfunnel_async.mcp._refusals import Refusal
from openfunnel_async.mcp._requests import normalise
from openfunnel_async.mcp._untrusted import escape

LONGEST_WAIT = 45
MOST_SAMPLE_ROWS = 20
SAMPLE_COLUMNS = tuple(name for name in COLUMNS if name != "extra")
_FIRST_COLUMNS = ("name", "domain", "employee_count", "hq_country", "match_reason")
_MOST_FAULTS = 3

Job = Annotated[str, Field(description="As start returned it.", max_length=200)]
NewOnly = Annotated[
    bool, Field(description="Only companies that the Book did not know.")
]


class Arguments(BaseModel):
    """Arguments of a tool: no other names, and no conversions."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SearchArguments(Arguments):
    """A search, with the limit that bounds its bill."""

    limit: Annotated[
        int,
        Field(ge=1, le=MAX_LIMIT, description="Most companies; each costs 1 credit."),
    ]
    query: Annotated[
        str | None, Field(description="What they do, at most 200 characters.")
    ] = None
    seed_domains: Annotated[
        list[str] | None, Field(description="Find companies like these 1-10.")
    ] = None
    min_employees: int | None = None
    max_employees: int | None = None
    funding_stages: Annotated[
        list[str] | None, Field(description='Such as "Seed", "Series A".')
    ] = None
    locations: Annotated[
        list[str] | None, Field(description="ISO alpha-3 such as DEU, or EU.")
    ] = None

    def to_search(self) -> LookalikeSearch:
        """Return the search, normalised.

        Raises:
            Refusal: It is invalid.
        """
        fields = {
            name: value
            for name, value in self.model_dump().items()
            if value is not None
        }
        try:
            return normalise(LookalikeSearch(**fields))
        except ConfigurationError as error:
            raise Refusal("invalid_arguments", f"{error}. Nothing was sent.") from None


class StatusArguments(Arguments):
    """Which job, and how long to wait for its end."""

    job: Annotated[
        str | None,
        Field(
            description="As start returned it; omit it to list the last 20.",
            max_length=200,
        ),
    ] = None
    wait_seconds: Annotated[
        int, Field(ge=0, le=LONGEST_WAIT, description="Wait this long for the end.")
    ] = 30


class SampleArguments(Arguments):
    """Which companies to return, and what of them."""

    job: Job
    rows: Annotated[int, Field(ge=1, le=MOST_SAMPLE_ROWS)] = 5
    columns: Annotated[
        list[str],
        Field(
            description=f"Of {', '.join(SAMPLE_COLUMNS)}.",
            min_length=1,
            max_length=len(SAMPLE_COLUMNS),
        ),
    ] = list(_FIRST_COLUMNS)
    new_only: NewOnly = False


class SaveArguments(Arguments):
    """Which companies to write, and into which file."""

    job: Job
    file: Annotated[
        str,
        Field(description="A new name without a folder: x.csv, x.jsonl, x.parquet."),
    ]
    columns: Annotated[
        list[str] | None, Field(description="All by default.", max_length=len(COLUMNS))
    ] = None
    new_only: NewOnly = False


class CancelArguments(Arguments):
    """Which job to cancel."""

    job: Job


A = TypeVar("A", bound=Arguments)


def read_arguments(kind: type[A], given: Mapping[str, Any]) -> A:
    """Return the arguments of a call.

    Raises:
        Refusal: A name is unknown, or a value is invalid.
    """
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        faults = "; ".join(
            f"{escape('.'.join(map(str, fault['loc'])), 60)}: {fault['msg']}"
            for fault in found[:_MOST_FAULTS]
        )
        raise Refusal("invalid_arguments", f"{faults}. Nothing was sent.") from None


def check_columns(columns: list[str], allowed: tuple[str, ...]) -> None:
    """Check the names of columns.

    Raises:
        Refusal: One is unknown.
    """
    unknown = [name for name in columns if name not in allowed]
    if unknown:
        raise Refusal(
            "invalid_arguments",
            f"there is no column {escape(unknown[0], 60)}; the columns are "
            f"{', '.join(allowed)}.",
        )
