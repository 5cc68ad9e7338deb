"""The check of words finds a planted phrase, and finds none in code."""

from pathlib import Path

import pytest

from tests import words

BANNED = words.phrases(words.TABLE.read_text(encoding="utf-8"))
OLD = "so" + " many"


def found(tmp_path: Path, name: str, text: str) -> list[tuple[int, str]]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return [(hit.line, hit.phrase) for hit in words.hits(path, BANNED)]


def test_the_table_has_phrases_and_advice() -> None:
    """Caught: a renamed heading, with which every file is clean."""
    assert OLD in BANNED
    assert len(BANNED) > 20
    assert all(BANNED.values())


def test_a_phrase_in_a_docstring_and_in_a_comment_is_found(tmp_path: Path) -> None:
    code = f'"""Read {OLD} rows."""\n\nrows = 3  # {OLD}\n'
    assert found(tmp_path, "planted.py", code) == [(1, OLD), (3, OLD)]


def test_a_phrase_on_two_lines_is_found(tmp_path: Path) -> None:
    """Caught: lines that are searched one by one."""
    broken = OLD.replace(" ", "\n# ")
    assert found(tmp_path, "planted.py", f"# Read\n# {broken} rows.\n") == [(2, OLD)]
    page = OLD.capitalize().replace(" ", "\n")
    assert found(tmp_path, "page.md", page) == [(1, OLD.capitalize())]


def test_code_is_not_checked(tmp_path: Path) -> None:
    one, two = OLD.split()
    code = f"{one} = {two} = 1\nwords = ('{one}', '{two}')\n"
    assert found(tmp_path, "code.py", code) == []


def test_a_file_with_a_phrase_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(words, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(f"Rows, {OLD} of them.\n", encoding="utf-8")
    (tmp_path / "clean.md").write_text("Rows.\n", encoding="utf-8")
    assert words.main(["clean.md"]) == 0
    assert words.main(["."]) == 1
    assert f"page.md:1: {OLD} -> {BANNED[OLD]}\n" in capsys.readouterr().out
