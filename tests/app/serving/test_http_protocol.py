"""What a client can do to a connection, against the real server in a process of its own."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gaia_redshift.spectra import DR3
from tests.reliability.service import Service
from tests.reliability.wire import json_question
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    limits = {"head_seconds": 1, "slow_seconds": 1, "max_connections": 20, "max_json_bytes": 300_000}
    with Service(tmp_path_factory.mktemp("service"), **limits) as service:
        yield service


def connect(server: Service) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port))
    client.settimeout(15)
    return client


def read_answer(client: socket.socket) -> tuple[int, dict[str, str], bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = client.recv(65536)
        assert piece, f"closed after {received!r}"
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    while len(body) < int(headers["content-length"]):
        body += client.recv(65536)
    return int(lines[0].split()[1]), headers, body


def expect(client: socket.socket, status: int, code: str) -> dict[str, str]:
    found, headers, body = read_answer(client)
    assert (found, json.loads(body)["error"]["code"]) == (status, code), body
    assert headers["content-type"] == "application/json"
    return headers


def expect_closed(client: socket.socket) -> None:
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        pass


def test_headers_sent_slowly_end_with_408(server: Service) -> None:
    with connect(server) as client:
        started = time.monotonic()
        client.sendall(b"POST /predict HTTP/1.1\r\n")
        for _ in range(4):
            client.sendall(b"X-A: b\r\n")
            time.sleep(0.2)
        expect(client, 408, "request_too_slow")
        assert time.monotonic() - started < 3
        expect_closed(client)


def test_a_client_that_expects_100_continue_gets_it_before_its_answer(server: Service) -> None:
    body = json.dumps({"spectra": [{"flux": [1.0 + n for n in range(DR3.samples)]}]}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    with connect(server) as client:
        client.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert read_answer(client)[0] == 200


def test_pipelined_requests_are_answered_whole_and_in_order(server: Service) -> None:
    body = json.dumps({"spectra": [{"flux": [1.0 + n for n in range(DR3.samples)]}]}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    lines = ["HEAD /docs HTTP/1.1\r\nHost: a\r\n", "GET /health/live HTTP/1.1\r\nHost: a\r\n", head]
    with connect(server) as client:
        client.sendall("\r\n".join(lines).encode() + b"Connection: close\r\n\r\n" + body)
        received = b""
        while piece := client.recv(65536):
            received += piece
    answers = received.split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"405", b"200", b"200"]
    assert answers[1].endswith(b'{"status":"live"}')
    assert b'"predictions":[{' in answers[2]


def test_a_silent_connection_is_closed(server: Service) -> None:
    with connect(server) as client:
        expect(client, 408, "request_too_slow")


def test_line_ends_do_not_keep_an_idle_connection_open(server: Service) -> None:
    with connect(server) as client:
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_answer(client)[0] == 200
        client.sendall(b"\r\n")
        expect(client, 408, "request_too_slow")


def test_a_request_five_seconds_after_the_last_is_answered(server: Service) -> None:
    """Clients keep idle connections for a while (httpx: 5 s); a service that closes them then resets some requests."""
    request = b"GET /models HTTP/1.1\r\nHost: a\r\n\r\n"
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(8)]
        for client in clients:
            client.sendall(request)
            assert read_answer(client)[0] == 200
        time.sleep(4.97)
        for client in clients:
            client.sendall(request)
            assert read_answer(client)[0] == 200
            time.sleep(0.01)


def test_a_body_sent_slowly_ends_with_408_and_ends_the_connection(server: Service) -> None:
    with connect(server) as client:
        client.sendall(
            b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n"
        )
        for _ in range(8):
            client.sendall(b"[")
            time.sleep(0.1)
        expect(client, 408, "request_too_slow")


def test_headers_without_end_are_431(server: Service) -> None:
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: " + b"b" * 70_000)
        expect(client, 431, "headers_too_large")


@pytest.mark.parametrize(
    "rubbish", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"rubbish\r\n\r\n", b"GET\r\n\r\n"]
)
def test_what_is_not_http_is_400_in_the_one_shape(server: Service, rubbish: bytes) -> None:
    with connect(server) as client:
        client.sendall(rubbish)
        expect(client, 400, "malformed_request")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_refused_body_is_answered_while_the_client_still_sends(server: Service, chunked: bool) -> None:
    with connect(server) as client:
        head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        piece = b" " * 10_000
        if chunked:
            client.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(100):
                client.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            client.sendall(b"0\r\n\r\n")
        else:
            client.sendall(head + b"Content-Length: 1000000\r\n\r\n")
            for _ in range(100):
                client.sendall(piece)
        expect(client, 413, "body_too_large")
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_answer(client)[0] == 200


def test_one_connection_too_many_is_429_and_there_is_room_again_when_one_leaves(server: Service) -> None:
    clients = [connect(server) for _ in range(20)]
    with connect(server) as late:
        headers = expect(late, 429, "too_many_connections")
        assert headers["retry-after"] == "1"
    for client in clients:
        client.close()
    time.sleep(0.2)
    with connect(server) as client:
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_answer(client)[0] == 200


def test_pipelined_requests_are_answered_in_order(server: Service) -> None:
    questions = [json_question(rows, rows) for rows in (1, 3, 2)]
    with connect(server) as client:
        client.sendall(b"".join(question.request for question in questions))
        received = b""
        while received.count(b'"status"') < 6:
            received += client.recv(65536)
    counts = [answer.count(b'"redshift"') for answer in received.split(b"HTTP/1.1 200")[1:]]
    assert counts == [1, 3, 2]


def metrics_of(server: Service) -> str:
    with connect(server) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        return read_answer(client)[2].decode()


def test_a_client_that_leaves_ends_its_work(tmp_path: Path) -> None:
    with Service(tmp_path, layers=8, threads=1) as server:
        question = json_question(4_000, 1)
        with connect(server) as client:
            client.sendall(question.request)
            wait_until(lambda: "gaia_redshift_batch_rows_sum{" in metrics_of(server), "a batch is worked on")
        wait_until(lambda: any(line.get("status") == 499 for line in server.lines()), "the request has ended")
        text = metrics_of(server)
        sizes = [line for line in text.splitlines() if line.startswith("gaia_redshift_batch_rows_sum")]
        assert float(sizes[0].split()[-1]) < 4_000
        assert 'gaia_redshift_requests_total{method="POST",route="/predict",status="499"} 1.0' in text


def test_a_spectrum_is_186_samples_on_the_wire_too(server: Service) -> None:
    with connect(server) as client:
        body = json.dumps({"spectra": [{"flux": [1.5] * (DR3.samples - 1) + [2.5]}]}).encode()
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n")
        client.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert read_answer(client)[0] == 200


def test_a_client_that_does_not_read_its_answer_is_cut_off(server: Service) -> None:
    rows = 60_000  # their answer is larger than what the kernel keeps for a connection
    names = ",".join(f"flux_{number}" for number in range(DR3.samples))
    table = (names + "\n" + (",".join("1" * DR3.samples) + "\n") * rows).encode()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(("127.0.0.1", server.port))
        head = "POST /predict/csv HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nContent-Type: text/csv\r\n"
        client.sendall(f"{head}Content-Length: {len(table)}\r\n\r\n".encode() + table)
        received = client.recv(1024)
        announced = int(received.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        time.sleep(9)  # uvicorn's 5 s for an idle connection, slow_seconds, and some more
        try:
            while piece := client.recv(1 << 20):
                received += piece
        except ConnectionResetError:
            pass
    assert 1024 <= len(received) < announced
