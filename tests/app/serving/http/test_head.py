"""Where the head of a request ends, and which heads are refused."""

import pytest

from app.errors import HeadersTooLargeError, MalformedRequestError
from app.serving.http.head import Head, find_head

LINES = b"POST /predict?a=1 HTTP/1.1\r\nHost: a\r\n"


def head(more: bytes = b"", start: bytes = LINES) -> Head:
    return Head(start + more + b"\r\n")


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
