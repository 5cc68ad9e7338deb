"""What every value has: ``to_dict()``, ``to_json()``, and HTML for a notebook."""

import enum
import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import attrs


class Value:
    """What all values have in common."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them: dicts, lists, texts, numbers, None."""
        names = attrs.fields_dict(cast("type[attrs.AttrsInstance]", type(self)))
        return {name: json_form(getattr(self, name)) for name in names}

    def to_json(self) -> str:
        """Return ``to_dict()`` as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    def _repr_html_(self) -> str:
        """Return the HTML for a notebook."""
        from openfunnel_async._values.notebook import show  # noqa: PLC0415 -- only notebooks need it

        return show(self)


def json_form(value: object) -> Any:  # noqa: ANN401 -- JSON is anything
    """Return a value as JSON has it; what JSON lacks becomes its text."""
    if isinstance(value, Value):
        return value.to_dict()
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {str(key): json_form(item) for key, item in items}
    if isinstance(value, (list, tuple)):
        return [json_form(item) for item in cast("list[object]", value)]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    return value if value is None or is_number else str(value)
