"""The service behind a real socket on loopback."""

from __future__ import annotations

import gzip
from types import TracebackType
from typing import Self, cast

import attrs
from aiohttp import web
from attrs import validators

from ._messages import Dropped, SandboxReply, SandboxRequest
from ._service import Service

HOST = "127.0.0.1"

_SMALLEST_WORTH_PACKING = 500


@attrs.define(eq=False, kw_only=True, repr=False)
class Sandbox(Service):
    """A local OpenFunnel: an async context manager around a loopback server.

    Takes every option of `Service`, and ``port``.

    Example:
        >>> async def main() -> None:
        ...     async with Sandbox(speed=20) as sandbox:
        ...         print(sandbox.base_url, sandbox.api_key)

    Attributes:
        port: The port to listen on; 0 takes a free one, and once the sandbox runs
            this is its number.

    Raises:
        OSError: On entry, when the port is taken.
    """

    port: int = attrs.field(default=0, validator=validators.ge(0))
    _runner: web.ServerRunner | None = attrs.field(init=False, default=None)

    @property
    def base_url(self) -> str:
        """Tell where the running sandbox listens, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        """Start listening."""
        runner = web.ServerRunner(web.Server(self._serve), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self.port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self.port = cast("tuple[str, int]", runner.addresses[0])[1]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening and close what is open; what was seen stays."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        reply = self.handle(
            SandboxRequest(
                method=request.method,
                path=request.rel_url.raw_path,
                query=tuple(request.rel_url.query.items()),
                headers={name.lower(): text for name, text in request.headers.items()},
                body=await request.read(),
            )
        )
        if isinstance(reply.delivery, Dropped):
            return _hang_up(request)
        return _response(reply, request.headers.get("Accept-Encoding", ""))


def _hang_up(request: web.BaseRequest) -> web.StreamResponse:
    """Close the connection; nothing of the response returned here goes out."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def _response(reply: SandboxReply, accepted: str) -> web.Response:
    headers, body = dict(reply.headers), reply.body
    if "gzip" in accepted and len(body) >= _SMALLEST_WORTH_PACKING:
        headers["content-encoding"] = "gzip"
        body = gzip.compress(body, compresslevel=1, mtime=0)
    return web.Response(status=reply.status, headers=headers, body=body)
