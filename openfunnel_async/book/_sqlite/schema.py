"""The tables, and how those of an older version become those of this one.

Forward only: each migration is a list of statements, and ``PRAGMA user_version`` counts
those that were run. Nothing newer than SQLite 3.24 is used (UPSERT).
"""

import sqlite3
import uuid

from openfunnel_async.errors import BookError, BookTooNewError

# "OFbk", in the header of the file.
APPLICATION_ID = 0x4F46626B

_FIRST = """
CREATE TABLE of_meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE of_budget (
    name TEXT PRIMARY KEY,
    per_day REAL,
    per_month REAL,
    total REAL
);
CREATE TABLE of_cap (
    id INTEGER PRIMARY KEY,
    budget TEXT REFERENCES of_budget,
    period TEXT,
    most REAL,
    spent REAL NOT NULL DEFAULT 0,
    reserved REAL NOT NULL DEFAULT 0,
    UNIQUE (budget, period)
);
CREATE TABLE of_batch (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    cap INTEGER NOT NULL REFERENCES of_cap,
    most_new INTEGER,
    reuse_days REAL,
    planned_at REAL NOT NULL
);
CREATE TABLE of_search (
    id INTEGER PRIMARY KEY,
    batch INTEGER REFERENCES of_batch,
    seq INTEGER NOT NULL,
    key TEXT NOT NULL UNIQUE,
    request TEXT NOT NULL,
    label TEXT,
    is_extension INTEGER NOT NULL DEFAULT 0,
    exposure REAL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    job_id TEXT UNIQUE,
    job_limit INTEGER,
    place TEXT,
    rows INTEGER NOT NULL DEFAULT 0,
    new INTEGER NOT NULL DEFAULT 0,
    stopped_at INTEGER,
    source INTEGER REFERENCES of_search,
    status TEXT,
    billed REAL,
    error TEXT,
    wants_cancel INTEGER NOT NULL DEFAULT 0,
    over_cap INTEGER NOT NULL DEFAULT 0,
    submitted_at REAL,
    settled_at REAL,
    UNIQUE (batch, seq)
);
CREATE INDEX of_search_by_state ON of_search (batch, state, seq);
CREATE INDEX of_search_by_request ON of_search (request, state);
CREATE TABLE of_reservation (
    search INTEGER NOT NULL REFERENCES of_search,
    attempt INTEGER NOT NULL,
    cap INTEGER NOT NULL REFERENCES of_cap,
    reserved REAL NOT NULL,
    spent REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (search, attempt, cap)
);
CREATE TABLE of_page (
    search INTEGER NOT NULL REFERENCES of_search,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    new BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (search, first)
);
CREATE TABLE of_list (
    id INTEGER PRIMARY KEY,
    label TEXT NOT NULL UNIQUE
);
CREATE TABLE of_company (
    mark TEXT PRIMARY KEY,
    search INTEGER REFERENCES of_search,
    list INTEGER REFERENCES of_list
) WITHOUT ROWID;
CREATE TABLE of_event (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    search INTEGER NOT NULL REFERENCES of_search,
    before TEXT,
    after TEXT NOT NULL,
    who TEXT NOT NULL,
    note TEXT
);
CREATE INDEX of_event_by_search ON of_event (search, id);
"""

MIGRATIONS = (_FIRST,)


def find_version(db: sqlite3.Connection, path: str) -> int:
    """Return how many migrations the file has seen; 0 for a new file.

    Raises:
        BookError: The file is no Book.
        BookTooNewError: A newer version wrote it.
    """
    # In one transaction: another process may be making the file at this moment.
    db.execute("BEGIN")
    try:
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (application,) = db.execute("PRAGMA application_id").fetchone()
    finally:
        db.execute("ROLLBACK")
    if application != APPLICATION_ID and (tables or version):
        msg = f"{path} is a SQLite database, but not a Book; give another path"
        raise BookError(msg)
    if version > len(MIGRATIONS):
        raise BookTooNewError(
            f"{path} has version {version}, and this package reads version "
            f"{len(MIGRATIONS)}; install the openfunnel-async that wrote it"
        )
    return int(version)


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Run the migrations that are missing, in one transaction."""
    script = "".join(MIGRATIONS[version:])
    instance = ""
    if version == 0:
        instance = f"INSERT INTO of_meta VALUES ('instance', '{uuid.uuid4().hex}');"  # noqa: S608 -- digits
    try:
        db.executescript(
            f"BEGIN EXCLUSIVE;{script}{instance}"
            f"PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {len(MIGRATIONS)};COMMIT;"
        )
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
