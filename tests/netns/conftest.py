"""Namespaces for each test, and a table of what was measured."""

from collections.abc import Iterator

import pytest

from tests.netns.network import Network, missing, network, remove_leftovers

FIGURES = "netns figures"


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """Fail, rather than skip, where the tests cannot run."""
    absent = missing()
    if absent:
        pytest.fail(f"the tests of dead connections cannot run: {absent}")
    remove_leftovers()


@pytest.fixture
def link() -> Iterator[Network]:
    """Make two namespaces with a link between them."""
    with network() as made:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures also where the tests ran in other processes."""
    reports = [*terminalreporter.getreports("passed")]
    reports += terminalreporter.getreports("failed")
    lines = [
        str(value)
        for report in reports
        for name, value in report.user_properties
        if name == FIGURES and report.when == "call"
    ]
    if lines:
        terminalreporter.section("measured after the network change")
        terminalreporter.write_line("\n".join(sorted(lines)))
