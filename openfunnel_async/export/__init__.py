"""Write companies into a file (CSV, JSONL or Parquet) or into a dataframe.

``to_file()`` streams the rows of a job into a file, whole or not at all, and continues
after a crash; it also writes the rows of a batch in a Book. ``write()``,
``write_rows()`` and ``dataframe()`` take rows that are in memory. ``check()``
checks, before credits are spent, whether a file can be written.

A file has one line for each company, in order, with all columns of ``COLUMNS`` or the
given ones. It has everything that was paid for: ``extra`` is a column, too.

- CSV: UTF-8, lists joined by ``"; "``, ``extra`` as JSON, an empty cell for an unknown
  value. A text that a spreadsheet could read as a formula has a ``'`` before it.
- JSONL: every key on every line, ``extra`` as an object, null for unknown values.
- Parquet and dataframe (the extra ``frames``): columns whose types do not depend on the
  rows, lists as lists, ``extra`` as JSON. A value that does not fit its column, such as
  a number of more than 64 bits, is in ``extra``.

Half a surrogate pair, which UTF-8 cannot encode, is written as an escape (backslash,
``ud800``).
"""

from openfunnel_async.export._columns import COLUMNS
from openfunnel_async.export._formats import SUFFIXES, dataframe
from openfunnel_async.export._part import check, left_at
from openfunnel_async.export._streaming import to_file
from openfunnel_async.export._write import ExportReport, write, write_rows

__all__ = [
    "COLUMNS",
    "SUFFIXES",
    "ExportReport",
    "check",
    "dataframe",
    "left_at",
    "to_file",
    "write",
    "write_rows",
]

for _public in (ExportReport, check, dataframe, left_at, to_file, write, write_rows):
    _public.__module__ = __name__
