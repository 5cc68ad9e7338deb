"""Dice: the same seed throws the same numbers."""

import random
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


class RandomChoices(random.Random):
    """A source of chance with the throws a schedule is made of."""

    def chance(self, share: float) -> bool:
        """Come true in that share of the throws."""
        return self.random() < share

    def seconds(self, most: float) -> float:
        """Throw seconds in quarters, so that moments often coincide."""
        return self.randint(0, round(most * 4)) / 4

    def weighted(self, weights: Mapping[T, float]) -> T:
        """Draw one of the things, the heavier the likelier."""
        return self.choices(list(weights), list(weights.values()))[0]
