"""How many jobs a worker follows if all of them have their fair share; pure."""

from collections.abc import Sequence
from typing import NamedTuple

# Below it the difference is not worth a job that changes hands.
_SHARE_OF_SLACK = 50
_LEAST_SLACK = 1


class Load(NamedTuple):
    """What one worker follows.

    Attributes:
        jobs: How many jobs it follows.
        most: How many it can follow.
    """

    jobs: int
    most: int


def find_share(mine: Load, others: Sequence[Load], waiting: int) -> int:
    """Return how many jobs a worker follows if the work is shared fairly.

    Every worker follows the same number, but for those that can follow less.

    Args:
        mine: This worker.
        others: The other workers that are alive.
        waiting: Jobs that wait for a worker.
    """
    left = waiting + sum(load.jobs for load in (mine, *others))
    places = sorted(load.most for load in (mine, *others))
    for place, most in enumerate(places):
        share = -(-left // (len(places) - place))
        if share <= most:
            return min(share, mine.most)
        left -= most
    return mine.most


def find_slack(share: int) -> int:
    """Return by how many jobs a worker may differ from its fair share."""
    return max(_LEAST_SLACK, share // _SHARE_OF_SLACK)
