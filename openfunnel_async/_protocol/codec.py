"""Decode bytes to values and encode them; the only import of cattrs.

Nothing is coerced: cattrs would turn None into "None" and "false" into True. So each
field has a hook that raises for a wrong type, or reads None where the field only
informs. A row is never refused because of its fields, because it is
paid for: docs/explanation/rows.md, "Rows are never dropped".
"""

import functools
import json
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from operator import itemgetter
from types import NoneType
from typing import Any, NamedTuple, NoReturn, TypeVar, cast

import attrs
import cattrs
from cattrs import Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from openfunnel_async._orjson import try_loads
from openfunnel_async._transport.wire import MAX_BODY
from openfunnel_async._values.models import Company, Manifest
from openfunnel_async._values.status import JobStatus
from openfunnel_async.errors import InvalidResponseError

# No count and no bill is larger; arithmetic with a larger number could overflow.
_LARGEST = 2**63

_T = TypeVar("_T")
_logger = logging.getLogger("openfunnel_async")


def encode(value: Mapping[str, object]) -> bytes:
    """Encode a request body as compact UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def decode(body: bytes) -> Any:  # noqa: ANN401 -- JSON is anything
    """Decode a body as strict JSON.

    Raises:
        InvalidResponseError: The body is larger than 8 MiB, not UTF-8, not JSON or
            nested too deeply, or has NaN, Infinity or a number of thousands of digits.
    """
    _check_size(body)
    try:
        return _DECODER.decode(body.decode())
    except RecursionError:
        fault = "is nested too deeply"
    except UnicodeDecodeError:
        fault = "is not UTF-8"
    except ValueError:
        fault = "is not JSON"
    raise InvalidResponseError(f"the answer {fault}", "$", False)


class Decoded(NamedTuple):
    """A decoded body.

    Attributes:
        value: What it means.
        is_exact: Whether that is certain. If not, an integer beyond 64 bits is a float
            in it, and it may be nested more deeply than ``decode`` allows.
    """

    value: Any
    is_exact: bool


def decode_quickly(body: bytes) -> Decoded:
    """Decode a body by orjson if it is installed, else as ``decode`` does.

    Raises:
        InvalidResponseError: As ``decode``.
    """
    _check_size(body)
    value = try_loads(body)
    return Decoded(decode(body), True) if value is None else Decoded(value, False)


def _check_size(body: bytes) -> None:
    if len(body) > MAX_BODY:
        msg = f"the answer is larger than {MAX_BODY // 2**20} MiB"
        raise InvalidResponseError(msg, "$", False)


def has_exact_manifest(answer: dict[str, Any]) -> bool:
    """Whether no number of the manifest can be an integer that became a float."""
    manifest = answer.get("manifest")
    if type(manifest) is not dict:
        return True
    return not any(map(_is_large, cast("dict[str, Any]", manifest).values()))


def _is_large(value: object) -> bool:
    return type(value) is float and abs(value) >= _LARGEST


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def structure(value: object, shape: type[_T]) -> _T:
    """Build a value of the shape from decoded JSON.

    Raises:
        InvalidResponseError: A field is invalid; ``path`` names it.
    """
    try:
        return _converter().structure(value, shape)
    except (cattrs.BaseValidationError, TypeError, KeyError) as exc:
        first = transform_error(exc, path="$", format_exception=_fault)[0]
    fault, _, path = first.rpartition(" @ ")
    raise InvalidResponseError(f"the answer's {path} {fault}", path)


def whole(value: object) -> int | None:
    """Return a JSON number as an int; None unless it is integral, from 0 to 2**63."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _LARGEST else None


