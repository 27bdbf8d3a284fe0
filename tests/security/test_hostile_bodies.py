"""What can be done to the service by bodies: forms, Arrow streams, documents, and the time they take to arrive."""

import json
import socket
import threading
import time
from contextlib import ExitStack, suppress

import pytest

from gaia_redshift.client.messages import PredictReply
from gaia_redshift.media import ARROW, NPY
from tests.reliability.wire import json_question
from tests.security.corpus import arrays, bombs, documents, streams
from tests.security.hostile import ERROR_BYTES, Target, expect_refusal

FORM = "multipart/form-data; boundary=x"
CODECS = ("punycode", "undefined", "idna", "utf-7", "utf-16", "raw_unicode_escape", "unicode_escape", "base64", "zlib")


def field(content: bytes, name: bytes = b'name="a"') -> bytes:
    return b"--x\r\nContent-Disposition: form-data; " + name + b"\r\n\r\n" + content + b"\r\n--x--\r\n"


@pytest.mark.parametrize("codec", [*CODECS, "x" * 1000, '"', "utf-8\0", "UTF-8"])
@pytest.mark.parametrize(
    "body",
    [field(b"e28h" + b"a" * 1_000_000), field(b"1"), field(b"1", b'name="\xff\xfe"'), field(b"1", b'filename="xn--a"')],
    ids=["long", "short", "name", "file name"],
)
def test_a_form_is_utf_8_whatever_it_says(target: Target, codec: str, body: bytes) -> None:
    with target.watched():
        reply = target.post("/predict/csv", body, f"{FORM}; charset={codec}")
    expect_refusal(reply, 400, 422)


@pytest.mark.parametrize(
    "body",
    [
        b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n1\r\n' * 50_000 + b"--x--\r\n",
        b"--x\r\n" + b"X-A: b\r\n" * 100_000,
        b"--x\r\nContent-Disposition: form-data; name=" + b'"' * 4000 + b"\r\n\r\n1\r\n--x--",
        b"--x\r\nContent-Disposition: form-data" + b"; a=b" * 800 + b"\r\n\r\n1\r\n--x--",
        b"--x" * 1_000_000,
        b"\r\n" * 1_000_000,
        b"-" * 3_000_000,
    ],
    ids=["fields", "headers", "quotes", "parameters", "boundaries", "line ends", "dashes"],
)
def test_a_form_of_anything_is_refused_soon(target: Target, body: bytes) -> None:
    with target.watched():
        expect_refusal(target.post("/predict/csv", body, FORM), 400, 422)


@pytest.mark.parametrize("name", ["x" * 20_000, "\u0660" * 100, "flux_" + "9" * 10_000])
@pytest.mark.parametrize("parameter", ["model", "prior", "pdf"])
def test_what_the_query_names_comes_back_short(target: Target, name: str, parameter: str) -> None:
    from urllib.parse import quote

    for path, kind in (("/predict", NPY), ("/predict/csv", "text/csv")):
        expect_refusal(target.post(f"{path}?{parameter}={quote(name)}", b"flux_0\n1\n", kind), 400, 404, 422)


def test_no_packed_stream_unpacks_more_than_spectra_can_need(target: Target) -> None:
    with target.watched():
        for name, content in bombs((2 << 30) - 1):
            reply = target.post("/predict", content, ARROW)
            assert expect_refusal(reply, 400) == "malformed_body", name


def test_no_stream_takes_memory_or_time(target: Target) -> None:
    with target.watched():
        for name, content in streams():
            reply = target.post("/predict", content, ARROW)
            if reply.status != 200:
                assert expect_refusal(reply, 400, 422), name


@pytest.mark.parametrize(("name", "content"), [pytest.param(*item, id=item[0]) for item in documents()])
def test_no_document_takes_memory_or_time(target: Target, name: str, content: bytes) -> None:
    with target.watched():
        reply = target.post("/predict", content, "application/json")
    if reply.status == 200:
        PredictReply.model_validate_json(reply.body)
    else:
        expect_refusal(reply, 400, 404, 413, 422)


_HUGE = b"a" * 5_000_000
DOCUMENTS = {
    "ten thousand wrong spectra": b'{"spectra":[' + b'{"flux":[1,2,"x"],"source_id":[]},' * 9999 + b"{}]}",
    "ten thousand empty spectra": b'{"spectra":[' + b"{}," * 9999 + b"{}]}",
    "ten thousand of one number": b'{"spectra":[' + b'{"flux":[1]},' * 9999 + b'{"flux":[1]}]}',
    "a huge key": b'{"' + _HUGE + b'":1,"spectra":[{}]}',
    "a huge key of a spectrum": b'{"spectra":[{"' + _HUGE + b'":1}]}',
    "a huge model": b'{"spectra":[{"flux":[1]}],"model":"' + _HUGE + b'"}',
    "a huge prior": b'{"spectra":[{"flux":[1]}],"prior":"' + _HUGE + b'"}',
    "a huge name": b'{"spectra":[{"source_id":"' + _HUGE + b'","flux":[1]}]}',
    "many keys": b'{"spectra":[{"flux":[1]}],' + b",".join(b'"%d":1' % n for n in range(5000)) + b"}",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_wrong_document_is_refused_soon_and_shortly(target: Target, name: str) -> None:
    with target.watched():
        expect_refusal(target.post("/predict", DOCUMENTS[name], "application/json"), 400, 422)


@pytest.mark.parametrize(("name", "content"), [pytest.param(*item, id=item[0]) for item in arrays()])
def test_no_array_takes_memory_or_time(target: Target, name: str, content: bytes) -> None:
    with target.watched():
        reply = target.post("/predict", content, NPY)
    if reply.status != 200:
        expect_refusal(reply, 400, 422)
        assert len(reply.body) <= ERROR_BYTES


@pytest.mark.parametrize("size", [50_000_000, 900_000])
def test_slow_bodies_do_not_block_others(target: Target, size: int) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50331648\r\n\r\n"
    stop = threading.Event()
    with ExitStack() as stack, target.watched():
        holders = [stack.enter_context(target.connect()) for _ in range(201_000_000 // size)]

        def hold() -> None:
            for holder in holders:
                with suppress(ConnectionError, TimeoutError):
                    holder.sendall(head + b" " * size)
            while not stop.wait(1):
                for holder in holders:
                    with suppress(OSError):
                        holder.sendall(b" " * 1500)

        thread = threading.Thread(target=hold)
        thread.start()
        time.sleep(6)
        try:
            question = json_question(400, 4)
            for _ in range(10):
                (reply,) = target.send(question.request)
                assert reply.status == 200, reply.body
                assert question.fits(reply)  # type: ignore[arg-type]
            large = json_question(9000, 4)
            (reply,) = target.send(large.request)
            assert reply.status == 200, reply.body
        finally:
            stop.set()
            for holder in holders:
                with suppress(OSError):
                    holder.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_body_of_bytes_that_come_two_by_two_takes_its_own_size(target: Target) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n"
    with target.watched(), target.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(head)
        stop = time.monotonic() + 5
        sent = 0
        while time.monotonic() < stop:
            client.send(b"  ")
            sent += 2
        client.sendall(b" " * (4_000_000 - sent))
        answer = client.recv(65536)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "malformed_body"
