"""Let the requests of many waits begin in turn, so that the event loop is not blocked.

Thousands of waits that begin at once, or whose polls fall due at once, would otherwise
all begin their requests in one turn of the event loop, which then does nothing else for
hundreds of milliseconds. The transport has a hundred connections for reads anyway.
"""

import asyncio
from collections.abc import Callable
from itertools import islice

_MOST_A_TURN = 100


class RequestStarts:
    """Lets at most a hundred requests begin in one turn of the event loop."""

    __slots__ = ("_begun", "_has_next_turn", "_waiting")

    def __init__(self) -> None:
        # A dict for its order: who asks twice waits once.
        self._waiting: dict[Callable[[], None], None] = {}
        self._begun = 0
        self._has_next_turn = False

    def may_begin(self, ask_again: Callable[[], None]) -> bool:
        """Whether a request may begin in this turn of the event loop.

        Args:
            ask_again: Called in a later turn if it may not. It may find that the
                request is not wanted any more.
        """
        is_free = self._begun < _MOST_A_TURN
        if is_free:
            self._begun += 1
        else:
            self._waiting[ask_again] = None
        self._plan_next_turn()
        return is_free

    def _plan_next_turn(self) -> None:
        if not self._has_next_turn:
            self._has_next_turn = True
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._begun = 0
        self._has_next_turn = False
        for ask_again in list(islice(self._waiting, _MOST_A_TURN)):
            del self._waiting[ask_again]
            ask_again()
        if self._waiting:
            self._plan_next_turn()
