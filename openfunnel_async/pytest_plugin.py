"""The pytest plugin: a sandbox and a client of it, for every kind of test.

``openfunnel_sandbox`` and ``openfunnel_client`` are plain fixtures that are made
without an event loop, so they work in tests run by anyio or by pytest-asyncio, in
either of its modes, and in synchronous ones.

A test run that does not use them pays for this module alone: what it needs is
imported by the fixtures.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from openfunnel_async._client.client import OpenFunnel
    from openfunnel_async.sandbox import Sandbox

_MARK = (
    "openfunnel(**options): options of the Sandbox that openfunnel_sandbox gives, "
    "such as speed= and faults="
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", _MARK)


@pytest.fixture
def openfunnel_sandbox(request: pytest.FixtureRequest) -> Iterator["Sandbox"]:
    """Start a local OpenFunnel on loopback, in a thread of its own.

    A sandbox second takes a millisecond unless the mark says otherwise. While it
    runs, ``OPENFUNNEL_BASE_URL`` and ``OPENFUNNEL_API_KEY`` are its own, so a client
    made without arguments spends nothing.

    Its options come from ``@pytest.mark.openfunnel(...)`` on the test, its class and
    its module; of an option given twice the nearest counts.
    """
    from openfunnel_async._client.settings import BASE_URL_VARIABLE, KEY_VARIABLE  # noqa: PLC0415 -- see the module's first lines
    from openfunnel_async._pytest_stage import SharedSandbox, in_a_thread  # noqa: PLC0415 -- likewise

    try:
        sandbox = SharedSandbox(**_options(request.node))
    except (TypeError, ValueError) as exc:
        pytest.fail(f"@pytest.mark.openfunnel takes Sandbox's options: {exc}", False)
    with in_a_thread(sandbox), pytest.MonkeyPatch.context() as environment:
        environment.setenv(BASE_URL_VARIABLE, sandbox.base_url)
        environment.setenv(KEY_VARIABLE, sandbox.api_key)
        yield sandbox


@pytest.fixture
def openfunnel_client(openfunnel_sandbox: "Sandbox") -> "OpenFunnel":
    """Make a client of ``openfunnel_sandbox`` that looks every 20 ms.

    It keeps nothing open between two requests, so it need not be closed. Like every
    client it belongs to the event loop it is first used on, whichever that is; each
    test has a client of its own.
    """
    from openfunnel_async._pytest_stage import client_of  # noqa: PLC0415 -- see the module's first lines

    return client_of(openfunnel_sandbox)


def _options(node: pytest.Item) -> dict[str, Any]:
    """Collect what the marks say, from the farthest to the nearest."""
    options: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers("openfunnel"))):
        if mark.args:
            raise TypeError(f"give {mark.args[0]!r} by its name")
        options |= mark.kwargs
    return options
