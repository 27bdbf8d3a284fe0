"""Being told of the end of a job."""

import hashlib
import hmac
import json
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from app.jobs import webhook
from app.jobs.webhook import MOST_TRIES, signed
from tests.app.jobs.owner import Owner, table
from tests.app.jobs.test_outside import Answers, host, names

__all__ = ["host", "names"]

Start = Callable[..., Owner]
SECRET = "a secret of sixteen"  # noqa: S105 - of this test alone


def listening(start_jobs: Start, host: Answers, status: int = 204) -> tuple[Owner, str]:
    """Return an owner whose jobs may notify the host, and the host's address."""
    host.by_path["/told"] = (status, {}, b"")
    owner = start_jobs(
        jobs_webhook_secret=SecretStr(SECRET), jobs_webhook_hosts=["data.example.org"], jobs_private_hosts=True
    )
    return owner, f"http://data.example.org:{host.port}/told"


def test_the_end_of_a_job_is_notified_once_with_a_signature(
    start_jobs: Start, host: Answers, names: dict[str, str]
) -> None:
    owner, url = listening(start_jobs, host)
    job = owner.send(table(5), notify=url, runid="mine")
    assert owner.worker._webhooks.deliver() == 0
    assert owner.worker.work_once()
    assert owner.worker._webhooks.deliver() == 1
    assert owner.worker._webhooks.deliver() == 0
    ((headers, body),) = host.posted
    assert json.loads(body) == {"job_id": job, "run_id": "mine", "phase": "COMPLETED", "rows_done": 5}
    stamp = headers["X-Gaia-Redshift-Timestamp"]
    expected = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["X-Gaia-Redshift-Signature"] == f"sha256={expected}"
    assert headers["Content-Type"] == "application/json"


def test_a_failed_notification_is_retried_at_growing_intervals_and_then_given_up(
    start_jobs: Start, host: Answers, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, url = listening(start_jobs, host, status=500)
    owner.send(table(5), notify=url)
    assert owner.worker.work_once()
    clock = [1000.0]
    monkeypatch.setattr(webhook.time, "monotonic", lambda: clock[0])
    waits = []
    for tries in range(1, MOST_TRIES + 1):
        owner.worker._webhooks.deliver()
        assert len(host.posted) == tries
        owner.worker._webhooks.deliver()
        assert len(host.posted) == tries, "not again at once"
        (again_at,) = owner.worker._webhooks._again_at.values()
        waits.append(again_at - clock[0])
        clock[0] = again_at
    assert waits[0] < waits[1] < waits[2] < waits[-1] <= 600
    clock[0] += 10_000
    owner.worker._webhooks.deliver()
    assert len(host.posted) == MOST_TRIES


def test_aborted_and_failed_jobs_are_notified_too(start_jobs: Start, host: Answers, names: dict[str, str]) -> None:
    owner, url = listening(start_jobs, host)
    aborted = owner.send(table(5), notify=url)
    owner.ask("POST", f"/jobs/{aborted}/phase?PHASE=ABORT")
    owner.send(b"flux_0\n1\n", "text/csv", notify=url)
    assert owner.worker.work_once()
    assert owner.worker._webhooks.deliver() == 2
    assert [json.loads(body)["phase"] for _, body in host.posted] == ["ABORTED", "ERROR"]


def test_a_host_that_is_not_allowed_is_refused_at_once(start_jobs: Start, host: Answers) -> None:
    owner, _ = listening(start_jobs, host)
    reply = owner.ask("POST", "/jobs", files={"file": ("a", table(2))}, data={"notify": "http://127.0.0.1/"})
    assert owner.code(reply) == (403, "address_refused")


def test_the_same_time_and_body_have_the_same_signature() -> None:
    assert signed(b"{}", SECRET, 1) == signed(b"{}", SECRET, 1)
    assert signed(b"{}", SECRET, 1)[2] != signed(b"{}", SECRET, 2)[2]
    assert signed(b"{}", SECRET, 1)[2] != signed(b"{}", "another", 1)[2]
