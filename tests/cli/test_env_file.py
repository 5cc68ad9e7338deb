"""The .env file: other lines kept, replaced in one step, only its owner reads it."""

import os
import stat
import sys
from pathlib import Path

import pytest

from openfunnel_async.cli import _env_file
from openfunnel_async.cli._output.exit_codes import CommandError, ExitCode
from openfunnel_async.cli._settings import ServiceFlags

KEY = "OPENFUNNEL_API_KEY"
URL = "OPENFUNNEL_BASE_URL"


@pytest.mark.parametrize(
    "line",
    [
        f"{KEY}=of_1",
        f"export {KEY}=of_1",
        f"  {KEY} = of_1  ",
        f"{KEY}='of_1'",
        f'{KEY}="of_1" # mine',
        f"{KEY}=of_1 # mine",
        f"\ufeff{KEY}=of_1\r",
    ],
)
def test_a_key_is_found_however_it_is_written(line: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(f"# of the project\nOTHER={KEY}\n\n{line}\n", encoding="utf-8")
    if line.startswith("\ufeff"):
        path.write_text(f"{line}\n", encoding="utf-8")
    found = _env_file.read_file(path)
    assert found == {KEY: "of_1"}
    assert "of_1" not in repr(found)


@pytest.mark.parametrize("line", ["", f"#{KEY}=of_1", f"{KEY}=", f"MY_{KEY}=of_1"])
def test_no_key_is_found_where_none_is(line: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(line)
    assert _env_file.read_file(path) == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"{KEY}=of_2\n"),
        ("A=1", f"A=1\n{KEY}=of_2\n"),
        (f"A=1\n{KEY}=of_1\nB=2\n", f"A=1\n{KEY}=of_2\nB=2\n"),
        (f"{KEY}=a\n{KEY}=b\n", f"{KEY}=of_2\n"),
        (f"# {KEY}=x\n{URL}=http://127.0.0.1:1\n", f"# {KEY}=x\n{KEY}=of_2\n"),
        ("A=1\r\nB=\xff\r\n", f"A=1\r\nB=\xff\r\n{KEY}=of_2\n"),
    ],
)
def test_other_lines_stay_as_they_are(before: str, after: str, tmp_path: Path) -> None:
    """Caught: the file decoded and encoded again, which loses its odd bytes."""
    path = tmp_path / ".env"
    path.write_bytes(before.encode("latin-1"))
    _env_file.write_file(path, {KEY: "of_2", URL: None})
    assert path.read_bytes() == after.encode("latin-1")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="other rights there")
def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / ".env"
        _env_file.write_file(path, {KEY: "of_1"})
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert _env_file.is_private(path)
        path.chmod(0o640)
        assert not _env_file.is_private(path)
    finally:
        os.umask(before)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    with pytest.raises(UnicodeEncodeError):
        _env_file.write_file(path, {KEY: "\ud800"})
    assert path.read_text() == "A=1\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.env").touch()
    link = tmp_path / ".env"
    link.symlink_to("real.env")
    _env_file.write_file(link, {KEY: "of_1"})
    assert link.is_symlink()
    assert (tmp_path / "real.env").read_text() == f"{KEY}=of_1\n"


def test_an_address_in_a_file_never_gets_a_key_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: the address of a project's .env taken with the user's own key."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"{KEY}=of_theirs\n{URL}=https://evil.example\n")
    monkeypatch.setenv(KEY, "of_mine")
    monkeypatch.delenv(URL, raising=False)
    mine = ServiceFlags().find_account()
    assert (mine.key, mine.origin) == ("of_mine", "https://api.openfunnel.dev")
    monkeypatch.delenv(KEY)
    theirs = ServiceFlags().find_account()
    assert (theirs.key, theirs.origin) == ("of_theirs", "https://evil.example")
    monkeypatch.setenv(URL, "https://mine.example")
    assert ServiceFlags().find_account().origin == "https://mine.example"


def test_a_file_that_is_named_goes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "b.env"
    path.write_text(f"{KEY}=of_b\n")
    monkeypatch.setenv(KEY, "of_a")
    monkeypatch.setenv(URL, "http://127.0.0.1:1")
    account = ServiceFlags(env_file=path).find_account()
    assert (account.key, account.origin) == ("of_b", "http://127.0.0.1:1")
    path.write_text(f"{KEY}=of_b\n{URL}=http://127.0.0.1:2\n")
    assert ServiceFlags(env_file=path).find_account().origin == "http://127.0.0.1:2"
    given = ServiceFlags(env_file=path, base_url="http://127.0.0.1:3")
    assert given.find_account().origin == "http://127.0.0.1:3"


def test_a_file_without_a_key_gets_none_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caught: the key of the environment sent to that address."""
    path = tmp_path / "theirs.env"
    path.write_text(f"{URL}=https://evil.example\n")
    monkeypatch.setenv(KEY, "of_mine")
    with pytest.raises(CommandError, match="there is no API key in") as caught:
        ServiceFlags(env_file=path).find_account()
    assert caught.value.code is ExitCode.KEY
