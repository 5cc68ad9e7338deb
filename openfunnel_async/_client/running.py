"""A job for the length of a block."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal

from openfunnel_async._client.background import Custody
from openfunnel_async._job.handle import BulkJob
from openfunnel_async._values.search import LookalikeSearch

OnExit = Literal["cancel_on_error", "cancel", "leave"]
Submit = Callable[[LookalikeSearch], Awaitable[BulkJob]]


class Running(AbstractAsyncContextManager[BulkJob]):
    """A job that is seen to when its block is left."""

    def __init__(
        self,
        submit: Submit,
        custody: Custody,
        search: LookalikeSearch,
        on_exit: OnExit,
    ) -> None:
        self._submit = submit
        self._custody = custody
        self._search = search
        self._on_exit = on_exit
        self._job: BulkJob | None = None

    async def __aenter__(self) -> BulkJob:
        self._job = await self._submit(self._search)
        return self._job

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        wanted = self._on_exit == "cancel" or (
            self._on_exit == "cancel_on_error" and kind is not None
        )
        if self._job is None or self._job.is_terminal or not wanted:
            return
        error = await self._custody.release(self._job)
        if error is not None and kind is None:
            raise error
