"""Record exchanges in a file of JSON lines, and answer from such a file.

The format is in docs/reference/transports.md, "Recordings". A recording contains no
key: request headers are not recorded, and a key that an answer repeats is removed. A
sign-up is not recorded, as its answer is a new key.
"""

import base64
import contextlib
import json
import logging
import os
import stat
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from openfunnel_async._text import error_text, escaped
from openfunnel_async._transport.key_echo import KeyEcho
from openfunnel_async._transport.wire import (
    API_KEY_HEADER,
    FinalTransportError,
    SecretText,
    Transport,
    WireReply,
    WireRequest,
)
from openfunnel_async.errors import ConfigurationError, TransportError

_log = logging.getLogger("openfunnel_async")
_SIGN_UP = "/api/v1/agent/"
_HEADERS = (
    "content-type", "date", "location", "retry-after", "server",
    "request-id", "x-request-id", "x-correlation-id",
)  # fmt: skip
_CUT_OFF = "the exchange was cancelled or exceeded its time limit"
_Place = tuple[str, str, tuple[tuple[str, str], ...]]


class RecordingTransport:
    """Records every exchange of another transport in a file.

    The file gets one JSON object a line, each as soon as its exchange has ended, and is
    readable for its owner alone. It contains what was bought: treat it as such. The key
    is not in it. Exchanges of a sign-up are carried but not recorded.

    If the file cannot be written, this is logged once and the exchanges continue
    without a recording.

    Args:
        inner: Carries the requests; closed with this transport.
        path: The file. It must not exist, or be empty.

    Raises:
        ConfigurationError: The file cannot be created, or contains something.
    """

    __module__ = "openfunnel_async"

    def __init__(self, inner: Transport, path: str | os.PathLike[str]) -> None:
        self._inner = inner
        self._file: BinaryIO | None = _create(path)

    async def send(self, request: WireRequest, /) -> WireReply:
        """Send with the inner transport, and record the outcome.

        Raises:
            TransportError: As the inner transport raises it.

        Cancellation: passes through; it is recorded.
        """
        outcome: WireReply | BaseException | None = None
        try:
            outcome = await self._inner.send(request)
        except BaseException as exc:
            # Also a cancellation: each is recorded, and raised again.
            outcome = exc
            raise
        else:
            return outcome
        finally:
            self._record(request, outcome)
            del outcome

    async def aclose(self) -> None:
        """Close the inner transport and the file."""
        try:
            await self._inner.aclose()
        finally:
            self._stop()

    def _record(
        self, request: WireRequest, outcome: WireReply | BaseException | None
    ) -> None:
        """Write a line; nothing may fail between an answer and its reader."""
        if self._file is None or _SIGN_UP in request.path:
            return
        try:
            line = json.dumps(_describe(request, outcome), ensure_ascii=True)
            self._file.write(f"{line}\n".encode())
            self._file.flush()
        except Exception as exc:  # noqa: BLE001 -- a seam: a recording must not cost the id of a job
            self._stop()
            reason = error_text(exc)
            _log.warning("the recording has ended, it cannot be written: %s", reason)

    def _stop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            # Closing writes what is left, which fails on a full disk.
            with contextlib.suppress(OSError):
                file.close()


class ReplayTransport:
    """Answers from a recording, without a network.

    Each request gets the next recorded outcome of the same method, path and query; a
    recorded failure is raised again. Host and headers do not matter, a path in
    ``base_url`` does.

    Args:
        path: What a ``RecordingTransport`` has written.

    Raises:
        ConfigurationError: The file cannot be read, or is no recording.
    """

    __module__ = "openfunnel_async"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._outcomes: dict[_Place, deque[WireReply | TransportError]] = {}
        for place, outcome in _read(path):
            self._outcomes.setdefault(place, deque()).append(outcome)

    async def send(self, request: WireRequest, /) -> WireReply:
        """Return the next recorded reply to such a request.

        Raises:
            TransportError: Such a request was not recorded, or not as often; or this
                is what the recording contains.

        Cancellation: nothing waits here.
        """
        left = self._outcomes.get((request.method, request.path, request.query))
        if not left:
            request.progress.waiting()
            fault = "was not recorded" if left is None else "was recorded less often"
            what = escaped(
                f"{request.method} {request.url.removeprefix(request.origin)}"
            )
            # Another try finds nothing either.
            raise FinalTransportError(f"{what} {fault}; nothing was sent", False)
        outcome = left.popleft()
        if isinstance(outcome, WireReply):
            request.progress.sent()
            return outcome
        if outcome.request_sent:
            request.progress.sent()
        else:
            request.progress.waiting()
        raise outcome

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""


