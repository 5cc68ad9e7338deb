"""Put companies into a file: CSV, JSONL or Parquet, or into a dataframe.

``to_file()`` streams a job's rows into a file, whole or not at all, and goes on after
a crash; ``write()`` and ``dataframe()`` take what is in memory already. ``check()``
finds out beforehand, before anything is spent, whether a file can be written.

What a file holds: a line for each company, in order, with the columns of ``COLUMNS``
or those asked for. Whatever was paid for is in it: ``extra`` has a column too.

- CSV: UTF-8, lists joined by ``"; "``, ``extra`` as JSON, nothing for what is not
  known. A text that a spreadsheet could take for a formula gets a ``'`` before it.
- JSONL: every key on every line, ``extra`` as an object, null for what is not known.
- Parquet and dataframe (the extra ``frames``): typed columns whatever the rows, lists
  as lists, ``extra`` as JSON. A value that its column cannot hold, such as a number
  of more than 64 bits, stands in ``extra``.

Half a surrogate pair, which UTF-8 cannot spell, is written as an escape (backslash,
``ud800``).
"""

from openfunnel_async.export._columns import COLUMNS
from openfunnel_async.export._formats import SUFFIXES, dataframe
from openfunnel_async.export._part import check, left_at
from openfunnel_async.export._streaming import to_file
from openfunnel_async.export._whole import ExportReport, write

__all__ = [
    "COLUMNS",
    "SUFFIXES",
    "ExportReport",
    "check",
    "dataframe",
    "left_at",
    "to_file",
    "write",
]