@attrs.define(eq=False, slots=True)
class JobAnswer:
    """One answer about a job: an internal value, which only this package builds.

    Attributes:
        job_id: The job.
        status: The status.
        word: The status as the service spells it.
        manifest: Present once the job is terminal.
        error_message: The service's message about a failure.
        processed: Companies delivered so far.
        progress_message: A coarse label.
        label: The label of the page.
        next_cursor: The label of the next page.
        raw_rows: The rows of the page as the service sent them; empty if only the
            status was read. The companies share these dicts, in which a list of texts
            then is a tuple.
        rows_are_checked: Whether they passed ``have_expected_types``.
    """

    job_id: str
    status: JobStatus
    word: str
    manifest: Manifest | None = None
    error_message: str | None = None
    processed: int | None = None
    progress_message: str | None = None
    label: str | None = None
    next_cursor: str | None = None
    raw_rows: Sequence[dict[str, Any]] = ()
    rows_are_checked: bool = attrs.field(default=False, repr=False)
    _companies: tuple[Company, ...] | None = attrs.field(default=None, init=False)

    @property
    def rows(self) -> tuple[Company, ...]:
        """The companies of the page, built when they are needed for the first time."""
        if self._companies is None:
            self._companies = companies(
                self.raw_rows, are_checked=self.rows_are_checked
            )
        return self._companies


def job_answer(answer: dict[str, Any]) -> JobAnswer:
    """Build an answer about a job, without its page.

    Most answers need no conversion. The others are built by the converter, which takes
    three times as long (1.4 against 0.5 µs) and reports which field is invalid.

    Raises:
        InvalidResponseError: A field is invalid; ``path`` names it.
    """
    field = answer.get
    job_id, word, processed = field("job_id"), field("status"), field("processed")
    error, progress = field("error_message"), field("progress_message")
    if (
        type(job_id) is str
        and type(word) is str
        and field("manifest") is None
        and (
            processed is None or (type(processed) is int and 0 <= processed <= _LARGEST)
        )
        and (error is None or type(error) is str)
        and (progress is None or type(progress) is str)
    ):
        status = JobStatus.parse(word)
        return JobAnswer(job_id, status, word, None, error, processed, progress)
    return structure(answer, JobAnswer)


def _fault(exc: BaseException, _type: type | None) -> str:
    """Describe a fault without the value, which could contain anything."""
    if isinstance(exc, KeyError):
        return "is missing"
    return exc.args[0] if isinstance(exc, _WrongTypeError) else "has the wrong shape"


class _WrongTypeError(TypeError):
    """A value that is not of the one type its field allows."""


_Read = Callable[[Any], Any]
_Hook = Callable[[Any, Any], Any]


def _strict(words: str, read: _Read, *, nullable: bool = True) -> _Hook:
    """Return a hook that raises if ``read`` returns None for a value."""

    def hook(value: Any, _type: Any) -> Any:  # noqa: ANN401 -- any JSON value
        valid = read(value)
        if valid is None and not (nullable and value is None):
            raise _WrongTypeError(f"must be {words}")
        return valid

    return hook


def _lenient(path: str, read: _Read) -> _Hook:
    """Return a hook for an informative field: a value of a wrong type reads None."""

    def hook(value: Any, _type: Any) -> Any:  # noqa: ANN401 -- any JSON value
        valid = read(value)
        if valid is None and value is not None:
            _warn_once(path, "the answer's %s has an unexpected type; it reads None")
        return valid

    return hook


def _text(value: object) -> str | None:
    return value if type(value) is str else None


def _bool(value: object) -> bool | None:
    return value if type(value) is bool else None


def _number(value: object) -> float | None:
    """Return a finite number unchanged: credits may be negative and fractional."""
    if type(value) is int:
        return value if -_LARGEST <= value <= _LARGEST else None
    return value if type(value) is float and math.isfinite(value) else None


def _texts(value: object) -> tuple[str, ...] | None:
    return tuple(cast("list[str]", value)) if _is_texts(value) else None


def _status(value: object) -> JobStatus | None:
    return JobStatus.parse(value) if type(value) is str else None


# See docs/explanation/rows.md, "Strict and informative fields".
_MANIFEST: dict[str, _Hook] = {
    "count": _strict("a whole number of at least 0", whole),
    "pages": _strict("a whole number of at least 0", whole),
    "credits_consumed": _strict("a number", _number),
    "page_size": _lenient("$.manifest.page_size", whole),
    "derived_query": _lenient("$.manifest.derived_query", _text),
    "resolved_seed_domains": _lenient("$.manifest.resolved_seed_domains", _texts),
    "unresolved_seed_domains": _lenient("$.manifest.unresolved_seed_domains", _texts),
    "rerank_degraded": _lenient("$.manifest.rerank_degraded", _bool),
    "partial": _lenient("$.manifest.partial", _bool),
}
_ANSWER: dict[str, _Hook] = {
    "job_id": _strict("text", _text, nullable=False),
    "word": _strict("text", _text, nullable=False),
    "status": _strict("text", _status, nullable=False),
    "error_message": _lenient("$.error_message", _text),
    "processed": _lenient("$.processed", whole),
    "progress_message": _lenient("$.progress_message", _text),
}


