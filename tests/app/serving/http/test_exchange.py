"""What an answer looks like on its connection."""

import asyncio
from typing import Any

import pytest

from app.serving.http.exchange import Exchange, write_head
from app.serving.http.head import Head
from gaia_redshift.errors import RedshiftError


class Connection:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.finished = 0
        self.transport: Any = self
        self.writable = asyncio.Event()
        self.writable.set()

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def want_more(self) -> None:
        pass

    def finish(self) -> None:
        self.finished += 1

    def abort(self) -> None:
        self.written.append(b"aborted")


def exchange(method: str = "GET", more: bytes = b"") -> tuple[Exchange, Connection]:
    head = Head(f"{method} / HTTP/1.1\r\nHost: a\r\n".encode() + more + b"\r\n")
    connection = Connection()
    return Exchange(head.scope(""), connection, [(b"date", b"now")], head), connection


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


def answer(method: str, *messages: dict[str, Any]) -> tuple[list[bytes], int]:
    async def run() -> tuple[list[bytes], int]:
        one, connection = exchange(method)
        for message in messages:
            await one.send(message)
        return connection.written, connection.finished

    return asyncio.run(run())


def test_an_answer_is_one_write() -> None:
    written, finished = answer("GET", start(200, (b"content-length", b"2")), body(b"ok"))
    assert written == [b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 2\r\n\r\nok"]
    assert finished == 1


def test_an_answer_of_unknown_length_comes_in_chunks() -> None:
    written, _ = answer("GET", start(), body(b"abc", more=True), body(more=True), body())
    assert b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n" in written[0]
    assert written[1:] == [b"0\r\n\r\n"]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_an_answer_without_a_body_ends_with_its_head(method: str, status: int) -> None:
    written, finished = answer(method, start(status), body())
    assert b"".join(written).endswith(b"\r\n\r\n")
    assert b"chunked" not in b"".join(written)
    assert finished == 1


@pytest.mark.parametrize("value", [b"a\r\nSet-Cookie: b", b"a\nb", b"a\rb", b"a\0b"])
def test_a_header_that_holds_a_line_end_is_never_sent(value: bytes) -> None:
    with pytest.raises(RuntimeError):
        write_head(200, [(b"x", value)], keep_alive=True)


@pytest.mark.parametrize(("length", "content"), [(b"1", b"ab"), (b"3", b"ab")])
def test_a_body_that_is_not_as_long_as_announced_is_a_failure(length: bytes, content: bytes) -> None:
    with pytest.raises(RuntimeError):
        answer("GET", start(200, (b"content-length", length)), body(content))


def test_an_application_that_does_not_answer_ends_the_connection() -> None:
    async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
        pass

    async def run() -> list[bytes]:
        one, connection = exchange()
        await one.run(nothing)
        return connection.written

    assert asyncio.run(run()) == [b"aborted"]


def test_the_body_is_received_as_it_comes_and_then_the_end() -> None:
    async def run() -> None:
        one, _ = exchange("POST", b"Content-Length: 3\r\n")
        waiting = asyncio.create_task(one.receive())
        await asyncio.sleep(0)
        one.take(b"a")
        one.take(b"b")
        assert await waiting == {"type": "http.request", "body": b"ab", "more_body": True}
        one.take(b"c")
        one.complete()
        assert await one.receive() == {"type": "http.request", "body": b"c", "more_body": False}
        waiting = asyncio.create_task(one.receive())
        await asyncio.sleep(0)
        assert not waiting.done()
        one.leave()
        assert await waiting == {"type": "http.disconnect"}

    asyncio.run(run())


def test_an_invalid_body_raises_in_the_application_and_the_connection_ends_with_its_answer() -> None:
    async def run() -> None:
        one, connection = exchange("POST", b"Content-Length: 3\r\n")
        one.fail(RedshiftError("no"))
        with pytest.raises(RedshiftError, match="no"):
            await one.receive()
        await one.send(start(400, (b"content-length", b"0")))
        await one.send(body())
        assert b"connection: close\r\n" in connection.written[0]

    asyncio.run(run())
