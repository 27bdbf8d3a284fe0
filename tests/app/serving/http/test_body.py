"""Where requests begin and end, held against h11, which was written from the RFC by others."""

from itertools import pairwise
from typing import Any

import h11
import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BodyTooLargeError, HeadersTooLargeError, MalformedRequestError
from app.serving.http.body import Chunked, body_of
from app.serving.http.head import Head, find_head
from gaia_redshift.errors import RedshiftError
from tests.app.serving.http.test_head import LINES

LARGEST = 1_000_000
"""Bytes of a body."""


def read_all(data: bytes, cuts: list[int], most: int = 65536) -> list[tuple[str, bytes]]:
    """Read the requests of a connection whose bytes come in pieces; return the method and the body of each."""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    found: list[tuple[str, bytes]] = []
    buffer, body, text = b"", None, b""
    for start, stop in pairwise(edges):
        buffer += data[start:stop]
        while buffer:
            if body is None:
                end = find_head(buffer, most)
                if not end:
                    break
                request, buffer = Head(buffer[:end]), buffer[end:]
                body = body_of(request, most, LARGEST)
                text = b""
            if not body.complete:
                piece, buffer = body.read(buffer)
                text += piece
            if not body.complete:
                break
            found.append((request.method, text))
            body = None
    return found


def read_by_h11(data: bytes) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    connection = h11.Connection(h11.SERVER, 65536)
    connection.receive_data(data)
    while True:
        event: Any = connection.next_event()
        if event is h11.NEED_DATA or event is h11.PAUSED:
            return found
        if isinstance(event, h11.Request):
            found.append((event.method.decode(), b""))
        elif isinstance(event, h11.Data):
            found[-1] = (found[-1][0], found[-1][1] + bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()


def chunked(body: bytes, size: int) -> bytes:
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x;a=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nA: b\r\n\r\n"


OFFERS = [
    b"",
    b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
    b"connection: upgrade\r\nupgrade: websocket\r\n",
    b"Expect: 100-continue\r\n",
]


@given(
    requests=st.lists(
        st.tuples(st.binary(max_size=200), st.integers(0, 50), st.sampled_from(OFFERS)), min_size=1, max_size=4
    ),
    cuts=st.lists(st.integers(0, 5000), max_size=12),
)
def test_requests_are_the_same_however_their_bytes_are_cut_and_as_h11_reads_them(
    requests: list[tuple[bytes, int, bytes]], cuts: list[int]
) -> None:
    data = b""
    for body, size, offer in requests:
        if size:
            data += LINES + offer + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, size)
        else:
            data += LINES + offer + b"Content-Length: %d\r\n\r\n" % len(body) + body
    expected = [("POST", body) for body, _, _ in requests]
    assert read_all(data, cuts) == read_all(data, list(range(len(data)))) == expected
    if not any(b"pgrade" in offer for _, _, offer in requests):  # h11 waits for an answer to the offer
        assert read_by_h11(data) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"0\r\n" + b"a:b\r\n" * 300, HeadersTooLargeError),
        (b"0\r\na" + b"b" * 2000, HeadersTooLargeError),
        (b"1;" + b"a" * 300, HeadersTooLargeError),
        (b"1;aaaaaaaaaa\r\nx\r\n" * 200, HeadersTooLargeError),
        (b"0\r\nno trailer\r\n\r\n", MalformedRequestError),
        (b"0\r\n a: b\r\n\r\n", MalformedRequestError),
        (b"\r\n", MalformedRequestError),
        (b"g\r\n", MalformedRequestError),
        (b"-1\r\n", MalformedRequestError),
        (b"0x1\r\n", MalformedRequestError),
        (b"1" * 17 + b"\r\n", MalformedRequestError),
        (b"f" * 16 + b"\r\n", BodyTooLargeError),
        (b"F" * 16 + b";a=b\r\n", BodyTooLargeError),
        (b"8000000000000000\r\n", BodyTooLargeError),
        (b"%x\r\n" % (LARGEST + 1), BodyTooLargeError),
        (b"2\r\n{}\r\n%x\r\n" % (LARGEST - 1), BodyTooLargeError),
        (b"1\nx", MalformedRequestError),
        (b"1\r\nxy\r\n", MalformedRequestError),
        (b"1\r\nxyz", MalformedRequestError),
        (b"1\r\nx\n\r", MalformedRequestError),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_invalid_or_endless_chunks_are_refused(text: bytes, error: type[RedshiftError], step: int) -> None:
    body, buffer = Chunked(1000, LARGEST), b""
    with pytest.raises(error):  # noqa: PT012 - it may be refused at any of its bytes
        for start in range(0, len(text), step):
            _, buffer = body.read(buffer + text[start : start + step])
        body.read(buffer + b"\r\n" * 2000)


def test_a_body_of_many_chunks_is_read_some_at_a_time() -> None:
    body, data = Chunked(65536, 1 << 20), b"1\r\na\r\n" * 5000 + b"0\r\n\r\nGET"
    pieces, turns = [], 0
    while not body.complete:
        piece, data = body.read(data)
        pieces.append(piece)
        turns += 1
        assert body.behind != body.complete
    assert (b"".join(pieces), data) == (b"a" * 5000, b"GET")
    assert turns == 3


def test_httptools_alone_still_takes_an_offer_of_another_protocol_for_the_end_of_the_request() -> None:
    """If this fails, httptools frames bodies correctly, and `head` need not find their lengths."""
    bodies: list[bytes] = []

    class Listener:
        def on_body(self, body: bytes) -> None:
            bodies.append(body)

    parser = httptools.HttpRequestParser(Listener())
    with pytest.raises(httptools.HttpParserUpgrade):
        parser.feed_data(LINES + OFFERS[1] + b"Content-Length: 2\r\n\r\n{}")
    assert not bodies
