"""What the commands print, and their exit codes."""

import signal
import sys
from pathlib import Path

import pytest

from openfunnel_async import __version__
from openfunnel_async.cli import main
from tests.cli.command import start, start_python


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_help_names_the_demo(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    assert "demo" in capsys.readouterr().out


def test_help_of_the_demo_names_its_folder(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["demo", "--help"]) == 0
    printed = capsys.readouterr().out
    assert "--output" in printed
    assert "openfunnel-demo" in printed


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize(
    ("arguments", "named"), [(["dmeo"], "dmeo"), (["demo", "--outptu", "x"], "outptu")]
)
def test_an_invalid_command_is_an_error_on_stderr(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert (named in printed.err, printed.out) == (True, "")


def test_an_unwritable_output_is_an_error_before_the_demo_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    for output in (tmp_path, tmp_path / "missing" / "x.csv", file / "x.csv"):
        assert main(["demo", "--output", str(output)]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("openfunnel-async: ")
        assert printed.err.count("\n") == 1


@pytest.mark.parametrize("package", ["cyclopts", "rich"])
def test_without_the_extra_it_prints_what_to_install(
    package: str, tmp_path: Path
) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None; "
        "from openfunnel_async.cli import main; sys.exit(main(['demo']))"
    )
    process = start_python(["-c", code], folder=tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert 'pip install ".[cli]"' in err
    assert err.count("\n") == 1


def test_any_other_missing_module_is_not_blamed_on_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "openfunnel_async.cli._app", raising=False)
    monkeypatch.setitem(sys.modules, "openfunnel_async.errors", None)
    with pytest.raises(ModuleNotFoundError):
        main(["demo"])


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send there")
def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    process = start(["demo"], folder=tmp_path)
    assert process.stdout is not None
    while "100 of 600 rows" not in (line := process.stdout.readline()):
        assert line, "it ended before"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "Interrupted.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
def test_a_reader_that_leaves_causes_no_traceback(tmp_path: Path) -> None:
    process = start(["demo"], folder=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 1
