"""Seconds, rates and amounts: any real number is taken, the rest refused in words."""

import math
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from openfunnel_async import ConfigurationError
from openfunnel_async._values.checks import (
    check_amount,
    check_rate,
    check_seconds,
    check_timeout,
)

CHECKS: dict[str, Callable[[object], float | None]] = {
    "seconds": lambda value: check_seconds("it", value),
    "timeout": check_timeout,
    "rate": lambda value: check_rate("it", value),
    "amount": lambda value: check_amount("it", value),
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("value", [1, 1.0, Fraction(1)])
def test_any_real_number_is_taken_as_a_float(
    check: Callable[[object], object], value: object
) -> None:
    assert (check(value), type(check(value))) == (1.0, float)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("30", "not text: use float(...)"),
        (timedelta(seconds=30), "not a timedelta: pass .total_seconds()"),
        (True, "not bool"),
        (Decimal(1), "not Decimal: use float(...)"),
        (b"1", "not bytes: use .decode()"),
        ([1], "not list"),
        (1j, "not complex"),
    ],
)
def test_anything_else_is_refused_in_words_that_help(
    check: Callable[[object], object], value: object, words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check(value)
    assert str(caught.value).endswith(f", {words}")


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, -1, Fraction(-1, 9), 10**400]
)
def test_a_number_that_is_no_time_and_no_amount_is_refused(
    check: Callable[[object], object], value: object
) -> None:
    with pytest.raises(ConfigurationError):
        check(value)
