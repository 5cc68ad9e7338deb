"""From bytes to values and back; the only import of cattrs.

Nothing is coerced: cattrs would turn None into "None" and "false" into True, so
every scalar has a strict hook. A row is never refused for what its fields look
like, because it is paid for (design: Rows).
"""

import functools
import json
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar, cast

import attrs
import cattrs
from cattrs import Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from openfunnel_async._models import Company, JobSnapshot, Manifest
from openfunnel_async._status import JobStatus
from openfunnel_async.errors import InvalidResponseError

MAX_BODY = 8 * 1024 * 1024

_T = TypeVar("_T")
_logger = logging.getLogger("openfunnel_async")


def encode(value: Mapping[str, object]) -> bytes:
    """Write a request body as compact UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def decode(body: bytes) -> Any:  # noqa: ANN401 -- JSON is anything
    """Read a body as strict JSON.

    Raises:
        InvalidResponseError: Larger than 8 MiB, not UTF-8, not JSON, NaN or
            Infinity, nested without end, a number of thousands of digits.
    """
    if len(body) > MAX_BODY:
        msg = f"the answer is larger than {MAX_BODY // 2**20} MiB"
        raise InvalidResponseError(msg, "$", False)
    try:
        return _DECODER.decode(body.decode())
    except RecursionError:
        fault = "is nested too deeply"
    except UnicodeDecodeError:
        fault = "is not UTF-8"
    except ValueError:
        fault = "is not JSON"
    raise InvalidResponseError(f"the answer {fault}", "$", False)


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
        InvalidResponseError: Its path says which field cannot be believed.
    """
    try:
        return _converter(telling=False).structure(value, shape)
    except (TypeError, KeyError):
        pass
    try:
        return _converter(telling=True).structure(value, shape)
    except (cattrs.BaseValidationError, TypeError, KeyError) as exc:
        first = transform_error(exc, path="$", format_exception=_fault)[0]
    fault, _, path = first.rpartition(" @ ")
    raise InvalidResponseError(f"the answer's {path} {fault}", path)


def snapshot(answer: dict[str, Any]) -> JobSnapshot:
    """Build what an answer says of a job's state.

    Most answers can be taken over as they are; the converter, which takes four
    times as long, builds the others and says what is wrong with them.

    Raises:
        InvalidResponseError: Its path says which field cannot be believed.
    """
    field = answer.get
    job_id, word, processed = field("job_id"), field("status"), field("processed")
    error, progress = field("error_message"), field("progress_message")
    if (
        type(job_id) is str
        and type(word) is str
        and field("manifest") is None
        and (processed is None or (type(processed) is int and processed >= 0))
        and (error is None or type(error) is str)
        and (progress is None or type(progress) is str)
    ):
        return JobSnapshot(
            job_id=job_id,
            status=JobStatus.parse(word),
            raw_status=word,
            error_message=error,
            processed=processed,
            progress_message=progress,
        )
    return structure(answer, JobSnapshot)


def _fault(exc: BaseException, _type: type | None) -> str:
    """Say what is wrong without the value, which could hold anything."""
    if isinstance(exc, KeyError):
        return "is missing"
    return exc.args[0] if isinstance(exc, _WrongTypeError) else "has the wrong shape"


class _WrongTypeError(TypeError):
    """A value that is not of the one type its field allows."""


def _strict(
    kinds: tuple[type, ...], words: str, passes: Callable[[Any], bool] | None = None
) -> Callable[[Any, Any], Any]:
    def hook(value: Any, _type: Any) -> Any:  # noqa: ANN401 -- any JSON may come
        if type(value) in kinds and (passes is None or passes(value)):
            return value
        raise _WrongTypeError(f"must be {words}")

    return hook


def _object(shape: type[_T], converter: Converter) -> Callable[[Any, Any], _T]:
    """Return a hook that takes an object and nothing else for the shape."""
    build = make_dict_structure_fn(shape, converter)

    def hook(value: Any, kind: Any) -> _T:  # noqa: ANN401 -- any JSON may come
        if type(value) is not dict:
            msg = "must be an object"
            raise _WrongTypeError(msg)
        return build(cast("dict[str, Any]", value), kind)

    return hook


def _not_negative(value: float) -> bool:
    return math.isfinite(value) and value >= 0


