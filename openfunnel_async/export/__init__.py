"""Write companies into a file (CSV, JSONL or Parquet) or into a dataframe.

``to_file()`` streams the rows of a job into a file, whole or not at all, and continues
after a crash; ``write()``, ``write_rows()`` and ``dataframe()`` take rows that are in
memory. ``check()`` finds out, before anything is spent, whether a file can be written.

A file has one line for each company, in order, with the columns of ``COLUMNS`` or those
asked for. Everything that was paid for is in it: ``extra`` is a column, too.

- CSV: UTF-8, lists joined by ``"; "``, ``extra`` as JSON, nothing for a value that is
  not known. A text that a spreadsheet could take for a formula gets a ``'`` before it.
- JSONL: every key on every line, ``extra`` as an object, null for unknown values.
- Parquet and dataframe (the extra ``frames``): typed columns whatever the rows, lists
  as lists, ``extra`` as JSON. A value that its column cannot hold, such as a number
  of more than 64 bits, is in ``extra``.

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
