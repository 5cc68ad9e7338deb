"""Hide an argument that is a secret, before anything else is done with it."""

from typing import Self

from openfunnel_async._transport.wire import SecretText
from openfunnel_async._values.checks import wrong_text


def hide_text(value: object) -> SecretText | None:
    """Wrap a secret at once, so that no frame keeps it as plain text.

    Takes text, or what keeps text hidden itself, such as pydantic's ``SecretStr``.
    Anything else becomes a secret that is refused: the one of the environment must not
    be used in its place.
    """
    if value is None:
        return None
    reveal = getattr(value, "get_secret_value", None)
    if callable(reveal):
        value = reveal()
    return SecretText(value) if isinstance(value, str) else WrongText(value)


class WrongText(SecretText):
    """Takes the place of a secret of another type; keeps only what is wrong with it."""

    __slots__ = ("fault",)

    def __new__(cls, value: object) -> Self:
        made = super().__new__(cls)
        made.fault = wrong_text(value)
        return made

    fault: str | None
