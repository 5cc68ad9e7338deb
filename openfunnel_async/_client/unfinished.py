"""Work that must not be cut off without a word: a job may bill that nobody can name.

A second Ctrl-C, a loop that ends with an unclosed client, or the end of the interpreter
can end a submit or a cancel at any point, and no further code of ours runs. So each one
is registered here while it is unfinished, and logs its warning when it is dropped: in
``__del__`` if its owner is collected, else at the exit of the interpreter.
"""

import atexit
import logging
import weakref
from collections.abc import Callable

_logger = logging.getLogger("openfunnel_async")
_open: "weakref.WeakSet[UnfinishedWork]" = weakref.WeakSet()


class UnfinishedWork:
    """A submit or a cancel that is under way.

    Args:
        describe: Returns the warning; None if nothing needs to be logged any more. It
            must hold no reference to the owner of this object.
    """

    __slots__ = ("__weakref__", "_describe", "_is_open")

    def __init__(self, describe: Callable[[], str | None]) -> None:
        self._describe = describe
        self._is_open = True
        _open.add(self)

    def finish(self) -> None:
        """Note that it is done; nothing will be logged."""
        self._is_open = False
        _open.discard(self)

    def report(self) -> None:
        """Log what was not done, once."""
        if not self._is_open:
            return
        self.finish()
        warning = self._describe()
        if warning is not None:
            _logger.warning("%s", warning)

    def __del__(self) -> None:
        self.report()


@atexit.register
def _report_all() -> None:
    """Log what the end of the interpreter leaves undone."""
    for unfinished in list(_open):
        unfinished.report()
