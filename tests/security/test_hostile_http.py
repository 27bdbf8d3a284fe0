"""What can be done to a connection by its heads, its chunks and its trailers."""

import json
import signal
import time
from contextlib import ExitStack, suppress

import pytest

from gaia_redshift.spectra import DR3
from tests.reliability.wire import json_question
from tests.security.hostile import Target, expect_refusal, read_replies

SPECTRUM = json.dumps({"spectra": [{"flux": [1.0 + n for n in range(DR3.samples)]}]}).encode()
HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
OFFERS = {
    "h2c": b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    "Java": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAA\r\n",
    "websocket": b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "TLS": b"Upgrade: TLS/1.0\r\nConnection: upgrade\r\n",
}


@pytest.mark.parametrize("start", [b"2\r\n{}\r\n0\r\n", b"0\r\n"], ids=["body", "nothing"])
@pytest.mark.parametrize("line", [b"a:b\r\n", b"a:" + b"b" * 60_000 + b"\r\n", b"a" * 50], ids=["short", "long", "one"])
def test_trailers_without_end_are_431(target: Target, start: bytes, line: bytes) -> None:
    with target.watched(), target.connect() as client:
        client.sendall(CHUNKED + start)
        piece = line * (100_000 // len(line) + 1)
        stop = time.monotonic() + 1
        with suppress(ConnectionError, TimeoutError):
            while time.monotonic() < stop:
                client.settimeout(max(0.1, stop - time.monotonic()))
                client.sendall(piece)
        client.settimeout(15)
        (reply,) = read_replies(client)
        assert expect_refusal(reply, 431) == "headers_too_large"


def test_trailers_without_end_are_dropped_where_the_answer_was_sent_before_them(target: Target) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    with target.watched(), target.connect() as client:
        client.sendall(head)
        time.sleep(0.2)
        with suppress(ConnectionError, TimeoutError):
            client.settimeout(1)
            client.sendall(b"0\r\n")
            for _ in range(300):
                client.sendall(b"a:b\r\n" * 20_000)
        client.settimeout(15)
        (reply,) = read_replies(client)
        assert expect_refusal(reply, 415) == "unsupported_media_type"


@pytest.mark.parametrize("chunk", [b"1;" + b"a" * 200 + b"\r\n \r\n", b"1;" + b"a" * 1000], ids=["many", "long"])
def test_extensions_of_chunks_without_end_are_431(target: Target, chunk: bytes) -> None:
    with target.watched():
        (reply,) = target.send(CHUNKED + chunk * 1000)
    assert expect_refusal(reply, 431) == "headers_too_large"


def test_a_large_body_in_chunks_of_one_byte_is_read_as_it_is(target: Target) -> None:
    body = b" " * 300_000 + SPECTRUM
    with target.watched():
        (reply,) = target.send(CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
    assert reply.status == 200


@pytest.mark.parametrize("before", [b"", b"2\r\n{}\r\n"], ids=["first", "second"])
@pytest.mark.parametrize(
    "size", [b"f" * 16, b"7" + b"f" * 15, b"000000ffffffffff;a=b", b"%x" % (1 << 40)], ids=bytes.decode
)
def test_a_chunk_larger_than_any_body_is_refused_when_its_size_is_read(
    target: Target, before: bytes, size: bytes
) -> None:
    with target.watched(), target.connect() as client:
        client.sendall(CHUNKED + before + size + b"\r\n{")
        client.settimeout(15)  # less than a slow body has
        (reply,) = read_replies(client)
    assert expect_refusal(reply, 413) == "body_too_large"


@pytest.mark.parametrize("name", OFFERS)
@pytest.mark.parametrize("how", ["length", "chunked", "expect"])
@pytest.mark.parametrize("together", [True, False])
def test_a_request_that_offers_another_protocol_is_answered_as_it_is(
    target: Target, name: str, how: str, together: bool
) -> None:
    start = HEAD + OFFERS[name] + {"expect": b"Expect: 100-continue\r\n"}.get(how, b"")
    if how == "chunked":
        start += b"Transfer-Encoding: chunked\r\n\r\n"
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SPECTRUM), SPECTRUM)
    else:
        start += b"Content-Length: %d\r\n\r\n" % len(SPECTRUM)
        body = SPECTRUM
    (reply,) = target.send(start + body) if together else target.send(start, body, pause=0.1)
    assert reply.status == 200
    assert len(json.loads(reply.body)["predictions"]) == 1


