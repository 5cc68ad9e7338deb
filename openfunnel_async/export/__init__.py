"""Write companies into a file (CSV, JSONL, Parquet or Excel) or into a dataframe.

``to_file()`` streams the rows of a job into a file, whole or not at all, and continues
after a crash; it also writes the rows of a batch in a Book. ``write()``,
``write_rows()`` and ``dataframe()`` take rows that are in memory. ``check()``
checks, before credits are spent, whether a file can be written.

A file has one line for each company, in order, with all columns of ``COLUMNS`` or the
given ones. It has everything that was paid for: ``extra`` is a column, too.

- CSV: UTF-8, each text in quotes, lists joined by ``"; "``, ``extra`` as JSON, an
  empty cell for an unknown value. A sign that a spreadsheet could read as the start of
  a formula has a ``'`` before it: at the start of a text or of a line in it, and behind
  a ``;`` or a tab.
- JSONL: every key on every line, ``extra`` as an object, null for unknown values.
- Parquet and dataframe (the extra ``frames``): columns whose types do not depend on the
  rows, lists as lists, ``extra`` as JSON. A value that does not fit its column, such as
  a number of more than 64 bits, is in ``extra``.
- Excel (the extra ``excel``): text, numbers and empty cells, no formulas and no links.
  Rows after the 1,048,576th line are on further sheets. A text of more than 32,767
  characters is cut in its cell and complete on the sheet *Long texts*. A whole number
  of more than 15 digits is text.

Half a surrogate pair, which UTF-8 cannot encode, is written as an escape (backslash,
``ud800``).
"""

from openfunnel_async.export._check import check, left_at
from openfunnel_async.export._columns import COLUMNS
from openfunnel_async.export._formats import SUFFIXES
from openfunnel_async.export._frames import dataframe
from openfunnel_async.export._presets import HUBSPOT_COMPANIES, SALESFORCE_ACCOUNTS
from openfunnel_async.export._streaming import to_file
from openfunnel_async.export._write import ExportReport, write, write_rows

__all__ = [
    "COLUMNS",
    "HUBSPOT_COMPANIES",
    "SALESFORCE_ACCOUNTS",
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
