"""A position in the rows of a job that outlives the process."""

import json
from typing import Any, Self, SupportsIndex, cast

import attrs

from openfunnel_async._text import brief_repr
from openfunnel_async._values.checks import check_job_id, check_label, check_whole
from openfunnel_async._values.json_form import Value
from openfunnel_async.errors import ConfigurationError

VERSION = 1
_KIND = "lookalikes"


def _offset(value: SupportsIndex) -> int:
    return check_whole("offset", value, 0)


def _rows_before(value: SupportsIndex) -> int:
    return check_whole("rows_before", value, 0)


def _check_kind(_instance: object, _field: object, kind: object) -> None:
    if kind != _KIND:
        raise ConfigurationError(
            f"the checkpoint is of another kind of job than {_KIND!r}; install the "
            "openfunnel-async that wrote it"
        )


def _limit(value: SupportsIndex | None) -> int | None:
    return None if value is None else check_whole("limit", value, 1)


@attrs.frozen(kw_only=True)
class JobCheckpoint(Value):
    """The position after the last row that was delivered to the caller.

    ``str()`` writes it as one line of JSON without the key, which can be stored
    anywhere. ``OpenFunnel.resume()`` accepts the text or the value and continues with
    the next row.

    Attributes:
        job_id: The job.
        page: Label of the page with the next row; None for the first page.
        offset: Rows of that page that were delivered.
        rows_before: Rows of the pages before it, with which a resumed stream checks the
            number of rows against the manifest.
        limit: The job's limit, if it is known.
        kind: The kind of job: ``"lookalikes"``, the only one that this version knows.

    Raises:
        ConfigurationError: A field is invalid.
    """

    __module__ = "openfunnel_async"

    job_id: str
    page: str | None = None
    offset: int = attrs.field(default=0, converter=_offset)
    rows_before: int = attrs.field(default=0, converter=_rows_before)
    limit: int | None = attrs.field(default=None, converter=_limit)
    kind: str = attrs.field(default=_KIND, validator=_check_kind, repr=False)

    __repr__ = brief_repr

    def __attrs_post_init__(self) -> None:
        check_job_id(self.job_id)
        if self.page is not None:
            check_label("page", self.page)

    def __str__(self) -> str:
        return json.dumps({"version": VERSION, **attrs.asdict(self, recurse=False)})

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text that ``str()`` wrote.

        Raises:
            ConfigurationError: The text is not a checkpoint, or has another version.
        """
        try:
            fields: Any = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            fields = None
        if not isinstance(fields, dict) or "version" not in fields:
            raise ConfigurationError(
                "this is not a checkpoint: pass the unchanged text of str(checkpoint)"
            )
        known = cast("dict[str, Any]", fields)
        version = known.pop("version")
        if type(version) is not int or version != VERSION:
            raise ConfigurationError(
                f"the checkpoint has version {version!r:.20}, and this package reads "
                f"version {VERSION}; install the openfunnel-async that wrote it"
            )
        names = {field.name for field in attrs.fields(cls)}
        if set(known) != names:
            raise ConfigurationError(
                f"the checkpoint must have exactly {', '.join(sorted(names))}"
            )
        return cls(**known)
