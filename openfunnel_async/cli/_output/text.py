"""Format text and numbers for a terminal."""

import unicodedata

# Marks that change the direction of the text after them, and so rearrange a line.
_DIRECTION_MARKS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def one_line(text: str) -> str:
    """Return a text of somebody else's that cannot move a cursor or break a line."""
    return " ".join("".join(filter(_is_harmless, word)) for word in text.split())


def _is_harmless(character: str) -> bool:
    category = unicodedata.category(character)
    return category not in {"Cc", "Cs"} and character not in _DIRECTION_MARKS


def format_amount(number: float) -> str:
    """Format a number of credits or companies."""
    return f"{number:,.10g}"
