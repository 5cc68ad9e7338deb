"""The pytest plugin: a sandbox and a client of it, for every kind of test.

A fixture that is a coroutine function works only with the plugin that runs it, on that
plugin's event loop. ``openfunnel_sandbox`` and ``openfunnel_client`` are plain
fixtures, so they work in tests that anyio or pytest-asyncio runs, in either of its
modes, and in synchronous tests: the sandbox has an event loop of its own, and the
client uses that of the test and leaves nothing open on it.

A test run that does not use them imports only this module; the fixtures import what
they need.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from openfunnel_async import OpenFunnel, WireReply, WireRequest
    from openfunnel_async.sandbox import Sandbox

_MARK = (
    "openfunnel(**options): options of the Sandbox that openfunnel_sandbox gives, "
    "such as speed= and faults="
)
_SECONDS_BETWEEN_POLLS = 0.02


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", _MARK)


@pytest.fixture
def openfunnel_sandbox(request: pytest.FixtureRequest) -> Iterator["Sandbox"]:
    """Start a local OpenFunnel on loopback, in a thread of its own.

    A sandbox second takes a millisecond unless the mark sets another speed. While the
    sandbox runs, ``OPENFUNNEL_BASE_URL`` and ``OPENFUNNEL_API_KEY`` are its own, so a
    client made without arguments spends nothing.

    Its options come from ``@pytest.mark.openfunnel(...)`` on the test, its class and
    its module; of an option given twice the nearest counts.
    """
    from openfunnel_async import BASE_URL_VARIABLE, KEY_VARIABLE  # noqa: PLC0415 -- an idle run must not import it
    from openfunnel_async.sandbox._threaded import SharedSandbox, in_a_thread  # noqa: PLC0415 -- an idle run must not import it

    try:
        sandbox = SharedSandbox(**_read_options(request.node))
    except (TypeError, ValueError) as exc:
        pytest.fail(f"@pytest.mark.openfunnel takes Sandbox's options: {exc}", False)
    with in_a_thread(sandbox), pytest.MonkeyPatch.context() as environment:
        environment.setenv(BASE_URL_VARIABLE, sandbox.base_url)
        environment.setenv(KEY_VARIABLE, sandbox.api_key)
        # A proxy of the network has no way to a loopback address.
        environment.delenv("OPENFUNNEL_PROXY", raising=False)
        yield sandbox


@pytest.fixture
def openfunnel_client(openfunnel_sandbox: "Sandbox") -> "OpenFunnel":
    """Make a client of ``openfunnel_sandbox`` that polls every 20 ms.

    It keeps no connection open between two requests, so it need not be closed. Like
    every client it belongs to the event loop on which it is first used; each test has
    a client of its own.
    """
    from openfunnel_async import OpenFunnel, PollPolicy  # noqa: PLC0415 -- an idle run must not import it

    return OpenFunnel(
        openfunnel_sandbox.api_key,
        base_url=openfunnel_sandbox.base_url,
        polling=PollPolicy.fixed(_SECONDS_BETWEEN_POLLS),
        transport=_SingleUseTransport(),
    )


def _read_options(node: pytest.Item) -> dict[str, Any]:
    """Collect the options of the marks, from the farthest to the nearest."""
    options: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers("openfunnel"))):
        if mark.args:
            raise TypeError(f"give {mark.args[0]!r} by its name")
        options |= mark.kwargs
    return options


class _SingleUseTransport:
    """Send each request over a connection of its own, closed with the reply.

    A session belongs to the event loop on which it was made and must be closed there.
    The event loop of a test is closed when its fixtures are torn down.
    """

    def __init__(self) -> None:
        self._closed = False

    async def send(self, request: "WireRequest", /) -> "WireReply":
        import anyio  # noqa: PLC0415 -- an idle run must not import it

        from openfunnel_async import AiohttpTransport, ConfigurationError  # noqa: PLC0415 -- an idle run must not import it

        if self._closed:
            raise ConfigurationError("the client is closed; make a new one")
        transport = AiohttpTransport()
        try:
            return await transport.send(request)
        finally:
            with anyio.CancelScope(shield=True):
                await transport.aclose()

    async def aclose(self) -> None:
        self._closed = True
