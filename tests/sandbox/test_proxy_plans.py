"""What a proxy cannot be asked for."""

import pytest

from openfunnel_async.sandbox import CutAfter, FaultyProxy, ResetAfter, SilentAfter


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "ftp://x", "http://"])
def test_an_upstream_has_a_host_and_a_port(url: str) -> None:
    with pytest.raises(ValueError, match="upstream"):
        FaultyProxy(upstream=url)


@pytest.mark.parametrize("rate", [0, -1])
def test_a_line_carries_something(rate: float) -> None:
    with pytest.raises(ValueError, match="bytes_per_second"):
        FaultyProxy(upstream="http://127.0.0.1:1", bytes_per_second=rate)


@pytest.mark.parametrize("made", [ResetAfter, CutAfter, SilentAfter])
@pytest.mark.parametrize("sides", [{}, {"sent": 1, "received": 1}, {"sent": -1}])
def test_an_end_counts_the_bytes_of_one_side(
    made: type[ResetAfter | CutAfter | SilentAfter], sides: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match="sent"):
        made(**sides)