def _overrides(hooks: dict[str, _Hook]) -> dict[str, Any]:
    return {name: override(struct_hook=hook) for name, hook in hooks.items()}


@functools.cache
def _converter() -> Converter:
    """Return the converter, built on first use because that takes 2 ms."""
    made = Converter()
    number = _strict("a number", _number, nullable=False)
    made.register_structure_hook(float, number)
    manifest = make_dict_structure_fn(Manifest, made, **_overrides(_MANIFEST))

    def manifest_or_null(value: Any, shape: Any) -> Manifest | None:  # noqa: ANN401 -- any JSON value
        if value is None:
            return None
        if type(value) is not dict:
            raise _WrongTypeError("must be an object")
        return manifest(cast("dict[str, Any]", value), shape)

    fields = _overrides(_ANSWER)
    fields |= {
        "word": override(rename="status", struct_hook=_ANSWER["word"]),
        "manifest": override(struct_hook=manifest_or_null),
        # Set by the reader of a page.
        "label": override(omit=True),
        "next_cursor": override(omit=True),
        "raw_rows": override(omit=True),
        "rows_are_checked": override(omit=True),
    }
    made.register_structure_hook(
        JobAnswer, make_dict_structure_fn(JobAnswer, made, **fields)
    )
    made.register_structure_hook(Manifest, manifest)
    return made


_KINDS: dict[str, frozenset[type]] = {
    "str | None": frozenset({str, NoneType}),
    "int | None": frozenset({int, NoneType}),
    "float | None": frozenset({float, int, NoneType}),
    "tuple[str, ...] | None": frozenset({list, NoneType}),
}
_FIELD_KINDS = {
    field.name: _KINDS[str(field.type)]
    for field in attrs.fields(Company)
    if field.name != "extra"
}
# Types that orjson and the standard library read in the same way.
_SIMPLE = frozenset({str, int, bool, NoneType})
_new_company = cast("Callable[[type[Company]], Company]", object.__new__)
_set_dict = cast(
    "Callable[[Company, dict[str, Any]], None]", vars(Company)["__dict__"].__set__
)
_NO_KINDS = frozenset[type]()
# The type of the values of most fields, which needs no conversion.
_PLAIN = {
    name: float if float in kinds else next(iter(kinds - {NoneType}))
    for name, kinds in _FIELD_KINDS.items()
    if list not in kinds
}
_LISTS = tuple(name for name, kinds in _FIELD_KINDS.items() if list in kinds)
_ROW_WARNING = "a row's %s has an unexpected type; it reads None, its value is in extra"
_warned: set[str] = set()


def companies(
    rows: Sequence[dict[str, Any]], *, are_checked: bool = False
) -> tuple[Company, ...]:
    """Build the companies of a page; a value of an unexpected type is in ``extra``.

    A row becomes the storage of its company, so nobody else may change it afterwards.
    The rows of most pages have the same keys and need no conversion. They are checked
    by columns: 90 µs for a hundred rows of sixteen fields, 120 µs row by row.

    Args:
        rows: The rows; they need not have the same keys.
        are_checked: Whether they passed ``have_expected_types``.
    """
    if are_checked or have_expected_types(rows):
        # They have the same keys.
        lists = tuple(name for name in _LISTS if rows and name in rows[0])
    else:
        rows, lists = [_with_expected_types(row) for row in rows], _LISTS
    for name in lists:
        _make_tuples(rows, name)
    return _stored(rows)


def _stored(rows: Sequence[dict[str, Any]]) -> tuple[Company, ...]:
    """Return companies whose attributes are those of the rows, without a copy.

    The class is frozen, and its own ``__init__`` would copy. Both steps are loops
    without a Python call for each row, which takes half the time.
    """
    made = tuple(map(_new_company, repeat(Company, len(rows))))
    deque(map(_set_dict, made, rows), maxlen=0)
    return made


