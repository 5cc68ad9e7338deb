"""The periods of budgets: days and months in UTC."""

from datetime import UTC, datetime

TOTAL = "total"


def find_periods(now: float) -> tuple[str, str, str]:
    """Return the day, the month and the whole time that a moment belongs to.

    Args:
        now: Seconds since 1970, in UTC.
    """
    moment = datetime.fromtimestamp(now, UTC)
    return moment.strftime("%Y-%m-%d"), moment.strftime("%Y-%m"), TOTAL
