"""Deliveries as values: the bytes they stand for, without a socket."""

import gzip
import json
import tracemalloc

import pytest

from openfunnel_async.sandbox import Cut, CutBody, Padded


@pytest.mark.parametrize("packed", [False, True])
def test_an_oversized_body_is_never_in_memory(packed: bool) -> None:
    """It failed with the whole body put together before it is packed."""
    delivery = Padded(size=20_000_000, gzip=packed)
    tracemalloc.start()
    try:
        sent = sum(map(len, delivery.pieces(b"{}")))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (sent < 40_000) if packed else (sent == 20_000_000)
    assert peak < 1_000_000


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"", b'{"a":1}'])
@pytest.mark.parametrize("packed", [False, True])
def test_padding_makes_an_object_of_anything(body: bytes, packed: bool) -> None:
    sent = b"".join(Padded(size=50, gzip=packed).pieces(body))
    content = json.loads(gzip.decompress(sent) if packed else sent)
    assert content.pop("padding").strip("0") == ""
    assert content == ({"a": 1} if body == b'{"a":1}' else {})


@pytest.mark.parametrize("made", [Cut, CutBody])
@pytest.mark.parametrize("keep", [-1, 1.5])
def test_a_cut_keeps_a_share_or_whole_bytes(
    made: type[Cut] | type[CutBody], keep: float
) -> None:
    with pytest.raises(ValueError, match="keep"):
        made(keep=keep)


def test_a_cut_splits_a_body() -> None:
    assert Cut(keep=0.4).parts(b"0123456789") == (b"0123", b"456789")
    assert Cut(keep=20).parts(b"0123456789") == (b"012345678", b"9")
    assert Cut(keep=0.5).parts(b"") == (b"", b"")
    assert gzip.decompress(b"".join(Cut(gzip=True).parts(b"012"))) == b"012"
