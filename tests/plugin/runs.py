"""A test run of somebody else's."""

import pytest

from openfunnel_async import pytest_plugin


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run pytest in a process with our plugin, and no other that was not asked for."""
    # The entry point may be there or not; by its name the plugin is there once.
    plugins = ("--disable-plugin-autoload", "-p", pytest_plugin.__name__)
    strict = ("-W", "error", "--strict-markers", "--strict-config")
    return pytester.runpytest_subprocess(*plugins, *strict, *arguments)


def passes(pytester: pytest.Pytester, *arguments: str, tests: int) -> bool:
    """Run so, and see that the tests pass and leave no complaint for the end."""
    result = run(pytester, *arguments)
    result.assert_outcomes(passed=tests)
    return result.ret == pytest.ExitCode.OK
