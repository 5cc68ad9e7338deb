"""The service behind an HTTP server."""

import asyncio
from ipaddress import ip_address
from types import TracebackType
from typing import Self, cast

import attrs
from aiohttp import web
from attrs import validators

from openfunnel_async.sandbox._reply_writer import deliver
from openfunnel_async.sandbox._service.accounts import derive_key
from openfunnel_async.sandbox._service.messages import SandboxRequest
from openfunnel_async.sandbox._service.service import Service
from openfunnel_async.sandbox._sockets import HOST


def _check_host(sandbox: Service, _: object, host: str) -> None:
    """Reject a host name, and a caller's own key where others can connect."""
    made_up = sandbox.api_key in ("", derive_key(sandbox.seed))
    if not ip_address(host).is_loopback and not made_up:
        raise ValueError(f"a sandbox on {host} accepts only its made-up key")


@attrs.define(eq=False, kw_only=True, repr=False)
class Sandbox(Service):
    """A local OpenFunnel: an async context manager around a loopback server.

    It has every option of `Service`, and ``host``, ``port`` and ``keep_alive``.

    Example:
        >>> async def main() -> None:
        ...     async with Sandbox(speed=20) as sandbox:
        ...         print(sandbox.base_url, sandbox.api_key)

    Attributes:
        host: The address of this machine to listen on. An address that others can
            reach, such as ``0.0.0.0`` inside a container, is only accepted with the
            key that is made from the seed: the traffic is plain HTTP.
        port: The port to listen on; 0 chooses a free one. While the sandbox runs, this
            is its real number.
        keep_alive: Real seconds after which it closes an idle connection, also one
            that never carried a request. At 0.02, pooled connections often close at
            the moment when a client uses them again.

    Raises:
        ValueError: ``host`` is not an IP address, or others can reach it and
            ``api_key`` was given.
        OSError: On entry, when the port is in use or the address is not this
            machine's.
    """

    __module__ = "openfunnel_async.sandbox"

    host: str = attrs.field(default=HOST, validator=_check_host)
    port: int = attrs.field(default=0, validator=validators.ge(0))
    keep_alive: float = attrs.field(default=3600.0, validator=validators.gt(0))
    _runner: web.ServerRunner | None = attrs.field(init=False, default=None)
    _answering: set[asyncio.Task[object]] = attrs.field(
        init=False, factory=set[asyncio.Task[object]]
    )

    @property
    def base_url(self) -> str:
        """Return the URL of the sandbox on this machine, without a slash at the end."""
        address = ip_address(self.host)
        if address.is_unspecified:
            address = ip_address(HOST if address.version == 4 else "::1")
        host = f"[{address}]" if address.version == 6 else str(address)
        return f"http://{host}:{self.port}"

    async def __aenter__(self) -> Self:
        """Start listening."""
        runner = web.ServerRunner(
            web.Server(self._serve, keepalive_timeout=self.keep_alive, access_log=None)
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port).start()
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
        """Stop listening and close every connection; the records stay."""
        # aiohttp would wait for every slow answer, even if its client has disconnected.
        for task in tuple(self._answering):
            task.cancel()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        reply = self.handle(await self._read_request(request))
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._answering.add(task)
        try:
            return await deliver(request, reply)
        finally:
            self._answering.discard(task)

    async def _read_request(self, request: web.BaseRequest) -> SandboxRequest:
        """Read a request; its body only if no fault answers before it is read."""
        head = SandboxRequest(
            method=request.method,
            path=request.rel_url.raw_path,
            query=tuple(request.rel_url.query.items()),
            headers={name.lower(): text for name, text in request.headers.items()},
        )
        if self._fault_ignores_body(head):
            return head
        return attrs.evolve(head, body=await request.read())
