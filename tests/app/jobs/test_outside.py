"""Calling other hosts: who may be called, and at which address."""

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.errors import AddressRefusedError, FetchFailedError
from app.jobs import outside
from app.jobs.outside import Outside, check_address, is_public, resolve
from app.settings import Settings
from tests.app.jobs.owner import PARQUET, Owner, table

Start = Callable[..., Owner]
HOSTS = ["data.example.org", "*.cosmos.esa.int"]


@pytest.mark.parametrize(
    "url",
    [
        "http://data.example.org/a.csv",
        "https://DATA.example.org:8443/a.csv?b=c",
        "http://gea.cosmos.esa.int/a",
        "http://data.example.org./a",
    ],
)
def test_an_allowed_host_is_let_through(url: str) -> None:
    assert check_address(url, HOSTS, "HOSTS").hostname


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "http://evil.org/data.example.org",
        "http://data.example.org.evil.org/",
        "http://data.example.org@evil.org/",
        "http://evil.org\\@data.example.org/",
        "http://user:secret@data.example.org/",
        "http://cosmos.esa.int/",
        "http://xcosmos.esa.int/",
        "ftp://data.example.org/a",
        "file:///etc/passwd",
        "gopher://data.example.org/",
        "//data.example.org/",
        "data.example.org/a",
        "http://",
        "http://[::1",
        "http://data.example.org:99999/",
        "http://data.example.org:x/",
        "http://dáta.example.org/",
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://[::ffff:127.0.0.1]/",
        "",
    ],
)
def test_every_other_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefusedError):
        check_address(url, HOSTS, "HOSTS")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104
        "255.255.255.255", "224.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::", "64:ff9b::7f00:1", "64:ff9b::a00:1",
        "2001:0:7f00:1::", "192.0.2.1", "198.18.0.1", "240.0.0.1",
    ],
)  # fmt: skip
def test_an_address_of_a_private_network_is_not_public_in_any_form(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["193.147.152.100", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(outside.socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(AddressRefusedError, match=r"10\.0\.0\.1"):
        resolve("data.example.org", 80, private=False)
    assert resolve("data.example.org", 80, private=True) == ["8.8.8.8", "10.0.0.1"]


class Answers:
    """A host on loopback, with its answers by path."""

    def __init__(self) -> None:
        self.by_path: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        self.posted: list[tuple[dict[str, str], bytes]] = []
        self.port = 0


@pytest.fixture
def host() -> Iterator[Answers]:
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            answers.asked.append(f"{self.headers['Host']}{self.path}")
            status, headers, body = answers.by_path.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answers.posted.append((dict(self.headers), body))
            self.do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        answers.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield answers
        server.shutdown()
        thread.join()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the addresses of known names; other names are looked up as usual."""
    known: dict[str, str] = {"data.example.org": "127.0.0.1", "other.example.org": "127.0.0.1"}
    real = socket.getaddrinfo

    def find(name: Any, port: Any, *rest: Any, **more: Any) -> Any:
        return real(known.get(name, name), port, *rest, **more)

    monkeypatch.setattr(outside.socket, "getaddrinfo", find)
    return known


def test_a_table_at_an_address_becomes_a_job(start_jobs: Start, host: Answers, names: dict[str, str]) -> None:
    owner = start_jobs(jobs_hosts=["data.example.org"], jobs_private_hosts=True)
    base = f"http://data.example.org:{host.port}"
    content = table(20)
    host.by_path["/moved"] = (302, {"Location": "/a.parquet?x=1"}, b"")
    host.by_path["/a.parquet?x=1"] = (200, {"Content-Type": PARQUET}, content)
    made = owner.ask("POST", "/jobs", json={"url": f"{base}/moved", "phase": "RUN", "format": "csv"})
    assert made.status_code == 201, made.text
    assert not host.asked, "nothing is called before its turn"
    assert owner.worker.work_once()
    job = made.json()["job_id"]
    assert owner.result(job) == owner.predicted(content, format="csv")
    assert owner.job(job)["parameters"]["address"] == f"{base}/moved"
    assert host.asked == [f"data.example.org:{host.port}/moved", f"data.example.org:{host.port}/a.parquet?x=1"]


def test_what_an_address_leads_to_is_checked(start_jobs: Start, host: Answers, names: dict[str, str]) -> None:
    owner = start_jobs(jobs_hosts=["data.example.org"], jobs_private_hosts=True, jobs_max_body_bytes=2000)
    answers: list[tuple[tuple[int, dict[str, str], bytes], str]] = [
        ((302, {"Location": "http://other.example.org:{port}/secret"}, b""), "address_refused"),
        ((302, {"Location": "file:///etc/passwd"}, b""), "address_refused"),
        ((302, {"Location": "/a"}, b""), "fetch_failed"),
        ((500, {}, b"no"), "fetch_failed"),
        ((200, {"Content-Length": "100"}, b"short"), "fetch_failed"),
        ((200, {}, b"x" * 3000), "body_too_large"),
        ((200, {}, b"<html>"), "malformed_body"),
    ]
    host.by_path["/secret"] = (200, {}, table(3))
    url = f"http://data.example.org:{host.port}/a"
    for (status, headers, body), code in answers:
        named = {name: value.replace("{port}", str(host.port)) for name, value in headers.items()}
        host.by_path["/a"] = (status, named, body)
        job = owner.ask("POST", "/jobs", json={"url": url, "phase": "RUN"}).json()["job_id"]
        assert owner.worker.work_once()
        found = owner.job(job)
        assert (found["phase"], found["error"]["code"]) == ("ERROR", code), found["error"]
    assert not any("secret" in asked for asked in host.asked)


def test_a_name_of_a_private_address_is_not_called(start_jobs: Start, host: Answers, names: dict[str, str]) -> None:
    owner = start_jobs(jobs_hosts=["data.example.org"])
    host.by_path["/a"] = (200, {}, table(3))
    url = f"http://data.example.org:{host.port}/a"
    job = owner.ask("POST", "/jobs", json={"url": url, "phase": "RUN"}).json()["job_id"]
    assert owner.worker.work_once()
    assert owner.job(job)["error"]["code"] == "address_refused"
    assert not host.asked


def test_a_redirect_to_an_allowed_name_of_a_private_address_is_not_followed(
    host: Answers, names: dict[str, str], monkeypatch: pytest.MonkeyPatch, jobs_settings: Settings
) -> None:
    names["other.example.org"] = "127.0.0.2"
    monkeypatch.setattr(outside, "is_public", lambda address: address == "127.0.0.1")
    host.by_path["/a"] = (302, {"Location": f"http://other.example.org:{host.port}/secret"}, b"")
    caller = Outside(jobs_settings, ["*.example.org"], "HOSTS")
    with (
        pytest.raises(AddressRefusedError, match=r"127\.0\.0\.2"),
        caller.get(f"http://data.example.org:{host.port}/a"),
    ):
        pass
    caller.close()
    assert host.asked == [f"data.example.org:{host.port}/a"]


def test_the_address_that_was_checked_is_the_one_that_is_called(
    host: Answers, monkeypatch: pytest.MonkeyPatch, jobs_settings: Settings
) -> None:
    """A name whose address changes between check and connection is looked up only once."""
    looked: list[str] = []
    real = socket.getaddrinfo

    def find(name: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if name == "data.example.org":
            looked.append(name)
            name = "127.0.0.1" if len(looked) == 1 else "127.0.0.2"
        return real(name, port, *rest, **more)

    monkeypatch.setattr(outside.socket, "getaddrinfo", find)
    host.by_path["/a"] = (200, {}, b"content")
    caller = Outside(jobs_settings.model_copy(update={"jobs_private_hosts": True}), ["data.example.org"], "HOSTS")
    with caller.get(f"http://data.example.org:{host.port}/a") as answer:
        assert answer.read() == b"content"
    caller.close()
    assert looked == ["data.example.org"]


def test_a_host_that_is_not_there_fails(jobs_settings: Settings, tmp_path: Path) -> None:
    settings = jobs_settings.model_copy(update={"jobs_private_hosts": True})
    caller = Outside(settings, ["127.0.0.1", "no.invalid"], "HOSTS")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(FetchFailedError), caller.get(f"http://127.0.0.1:{closed.getsockname()[1]}/"):
            pass
    with pytest.raises(FetchFailedError), caller.get("http://no.invalid/"):
        pass
    caller.close()
