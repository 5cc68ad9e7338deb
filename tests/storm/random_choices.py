"""Random choices that follow from a seed."""

import random
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


class RandomChoices(random.Random):
    """A random generator with the choices that a schedule is made of."""

    def chance(self, share: float) -> bool:
        """Return True with that probability."""
        return self.random() < share

    def seconds(self, most: float) -> float:
        """Return seconds in quarters, so that moments often coincide."""
        return self.randint(0, round(most * 4)) / 4

    def weighted(self, weights: Mapping[T, float]) -> T:
        """Choose one of the keys by their weights."""
        return self.choices(list(weights), list(weights.values()))[0]
