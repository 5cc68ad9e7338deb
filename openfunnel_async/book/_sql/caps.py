"""Caps and budgets: what is reserved and spent, and under which of them.

A batch has one cap. A budget has one for each of its periods, made when something is
reserved in it for the first time. A reservation belongs to the caps that applied when
it was made, so a bill that comes after midnight is that of the day before.
"""

from typing import NamedTuple

from openfunnel_async.book._calendar import find_periods
from openfunnel_async.book._records import EntryRecord
from openfunnel_async.book._sql.database import Database
from openfunnel_async.book._values import BudgetStatus
from openfunnel_async.errors import ConfigurationError


class Cap(NamedTuple):
    """A cap that applies to an entry.

    Attributes:
        id: Its number.
        budget: The name of its budget; None for the cap of a batch.
        most: The most credits; None for no limit.
        spent: What was billed.
        reserved: What may still be billed.
    """

    id: int
    budget: str | None
    most: float | None
    spent: float
    reserved: float


def find_caps(db: Database, batch: str | None, budget: str | None) -> list[Cap]:
    """Return the caps that apply to entries of a batch, its own first.

    Raises:
        ConfigurationError: There is no such budget.
    """
    query = "SELECT id, budget, most, spent, reserved FROM of_cap WHERE"
    found = db.execute(
        f"{query} id = (SELECT cap FROM of_batch WHERE name = ?)",  # noqa: S608 -- our text
        (batch,),
    ).fetchall()
    if budget is not None:
        for period in _open_periods(db, budget):
            found += db.execute(
                f"{query} budget = ? AND period = ?",
                (budget, period),
            ).fetchall()
    return [Cap(*row) for row in found]


def _open_periods(db: Database, budget: str) -> list[str]:
    """Return the periods of a budget in which something may be reserved now."""
    row = db.execute(
        "SELECT per_day, per_month, total FROM of_budget WHERE name = ?", (budget,)
    ).fetchone()
    if row is None:
        msg = (
            f"the Book has no budget {budget}: make it with Book.set_budget(). Nothing "
            "was sent"
        )
        raise ConfigurationError(msg)
    periods = find_periods(db.now())
    limits = dict(zip(periods, row, strict=True))
    for period, most in limits.items():
        db.execute(
            "INSERT INTO of_cap (budget, period) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (budget, period),
        )
        db.execute(
            "UPDATE of_cap SET most = ? WHERE budget = ? AND period = ?",
            (most, budget, period),
        )
    return list(periods)


def set_budget(
    db: Database,
    name: str,
    limits: tuple[float | None, float | None, float | None],
) -> None:
    """Write the limits of a budget: per day, per month, in total."""
    db.execute(
        "INSERT INTO of_budget (name, per_day, per_month, total) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET per_day = excluded.per_day,"
        " per_month = excluded.per_month, total = excluded.total",
        (name, *limits),
    )


def find_budgets(db: Database) -> list[BudgetStatus]:
    """Return each limit of each budget in its current period."""
    statuses: list[BudgetStatus] = []
    periods = find_periods(db.now())
    for name, *limits in db.execute(
        "SELECT name, per_day, per_month, total FROM of_budget ORDER BY name"
    ).fetchall():
        for period, limit in zip(periods, limits, strict=True):
            if limit is not None:
                statuses.append(_find_budget(db, name, period, limit))
    return statuses


def _find_budget(db: Database, name: str, period: str, limit: float) -> BudgetStatus:
    row = db.execute(
        "SELECT spent, reserved FROM of_cap WHERE budget = ? AND period = ?",
        (name, period),
    ).fetchone()
    spent, reserved = (0.0, 0.0) if row is None else row
    return BudgetStatus(
        name=name, period=period, limit=limit, spent=spent, reserved=reserved
    )


def reserve(db: Database, entry: EntryRecord, attempt: int, cap: Cap) -> None:
    """Reserve the exposure of an entry under a cap."""
    amount = entry.exposure or 0.0
    db.execute(
        "INSERT INTO of_reservation (search, attempt, cap, reserved)"
        " VALUES (?, ?, ?, ?)",
        (entry.id, attempt, cap.id, amount),
    )
    db.execute(
        "UPDATE of_cap SET reserved = reserved + ? WHERE id = ?", (amount, cap.id)
    )


def raise_reservations(db: Database, entry: EntryRecord, amount: float) -> None:
    """Reserve more: the service accepted a larger limit than was asked for."""
    for cap, reserved in _find_reservations(db, entry):
        db.execute(
            "UPDATE of_cap SET reserved = reserved + ? WHERE id = ?",
            (amount - reserved, cap),
        )
    db.execute(
        "UPDATE of_reservation SET reserved = ? WHERE search = ? AND attempt = ?",
        (amount, entry.id, entry.attempt),
    )


def return_reservations(db: Database, entry: EntryRecord) -> None:
    """Take the reservations of the last attempt back: it made no job."""
    replace_reservations(db, entry, 0.0)
    db.execute(
        "DELETE FROM of_reservation WHERE search = ? AND attempt = ?",
        (entry.id, entry.attempt),
    )


def replace_reservations(db: Database, entry: EntryRecord, spent: float | None) -> None:
    """Replace the reservations of the last attempt by what was spent.

    Args:
        db: The database.
        entry: The entry.
        spent: The credits; None for all that was reserved.
    """
    for cap, reserved in _find_reservations(db, entry):
        amount = reserved if spent is None else spent
        db.execute(
            "UPDATE of_cap SET reserved = reserved - ?, spent = spent + ? WHERE id = ?",
            (reserved, amount, cap),
        )
        db.execute(
            "UPDATE of_reservation SET reserved = 0, spent = spent + ?"
            " WHERE search = ? AND attempt = ? AND cap = ?",
            (amount, entry.id, entry.attempt, cap),
        )


def _find_reservations(db: Database, entry: EntryRecord) -> list[tuple[int, float]]:
    return db.execute(
        "SELECT cap, reserved FROM of_reservation WHERE search = ? AND attempt = ?",
        (entry.id, entry.attempt),
    ).fetchall()