def have_expected_types(rows: Sequence[dict[str, Any]]) -> bool:
    """Whether all rows have the same keys, and all values the types of their fields.

    Such rows are exact, see ``Decoded``: no number is so large that it may have been an
    integer, and only texts are nested.
    """
    keys = rows[0] if rows else {}
    if sum(map(len, rows)) != len(keys) * len(rows):
        return False
    try:
        return all(_is_expected(key, rows) for key in keys)
    except KeyError:
        return False


def _is_expected(key: str, rows: Sequence[dict[str, Any]]) -> bool:
    """Whether all values of a column have types of its field, no number too large.

    Raises:
        KeyError: A row has no such key.
    """
    get = itemgetter(key)
    kinds = {*map(type, map(get, rows))}
    if not kinds <= _FIELD_KINDS.get(key, _NO_KINDS):
        return False
    if list in kinds:
        return _are_texts(chain.from_iterable(filter(None, map(get, rows))))
    if float not in kinds:
        return True
    # Without the nulls, which cannot be compared, and the zeros.
    numbers = [*filter(None, map(get, rows))]
    return min(numbers, default=0) > -_LARGEST and max(numbers, default=0) < _LARGEST


def exact_rows(
    rows: Sequence[dict[str, Any]], read_exactly: Callable[[], Sequence[dict[str, Any]]]
) -> tuple[Sequence[dict[str, Any]], bool]:
    """Return rows that orjson read, or the exact ones if these may not be exact.

    Returns:
        The rows, and whether they passed ``have_expected_types``.
    """
    if have_expected_types(rows):
        return rows, True
    return (rows if _are_exact(rows) else read_exactly()), False


def _are_exact(rows: Sequence[dict[str, Any]]) -> bool:
    """Whether rows of unexpected keys or types are exact, see ``Decoded``."""
    values: list[Any] = [value for row in rows for value in row.values()]
    if not {*map(type, values)} <= _SIMPLE | {float, list}:
        return False
    lists = cast("list[list[Any]]", [one for one in values if type(one) is list])
    nested = {*map(type, chain.from_iterable(lists))}
    return nested <= _SIMPLE and not any(map(_is_large, values))


def _with_expected_types(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row, or one that has its unexpected keys and values in ``extra``."""
    plain = _PLAIN.get
    for key, value in row.items():
        if (
            type(value) is not plain(key)
            and (value is not None or key not in _FIELD_KINDS)
            and not (key in _LISTS and _is_texts(value))
        ):
            return _with_extra(row)
    return row


def _make_tuples(rows: Sequence[dict[str, Any]], name: str) -> None:
    """Replace each list of a column by a tuple."""
    for row in rows:
        if (value := row.get(name)) is not None:
            row[name] = tuple(value)


def _with_extra(row: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in row.items():
        kinds = _FIELD_KINDS.get(key, _NO_KINDS)
        if type(value) in kinds and (type(value) is not list or _is_texts(value)):
            fields[key] = value
        else:
            extra[key] = value
            if kinds:
                _warn_once(key, _ROW_WARNING)
    return {**fields, "extra": extra} if extra else fields


def _is_texts(value: Any) -> bool:  # noqa: ANN401 -- any JSON value
    return type(value) is list and _are_texts(cast("Iterable[Any]", value))


def _are_texts(values: Iterable[Any]) -> bool:
    return {*map(type, values)} <= {str}


def _warn_once(field: str, warning: str) -> None:
    if field not in _warned:
        _warned.add(field)
        _logger.warning(warning, field)


def check_rows(rows: Sequence[object]) -> Sequence[dict[str, Any]]:
    """Return the rows of a page, each of which must be an object.

    Raises:
        InvalidResponseError: A row is not an object.
    """
    kinds = {*map(type, rows)}
    for place, row in enumerate(() if kinds <= {dict} else rows):
        if not isinstance(row, dict):
            path = f"$.rows[{place}]"
            raise InvalidResponseError(f"the answer's {path} must be an object", path)
    return cast("Sequence[dict[str, Any]]", rows)
