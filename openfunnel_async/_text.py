"""Text for people: one bounded line without invisible characters.

Text of the service or of a gateway may contain terminal sequences, line breaks and
characters that reverse or hide text. It is escaped before it becomes part of an error's
message or of a log record. The length of a repr is bounded for every value.
"""

import enum
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import cast

import attrs

LONGEST = 500
_LONGEST_REPR = 400
_LONGEST_VALUE = 100
_MOST_ITEMS = 3
_DEEPEST = 2
_MOST_BITS = 256

# Invisible, although printable in Python: Unicode's Default_Ignorable_Code_Point
# outside the category Cf, and the blank pattern of Braille. Compiled for the first text
# that is not ASCII.
_IGNORABLE = (
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def escaped(text: str, longest: int = LONGEST) -> str:
    r"""Return text of the service as one bounded line of visible characters.

    Control and format characters (C0, C1, DEL, bidirectional and invisible ones),
    line and paragraph separators, unusual spaces and lone surrogates become visible
    escapes such as ``\x1b``. Escaping twice changes nothing.

    Args:
        text: The text; only the beginning of a long one is read.
        longest: Most characters to return; a shortened text ends in an ellipsis.
    """
    shown = text[: longest + 1]
    is_plain = shown.isascii() or not re.search(_IGNORABLE, shown)
    if not (is_plain and shown.isprintable()):
        shown = "".join(map(_visible, shown))
    return cut(shown, longest)


def cut(text: str, longest: int) -> str:
    """Return at most ``longest`` characters; a shortened text ends in an ellipsis."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _visible(character: str) -> str:
    if character.isprintable() and not re.match(_IGNORABLE, character):
        return character
    return character.encode("unicode_escape").decode()


def brief_repr(self: object) -> str:
    """Return a bounded repr of an attrs value, without its unset fields.

    Classes use it as their ``__repr__``.
    """
    fields: list[str] = []
    for field in attrs.fields(cast("type[attrs.AttrsInstance]", type(self))):
        item: object = getattr(self, field.name)
        if callable(field.repr):
            shown = cast("str", field.repr(item))
            fields.append(f"{field.name}={escaped(shown, _LONGEST_VALUE)}")
        elif field.repr and not _is_unset(field, item):
            fields.append(f"{field.name}={brief(item)}")
    return call_repr(type(self).__name__, fields)


def _is_unset(field: "attrs.Attribute[object]", item: object) -> bool:
    if field.default is attrs.NOTHING:
        return False
    return item is None or (isinstance(item, (tuple, Mapping)) and not item)


def error_repr(error: BaseException) -> str:
    """Return a bounded repr of an error and its args."""
    return call_repr(type(error).__name__, map(brief, error.args))


def error_text(error: BaseException) -> str:
    """Return the type of a foreign error and the texts among its arguments, escaped.

    Its ``str`` is foreign code, which may fail or show a secret.
    """
    texts = (arg for arg in error.args if isinstance(arg, str))
    return escaped(f"{type(error).__name__}: {' '.join(texts)}".rstrip(": "))


def call_repr(name: str, arguments: Iterable[str]) -> str:
    """Return ``name(arguments)``, shortened to a bounded length."""
    return f"{name}({cut(', '.join(arguments), _LONGEST_REPR - len(name) - 2)})"


def brief(value: object) -> str:
    """Return a repr of bounded length, in bounded time, for every value."""
    return escaped(_brief(value, 0), _LONGEST_VALUE)


def _brief(value: object, depth: int) -> str:
    kind = type(value)
    if kind is str:
        return _brief_text(cast("str", value))
    if kind is int:
        bits = cast("int", value).bit_length()
        return repr(value) if bits <= _MOST_BITS else f"<int of {bits} bits>"
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value)} bytes>"
    return _brief_items_of(value, depth)


def _brief_items_of(value: object, depth: int) -> str:
    kind = type(value)
    if kind in (dict, MappingProxyType):
        fields = cast("Mapping[object, object]", value)
        pairs = (
            f"{_brief(key, depth + 1)}: {_brief(item, depth + 1)}"
            for key, item in fields.items()
        )
        return _brief_items("{}", pairs, len(fields), depth)
    if kind in (list, tuple):
        items = cast("list[object]", value)
        shown = (_brief(item, depth + 1) for item in items)
        return _brief_items("[]" if kind is list else "()", shown, len(items), depth)
    return cut(repr(value), _LONGEST_VALUE)


def _brief_text(text: str) -> str:
    longest = _LONGEST_VALUE - len("''")
    if len(text) <= longest:
        return repr(text)
    shown = repr(text[: longest - 1])
    return f"{shown[:-1]}…{shown[-1]}"


def _brief_items(braces: str, items: Iterable[str], count: int, depth: int) -> str:
    if count and depth >= _DEEPEST:
        return f"{braces[0]}…{braces[1]}"
    shown = [*islice(items, _MOST_ITEMS)]
    if count > _MOST_ITEMS:
        shown.append(f"… {count - _MOST_ITEMS} more")
    end = f",{braces[1]}" if count == 1 and braces == "()" else braces[1]
    return f"{braces[0]}{', '.join(shown)}{end}"
