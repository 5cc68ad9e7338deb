"""What a proxy cannot be asked for."""

import pytest

from openfunnel_async.sandbox import CutAfter, FaultyProxy, ResetAfter


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "ftp://x", "http://"])
def test_an_upstream_has_a_host_and_a_port(url: str) -> None:
    with pytest.raises(ValueError, match="upstream"):
        FaultyProxy(upstream=url)


@pytest.mark.parametrize("made", [ResetAfter, CutAfter])
@pytest.mark.parametrize("sides", [{}, {"sent": 1, "received": 1}, {"sent": -1}])
def test_an_end_counts_the_bytes_of_one_side(
    made: type[ResetAfter] | type[CutAfter], sides: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match="sent"):
        made(**sides)
