"""What the demo does when it does not go as the story has it."""

from pathlib import Path

import pytest

from openfunnel_async import TransportError
from openfunnel_async.cli import main
from openfunnel_async.cli._say import Voice
from openfunnel_async.cli.demo import _demo


def _always(*_: object) -> tuple[str, ...]:
    return ("job A: planted",)


def test_books_that_do_not_agree_fail_the_demo_and_keep_the_companies(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(_demo, "disagreements", _always)
    output = tmp_path / "companies.csv"
    assert _demo.run(output, Voice(), pace=0.0) == 1
    told = capsys.readouterr()
    assert told.err == "openfunnel-async: the books do not agree: job A: planted\n"
    assert "is NOT what is in the sandbox's ledger" in told.out
    assert output.stat().st_size > 0


@pytest.mark.parametrize(
    "failure",
    [
        ExceptionGroup("", [TransportError("the line is dead", True)]),
        OSError(28, "the line is dead"),
    ],
)
def test_a_failure_on_the_way_is_one_sentence(
    failure: Exception,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> int:
        raise failure

    monkeypatch.setattr(_demo, "run", fail)
    assert main(["demo", "--output", str(tmp_path / "companies.csv")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("openfunnel-async: the demo failed: ")
    assert "the line is dead" in told
    assert told.count("\n") == 1
