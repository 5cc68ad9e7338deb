"""Text of the service is shown as one bounded line that hides nothing."""

import unicodedata

import pytest

from openfunnel_async._text import escaped


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\nb\r\nc\td", r"a\nb\r\nc\td"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x00\x7f\x85\x9b", r"\x00\x7f\x85\x9b"),
        ("ab\u202ecd\u2066ef", r"ab\u202ecd\u2066ef"),
        ("a\u200bb\u200d\ufeffc\u00ad", r"a\u200bb\u200d\ufeffc\xad"),
        ("line\u2028para\u2029", r"line\u2028para\u2029"),
        ("half \ud83d pair", r"half \ud83d pair"),
        ("tag \U000e0041\ufe0f\u3164", r"tag \U000e0041\ufe0f\u3164"),
    ],
)
def test_what_cannot_be_seen_becomes_a_visible_escape(raw: str, shown: str) -> None:
    """Caught: escaping only ASCII control characters."""
    assert escaped(raw) == shown


@pytest.mark.parametrize("text", ["", "Zürich 東京 서울 😀", r"C:\temp", "a b"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert escaped(text) == text


def test_no_control_format_or_separator_character_of_unicode_passes() -> None:
    for code in range(0x110000):
        character = chr(code)
        category = unicodedata.category(character)
        if category in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            assert escaped(character).isascii(), hex(code)


def test_escaping_twice_changes_nothing() -> None:
    once = escaped("\x1b\u202e" * 400)

    assert escaped(once) == once


def test_a_long_text_is_cut_after_it_was_escaped() -> None:
    """Caught: a bound on the raw text, which escapes make ten times as long."""
    shown = escaped("\U000e0041" * 10_000_000)

    assert len(shown) == 500
    assert shown.endswith("…")