def _create(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a new or empty file that only its owner can read."""
    fault = "it is not empty"
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        file = os.fdopen(number, "ab")
        found = os.fstat(number)
        if found.st_size == 0:
            # A file that was there before may have another mode; a device keeps its.
            if stat.S_ISREG(found.st_mode):
                Path(path).chmod(0o600)
            return file
        file.close()
    except OSError as exc:
        fault = exc.strerror or "it cannot be opened"
    except (TypeError, ValueError):
        fault = "the path is invalid"
    raise ConfigurationError(f"the recording cannot be written: {fault}")


def _describe(
    request: WireRequest, outcome: WireReply | BaseException | None
) -> dict[str, object]:
    """Return the fields of a line, without the key of the request."""
    key = request.headers.get(API_KEY_HEADER)
    echo = KeyEcho(None if key is None else SecretText(key))
    fields: dict[str, object] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "method": request.method,
        "path": request.path,
        "query": request.query,
    }
    if isinstance(outcome, WireReply):
        return fields | _describe_reply(echo.remove_from_reply(outcome))
    text, was_sent = _CUT_OFF, request.progress.may_be_sent
    if isinstance(outcome, TransportError):
        text, was_sent = str(outcome), outcome.request_sent
    elif isinstance(outcome, Exception):
        text = error_text(outcome)
    return fields | {"error": echo.remove_from_text(text), "request_sent": was_sent}


def _describe_reply(reply: WireReply) -> dict[str, object]:
    headers = {name: reply.headers[name] for name in _HEADERS if name in reply.headers}
    fields: dict[str, object] = {"status": reply.status_code, "headers": headers}
    try:
        return fields | {"body": reply.body.decode()}
    except UnicodeDecodeError:
        return fields | {"body_base64": base64.b64encode(reply.body).decode()}


def _read(
    path: str | os.PathLike[str],
) -> Iterable[tuple[_Place, WireReply | TransportError]]:
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as exc:
        fault = exc.strerror or "it cannot be opened"
    except (TypeError, ValueError):
        fault = "the path is invalid"
    else:
        return [_parse(number, line) for number, line in enumerate(lines, 1)]
    raise ConfigurationError(f"the recording cannot be read: {fault}")


def _parse(number: int, line: bytes) -> tuple[_Place, WireReply | TransportError]:
    try:
        fields = cast("dict[str, object]", json.loads(line))
        pairs = cast("list[tuple[str, str]]", fields["query"])
        query = tuple((str(name), str(value)) for name, value in pairs)
        place = str(fields["method"]), str(fields["path"]), query
        return place, _parse_outcome(fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        msg = f"line {number} of the recording is not one of a RecordingTransport"
    raise ConfigurationError(msg)


def _parse_outcome(fields: Mapping[str, object]) -> WireReply | TransportError:
    if "error" in fields:
        return TransportError(str(fields["error"]), fields["request_sent"] is True)
    headers = cast("Mapping[str, str]", fields["headers"])
    if "body_base64" in fields:
        body = base64.b64decode(str(fields["body_base64"]), validate=True)
    else:
        body = str(fields["body"]).encode()
    return WireReply(
        status_code=int(cast("int", fields["status"])),
        headers={str(name): str(value) for name, value in headers.items()},
        body=body,
    )
