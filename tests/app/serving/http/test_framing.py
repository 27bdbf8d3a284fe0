"""Where requests begin and end, held against h11, which was written from the RFC by others."""

from itertools import pairwise
from typing import Any

import h11
import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BodyTooLargeError, HeadersTooLargeError, MalformedRequestError
from app.serving.http.framing import Chunked, Head, body_of, find_head
from gaia_redshift.errors import RedshiftError

LARGEST = 1_000_000
"""Bytes of a body."""
LINES = b"POST /predict?a=1 HTTP/1.1\r\nHost: a\r\n"


def head(more: bytes = b"", start: bytes = LINES) -> Head:
    return Head(start + more + b"\r\n")


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
    "lines",
    [
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 5_0\r\n",
        b"Content-Length: " + b"9" * 5000 + b"\r\n",
        b"Content-Length: \r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"X: a\r\n Transfer-Encoding: chunked\r\n",
        b"X: a\nContent-Length: 5\r\n",
        b"X: a\rContent-Length: 5\r\n",
        b"X: a\0b\r\n",
        b": a\r\n",
        b"no colon\r\n",
        b"Host: b\r\n",
    ],
)
def test_a_head_that_two_readers_could_frame_differently_is_refused(lines: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        head(lines)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1",
        b"GET / HTTP/0.9\r\nHost: a",
        b"GET / HTTP/2.0\r\nHost: a",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a",
        b"PRI * HTTP/2.0",
        b"GET a HTTP/1.1\r\nHost: a",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked",
    ],
)
def test_what_is_no_request_of_http_1_is_refused(line: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        Head(line + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/a%20b?c=%20", "/a b", b"c=%20"),
        (b"http://a:80/b?c", "/b", b"c"),
        (b"*", "*", b""),
        (b"/%ff", "/\ufffd", b""),
        (b"//a/b", "//a/b", b""),
    ],
)
def test_the_target_is_a_path_and_a_query(target: bytes, path: str, query: bytes) -> None:
    method = b"OPTIONS" if target == b"*" else b"GET"
    read = head(start=method + b" " + target + b" HTTP/1.1\r\nHost: a\r\n")
    assert (read.path, read.query) == (path, query)


@pytest.mark.parametrize(
    ("start", "more", "keep"),
    [
        (LINES, b"", True),
        (LINES, b"Connection: close\r\n", False),
        (LINES, b"Connection: keep-alive, Close\r\n", False),
        (b"GET / HTTP/1.0\r\n", b"Connection: keep-alive\r\n", False),
    ],
)
def test_a_connection_is_kept_as_the_client_wishes(start: bytes, more: bytes, keep: bool) -> None:
    assert head(more, start).keep_alive is keep


@pytest.mark.parametrize(
    "buffer", [b"\x16\x03\x01", b"rubbish", b"GET / HTTP/1.1\nHost: a\n\n", b"GET / HTTP/1.1\r\nA: b\n", b" GET"]
)
def test_what_will_never_be_a_head_is_refused_before_its_end(buffer: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        find_head(buffer, 1000)


@pytest.mark.parametrize("length", [999, 1000, 1001, 5000])
def test_a_head_is_as_long_as_the_limit_and_no_longer(length: int) -> None:
    data = (LINES + b"A: ").ljust(length - 4, b"a") + b"\r\n\r\n"
    if length <= 1000:
        assert find_head(data + b"x", 1000) == length
    else:
        with pytest.raises(HeadersTooLargeError):
            find_head(data + b"x", 1000)


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


def test_httptools_alone_still_takes_an_offer_of_another_protocol_for_the_end_of_the_request() -> None:
    """If this fails, httptools frames bodies correctly, and `framing` need not do it."""
    bodies: list[bytes] = []

    class Listener:
        def on_body(self, body: bytes) -> None:
            bodies.append(body)

    parser = httptools.HttpRequestParser(Listener())
    with pytest.raises(httptools.HttpParserUpgrade):
        parser.feed_data(LINES + OFFERS[1] + b"Content-Length: 2\r\n\r\n{}")
    assert not bodies
