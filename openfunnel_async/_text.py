"""Text for people: one line, bounded, with nothing invisible in it.

What the service or a gateway writes may hold terminal sequences, line breaks and
characters that reverse or hide text. It is escaped before it enters an error's
message or a log record; a repr is bounded whatever its value holds.
"""

import re

LONGEST = 500

# Printable by Python's rule and yet invisible: Unicode's Default_Ignorable_Code_Point
# outside the category Cf, and the blank pattern of Braille.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def escaped(text: str, longest: int = LONGEST) -> str:
    r"""Return text of the service as one bounded line that hides nothing.

    Control and format characters (C0, C1, DEL, bidirectional and invisible ones),
    line and paragraph separators, unusual spaces and lone surrogates become visible
    escapes such as ``\x1b``. Escaping twice changes nothing.

    Args:
        text: What to show; of a long one only the beginning is read.
        longest: Most characters to return; a cut text ends in an ellipsis.
    """
    shown = text[: longest + 1]
    if not shown.isprintable() or _IGNORABLE.search(shown) is not None:
        shown = "".join(map(_visible, shown))
    return cut(shown, longest)


def cut(text: str, longest: int) -> str:
    """Return at most so many characters, the last one an ellipsis if it was cut."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _visible(character: str) -> str:
    if character.isprintable() and _IGNORABLE.match(character) is None:
        return character
    return character.encode("unicode_escape").decode()
