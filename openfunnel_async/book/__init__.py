"""The Book: what was asked for, bought and owed survives the process.

Start with ``Book`` and ``OpenFunnel(book=)``; ``OpenFunnel.batch()`` returns a
``Batch``. How it works is in docs/explanation/the-book.md.
"""

from openfunnel_async.book._batch import Batch, BatchRows
from openfunnel_async.book._book import Book
from openfunnel_async.book._steps import BookSteps, Step, StepAction
from openfunnel_async.book._values import (
    BatchDiff,
    BatchReport,
    BatchStatus,
    BookCheck,
    BookEntry,
    BudgetStatus,
    EntryState,
    KnownList,
)

__all__ = [
    "Batch",
    "BatchDiff",
    "BatchReport",
    "BatchRows",
    "BatchStatus",
    "Book",
    "BookCheck",
    "BookEntry",
    "BookSteps",
    "BudgetStatus",
    "EntryState",
    "KnownList",
    "Step",
    "StepAction",
]
