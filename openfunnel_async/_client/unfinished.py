"""What must not end in silence: a job that may bill although nobody can name it.

A second Ctrl-C, a loop that ends with an unclosed client, or the end of the
interpreter can take a submit or a cancel away at any point, without any code of ours
running. So each is kept as an obligation, which writes its warning when it is dropped
before it is met: in ``__del__`` if its owner is collected, else at the interpreter's
exit.
"""

import atexit
import logging
import weakref
from collections.abc import Callable

_logger = logging.getLogger("openfunnel_async")
_open: "weakref.WeakSet[Obligation]" = weakref.WeakSet()


class Obligation:
    """Something to be done or at least to be said.

    Args:
        describe: Returns the warning; None if by now nothing needs to be said. It
            must hold no reference to the obligation's owner.
    """

    __slots__ = ("__weakref__", "_describe", "_is_open")

    def __init__(self, describe: Callable[[], str | None]) -> None:
        self._describe = describe
        self._is_open = True
        _open.add(self)

    def meet(self) -> None:
        """Note that it is done; nothing will be said."""
        self._is_open = False
        _open.discard(self)

    def drop(self) -> None:
        """Say what was not done, once."""
        if not self._is_open:
            return
        self.meet()
        warning = self._describe()
        if warning is not None:
            _logger.warning("%s", warning)

    def __del__(self) -> None:
        self.drop()


@atexit.register
def _drop_all() -> None:
    """Say what the end of the interpreter leaves undone."""
    for obligation in list(_open):
        obligation.drop()