@pytest.mark.parametrize("name", OFFERS)
def test_a_body_is_never_read_as_a_request(target: Target, name: str) -> None:
    body = b"GET /models/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    start = HEAD + OFFERS[name] + b"Content-Length: %d\r\n\r\n" % len(body)
    for pieces in ([start, body], [start + body], [start, body[:10], body[10:]]):
        (reply,) = target.send(*pieces, pause=0.1)
        assert expect_refusal(reply, 400) == "malformed_body"
        assert b"smuggled" not in reply.body


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"\0" * 1000,
        b"GET / HTTP/1.1\n\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/3.0\r\nHost: a\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: " + b"9" * 10_000 + b"\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n{}",
        CHUNKED + b"zz\r\n",
        CHUNKED + b"2\r\n{}x\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    ],
    ids=lambda data: repr(data[-20:]),
)
def test_what_is_no_request_is_refused_with_every_header_that_answers_have(target: Target, data: bytes) -> None:
    with target.watched():
        (reply,) = target.send(data)
    expect_refusal(reply, 400, 431)
    assert reply.headers["connection"] == "close"
    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_a_refusal_of_the_connection_is_counted_and_logged(target: Target) -> None:
    def counted() -> float:
        (reply,) = target.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        start = b'gaia_redshift_errors_total{code="malformed_request"} '
        return next((float(line.split()[1]) for line in reply.body.splitlines() if line.startswith(start)), 0.0)

    before = counted()
    time.sleep(1)  # a flood's lines are left out
    (reply,) = target.send(b"garbage\r\n\r\n")
    assert counted() == before + 1
    lines = [line for line in target.lines() if line.get("request_id") == reply.headers["x-request-id"]]
    assert [(line["error_code"], line["client"]) for line in lines] == [("malformed_request", "127.0.0.1")]


def test_a_flood_of_refusals_is_counted_in_full_and_logged_in_part(target: Target) -> None:
    before = len([line for line in target.lines() if line.get("event") == "refused"])
    with target.watched():
        for _ in range(300):
            target.send(b"garbage\r\n\r\n")
    after = len([line for line in target.lines() if line.get("event") == "refused"])
    assert after - before < 300


def test_requests_sent_ahead_are_answered_in_order_with_heads_within_the_limit(target: Target) -> None:
    one = b"GET /health/live HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 30_000 + b"\r\n\r\n"
    with target.watched():
        replies = target.send(one * 40, replies=40)
    assert [reply.status for reply in replies] == [200] * 40


def test_bodies_sent_ahead_are_no_heads(target: Target) -> None:
    questions = [json_question(rows, rows) for rows in (60, 1, 200, 2)]
    with target.watched():
        replies = target.send(b"".join(question.request for question in questions), replies=4)
    assert len(replies) == 4
    assert all(question.fits(reply) for question, reply in zip(questions, replies, strict=True))  # type: ignore[arg-type]


def test_a_head_of_the_second_request_is_bounded_like_the_first(target: Target) -> None:
    first = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
    replies = target.send(first, first[:-2] + b"A: " + b"a" * 100_000 + b"\r\n\r\n", pause=0.1, replies=2)
    assert [reply.status for reply in replies] == [200, 431]


def test_with_many_bodies_at_once_every_request_is_answered_in_time(target: Target) -> None:
    """They wait in the system's queues while the service stands still, and are all there when it goes on."""
    questions = [json_question(50, seed, Connection="close") for seed in range(4)]
    with ExitStack() as stack, target.watched():
        target.process.send_signal(signal.SIGSTOP)
        try:
            clients = [stack.enter_context(target.connect()) for _ in range(600)]
            for number, client in enumerate(clients):
                client.sendall(questions[number % 4].request)
        finally:
            target.process.send_signal(signal.SIGCONT)
        for number, client in enumerate(clients):
            (reply,) = read_replies(client)
            if reply.status == 200:
                assert questions[number % 4].fits(reply)  # type: ignore[arg-type]
            else:
                assert expect_refusal(reply, 429) == "overloaded"


def test_health_checks_are_answered_while_the_connections_are_full(target: Target) -> None:
    with ExitStack() as stack:
        folder = target.folder / "small"
        folder.mkdir()
        origin = "https://ok.example"
        small = stack.enter_context(Target(folder, max_connections=20, head_seconds=5, cors_origins=[origin]))
        clients = [stack.enter_context(small.connect()) for _ in range(200)]
        (reply,) = small.send(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert reply.status == 200
        (reply,) = small.send(b"GET /models HTTP/1.1\r\nHost: a\r\n\r\n")
        assert expect_refusal(reply, 429) == "too_many_connections"
        assert "access-control-allow-origin" not in reply.headers
        (reply,) = small.send(f"GET /models HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n\r\n".encode())
        assert expect_refusal(reply, 429) == "too_many_connections"
        assert reply.headers["access-control-allow-origin"] == origin
        assert "Retry-After" in reply.headers["access-control-expose-headers"]
        clients[-1].settimeout(5)
        (reply,) = read_replies(clients[-1])
        assert expect_refusal(reply, 429) == "too_many_connections"
