"""What the demo does when its bills differ or when it fails."""

from pathlib import Path

import pytest

from openfunnel_async import TransportError
from openfunnel_async.cli import main
from openfunnel_async.cli._commands.demo import command, scenario
from openfunnel_async.cli._output.printer import Printer


def _always(*_: object) -> list[str]:
    return ["job A: planted"]


def test_bills_that_differ_fail_the_demo_and_keep_the_companies(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "find_differences", _always)
    monkeypatch.setattr(scenario, "PAUSE", 0.0)
    output = tmp_path / "companies.csv"
    assert command.play_and_write(output, Printer()) == 1
    printed = capsys.readouterr()
    assert printed.err == "openfunnel-async: the bills differ: job A: planted\n"
    assert "is NOT what is in the sandbox's ledger" in printed.out
    assert output.stat().st_size > 0


@pytest.mark.parametrize(
    "failure",
    [
        ExceptionGroup("", [TransportError("the line is dead", True)]),
        OSError(28, "the line is dead"),
    ],
)
def test_a_failure_is_one_sentence(
    failure: Exception,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **_options: object) -> int:
        raise failure

    monkeypatch.setattr(command, "play_and_write", fail)
    assert main(["demo", "--output", str(tmp_path / "companies.csv")]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("openfunnel-async: the demo failed: ")
    assert "the line is dead" in printed
    assert printed.count("\n") == 1
