"""What every test may count on."""

import signal

import pytest

from tests.support.virtual_time import VIRTUAL_TIME, AnyioBackend

pytest_plugins = [
    "openfunnel_async.pytest_plugin",
    "pytester",
    "tests.support.postgres_fixtures",
]

# A shell that starts pytest in the background lets it ignore Ctrl-C, and nohup a closed
# terminal; the processes that tests start and interrupt would do the same.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)


@pytest.fixture(scope="module")
def anyio_backend(request: pytest.FixtureRequest) -> AnyioBackend:
    """Run a module on asyncio; in virtual time if marked with `virtual_time`.

    The scope is the module's, so that async fixtures may be shared in it: the mark
    belongs in the module's `pytestmark`. A module may also override this fixture.
    """
    module: pytest.Module = request.node
    if module.get_closest_marker("virtual_time"):
        return VIRTUAL_TIME
    return ("asyncio", {})


def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuse a mark that would silently do nothing."""
    marked = item.get_closest_marker("virtual_time") is not None
    module = item.getparent(pytest.Module)
    if marked and (module is None or not module.get_closest_marker("virtual_time")):
        raise pytest.UsageError(f"{item.nodeid}: virtual_time marks whole modules")
