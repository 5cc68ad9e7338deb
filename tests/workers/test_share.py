"""What a fair share is."""

from hypothesis import given
from hypothesis import strategies as st

from openfunnel_async.workers._share import Load, find_share


def _make_load(jobs: int, more: int) -> Load:
    return Load(jobs, jobs + more)


_LOADS = st.builds(_make_load, st.integers(0, 1000), st.integers(0, 1000))


def test_all_have_the_same_number() -> None:
    assert find_share(Load(1000, 1000), [Load(0, 1000)], 0) == 500
    assert find_share(Load(0, 1000), [Load(600, 1000), Load(100, 1000)], 50) == 250


def test_what_one_cannot_follow_is_shared_by_the_others() -> None:
    assert find_share(Load(0, 1000), [Load(10, 10), Load(10, 10)], 100) == 100
    assert find_share(Load(10, 10), [Load(0, 1000)], 100) == 10


def test_nobody_has_more_than_its_place() -> None:
    assert find_share(Load(0, 8), [Load(0, 8)], 1000) == 8


@given(_LOADS, st.lists(_LOADS, max_size=4), st.integers(0, 5000))
def test_the_shares_are_enough_and_not_too_much(
    mine: Load, others: list[Load], waiting: int
) -> None:
    """Caught: work that no worker may take, though there are places for it."""
    loads = [mine, *others]
    shares = [
        find_share(load, [*loads[:place], *loads[place + 1 :]], waiting)
        for place, load in enumerate(loads)
    ]
    work = waiting + sum(load.jobs for load in loads)
    room = sum(load.most for load in loads)
    assert all(share <= load.most for share, load in zip(shares, loads, strict=True))
    assert min(work, room) <= sum(shares) < min(work, room) + len(loads)
