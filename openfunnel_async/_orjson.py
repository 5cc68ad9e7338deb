"""orjson, if the extra ``speed`` is installed and not switched off.

It refuses more than the ``json`` of the standard library does: lone surrogates, NaN,
numbers that read as infinity, nesting deeper than 1,024. Then both functions return
None, and the caller uses ``json``, which decides. It reads one thing in another way: an
integer beyond 64 bits becomes a float. Who reads with it must be able to notice that.

``OPENFUNNEL_JSON=stdlib`` in the environment switches it off.
"""

import importlib
import os
from typing import Any

VARIABLE = "OPENFUNNEL_JSON"


def _find() -> Any:  # noqa: ANN401 -- a module that may be missing
    if os.environ.get(VARIABLE) == "stdlib":
        return None
    try:
        return importlib.import_module("orjson")
    except ImportError:
        return None


_orjson = _find()


def try_loads(data: bytes) -> Any:  # noqa: ANN401 -- JSON is anything
    """Return what orjson reads; None if it is missing or refuses the bytes."""
    if _orjson is None:
        return None
    try:
        return _orjson.loads(data)
    except ValueError:
        return None


def try_dumps(value: object) -> bytes | None:
    """Return what orjson writes, as compact JSON; None if it is missing or refuses."""
    if _orjson is None:
        return None
    try:
        written: bytes = _orjson.dumps(value)
    except (TypeError, ValueError):
        return None
    return written
