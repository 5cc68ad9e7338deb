"""Remove an API key that an answer repeats, before anything reads the answer."""

import re
from collections.abc import Mapping

import attrs

from openfunnel_async._transport.wire import Headers, SecretText, WireReply

# A shorter one is no real key ("test"): its removal would garble every answer.
_SHORTEST_REAL_KEY = 16
# An escape of a visible ASCII character, which no JSON encoder needs.
_NEEDLESS_ESCAPE = re.compile(rb"\\(?:u00[2-7]|/)")


class KeyEcho:
    """Finds one API key in answers, also if its characters are escaped.

    Args:
        key: The key; None if requests are sent without one.
    """

    def __init__(self, key: SecretText | None) -> None:
        is_real = key is not None and len(key) >= _SHORTEST_REAL_KEY
        self._key = key if is_real else None
        self._pattern = re.compile(b"".join(map(_raw_or_escaped, self._key or "")))

    def remove_from_text(self, text: str) -> str:
        """Return the text without the key."""
        if self._key is None:
            return text
        raw = text.encode(errors="backslashreplace")
        return self._pattern.sub(b"<hidden>", raw).decode()

    def remove_from_reply(self, reply: WireReply) -> WireReply:
        """Return the reply without the key in its headers and its body."""
        key = self._key
        if key is None:
            return reply
        for name, value in reply.headers.items():
            if key in value or key in name:
                reply = attrs.evolve(reply, headers=_without(key, reply.headers))
                break
        body = reply.body
        # Most bodies have no escape at all, which is found out 30 times as fast.
        is_escaped = b"\\" in body and _NEEDLESS_ESCAPE.search(body) is not None
        if not is_escaped and key.encode() not in body:
            return reply
        return attrs.evolve(reply, body=self._pattern.sub(b"<hidden>", reply.body))


def _without(key: SecretText, headers: Mapping[str, str]) -> Headers:
    return Headers(
        {
            name.replace(key, "<hidden>"): value.replace(key, "<hidden>")
            for name, value in headers.items()
        }
    )


def _raw_or_escaped(character: str) -> bytes:
    """Return a pattern for a character of JSON text, raw or escaped."""
    raw = re.escape(character.encode())
    return rb"(?:\\?" + raw + rb"|\\u(?i:%04x))" % ord(character)
