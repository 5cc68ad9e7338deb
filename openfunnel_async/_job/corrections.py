"""What later answers add to the answer that was terminal."""

from typing import NamedTuple

import attrs

from openfunnel_async._values.models import Manifest


class Change(NamedTuple):
    """A field of a manifest that two answers state differently."""

    name: str
    known: object
    later: object


def corrected_manifest(
    known: Manifest | None, later: Manifest | None
) -> tuple[Manifest | None, list[Change]]:
    """Return the manifest with the fields that a later one states, and what changed."""
    if later is None or later == known:
        return known, []
    if known is None:
        return later, []
    stated = {
        name: value
        for name, value in attrs.asdict(later, recurse=False).items()
        if value is not None
    }
    changes = [
        Change(name, before, value)
        for name, value in stated.items()
        if (before := getattr(known, name)) is not None and before != value
    ]
    return attrs.evolve(known, **stated), changes


def larger(one: int | None, other: int | None) -> int | None:
    """Return the larger number; one that is not known does not count."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
