"""A line of JSON says the same with the extra speed and without."""

import enum
import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openfunnel_async.errors import ConfigurationError
from openfunnel_async.export import _columns
from openfunnel_async.export._columns import to_json_line


class Size(enum.Enum):
    """A value that orjson writes and json refuses."""

    LARGE = "large"


ODD = st.sampled_from(
    [2**70, -(2**63) - 1, math.nan, -math.inf, -0.0, 1e300, "\ud800", "\x85\u2028",
     "\u2029é🎙\x00\n", ("a", 1), ("a", math.nan), ("\ud800",), Size.LARGE,
     {"a": math.nan}, {"a": [2**70]}, {}, (), {1: "a"}, b"a"],
)  # fmt: skip
VALUES = st.none() | st.text() | st.integers() | st.floats() | st.booleans() | ODD


def without_orjson(_value: object) -> None:
    """Do what the functions of orjson do if it is not installed."""


def outcome(fields: Mapping[str, Any], errors: str) -> object:
    """Return what a line says, or that JSON cannot represent the fields."""
    try:
        line = to_json_line(fields, errors)
    except ConfigurationError:
        return "refused"
    text = line.decode(errors="surrogatepass")
    assert text.splitlines() == [text[:-1]]
    return repr(json.loads(text))


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4))
def test_a_line_says_the_same_without_orjson(fields: dict[str, Any]) -> None:
    """Caught: NaN written as null, an enum as text, and U+2028 as it is."""
    for errors in ("surrogatepass", "backslashreplace"):
        quick = outcome(fields, errors)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_columns, "try_dumps", without_orjson)
            assert outcome(fields, errors) == quick


def test_a_line_is_compact_with_orjson_and_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fields = {"name": "Müller", "industries": ("a", "b")}
    expected = '{"name":"Müller","industries":["a","b"]}\n'.encode()
    assert to_json_line(fields, "strict") == expected
    monkeypatch.setattr(_columns, "try_dumps", without_orjson)
    assert to_json_line(fields, "strict") == expected