@functools.cache
def _converter(*, telling: bool) -> Converter:
    """Return a strict converter; one that tells where it failed is slower.

    Made when first used, as making one takes longer than importing this package.
    """
    made = Converter(detailed_validation=telling)
    made.register_structure_hook(str, _strict((str,), "text"))
    made.register_structure_hook(bool, _strict((bool,), "true or false"))
    made.register_structure_hook(
        int, _strict((int,), "a whole number of at least 0", _not_negative)
    )
    made.register_structure_hook(
        float, _strict((int, float), "a number of at least 0", _not_negative)
    )
    made.register_structure_hook_func(
        lambda shape: bool(shape == tuple[str, ...]), _texts
    )
    made.register_structure_hook_func(
        lambda shape: bool(shape == (str | None)), _optional_text
    )
    made.register_structure_hook(Manifest, _object(Manifest, made))
    made.register_structure_hook(
        JobSnapshot,
        make_dict_structure_fn(
            JobSnapshot,
            made,
            status=override(rename="status", struct_hook=_status),
            raw_status=override(rename="status"),
            # The handle adds these; a key of that name is none of the service's.
            limit=override(omit=True),
            eta=override(omit=True),
        ),
    )
    return made


def _optional_text(value: Any, _type: object) -> str | None:  # noqa: ANN401 -- JSON
    if value is None or type(value) is str:
        return value
    raise _WrongTypeError("must be text or null")


def _status(value: Any, _type: object) -> JobStatus:  # noqa: ANN401 -- JSON
    if type(value) is str:
        return JobStatus.parse(value)
    raise _WrongTypeError("must be text")


def _texts(value: Any, _type: object) -> tuple[str, ...]:  # noqa: ANN401 -- JSON
    if _is_texts(value):
        return tuple(cast("list[str]", value))
    raise _WrongTypeError("must be a list of texts")


_KINDS: dict[str, tuple[type, ...]] = {
    "str | None": (str,),
    "int | None": (int,),
    "float | None": (float, int),
    "tuple[str, ...] | None": (list,),
}
_FIELD_KINDS = {
    field.name: _KINDS[str(field.type)]
    for field in attrs.fields(Company)
    if field.name != "extra"
}
# The one type that a value of the field can be taken over from as it is.
_PLAIN = {name: kinds[0] for name, kinds in _FIELD_KINDS.items() if kinds != (list,)}
_warned: set[str] = set()


def company(row: dict[str, Any]) -> Company:
    """Build a company; what does not fit its field is kept in ``extra``.

    Most rows can be taken over as they are. That path goes around the constructor,
    whose keyword arguments would cost four times as much.
    """
    kind_of = _PLAIN.get
    for key, value in row.items():
        if type(value) is not kind_of(key) and (
            value is not None or key not in _FIELD_KINDS
        ):
            row = _sorted_out(row)
            break
    made = object.__new__(Company)
    made.__dict__.update(row)
    return made


def _sorted_out(row: dict[str, Any]) -> dict[str, Any]:
    """Part what fits its field from what goes to ``extra``."""
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in row.items():
        kinds = _FIELD_KINDS.get(key)
        if kinds is None:
            extra[key] = value
        elif kinds == (list,) and _is_texts(value):
            fields[key] = tuple(value)
        elif type(value) in kinds and kinds != (list,):
            fields[key] = value
        elif value is not None:
            extra[key] = value
            _warn_once(key)
    return {**fields, "extra": extra} if extra else fields


def _is_texts(value: Any) -> bool:  # noqa: ANN401 -- any JSON may come
    return type(value) is list and all(type(item) is str for item in cast("Any", value))


def _warn_once(key: str) -> None:
    if key not in _warned:
        _warned.add(key)
        _logger.warning(
            "a row's %s has an unexpected type; it reads None, its value is in extra",
            key,
        )


def companies(rows: Iterable[object]) -> tuple[Company, ...]:
    """Build all rows of a page.

    Raises:
        InvalidResponseError: A row is not an object.
    """
    built: list[Company] = []
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            path = f"$.rows[{place}]"
            raise InvalidResponseError(f"the answer's {path} must be an object", path)
        built.append(company(row))  # pyright: ignore[reportUnknownArgumentType]
    return tuple(built)
