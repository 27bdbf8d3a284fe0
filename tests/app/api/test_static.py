"""Parts of files: those that they have are sent, others are refused as everything else is."""

import pytest
from fastapi.testclient import TestClient

from tests.app.api.test_predict import error_of
from tests.app.jobs.owner import Owner, table


@pytest.mark.parametrize(("wanted", "status"), [("bytes=9-5", 400), ("lines=1", 400), ("bytes=99999999-", 416)])
def test_a_range_that_a_file_does_not_have_is_refused_in_the_shape_of_every_error(
    service: TestClient, wanted: str, status: int
) -> None:
    reply = service.get("/static/page/main.js", headers={"Range": wanted})
    assert "Range" in error_of(reply, status, "http_error")["message"]
    assert ("Content-Range" in reply.headers) == (status == 416)


def test_a_range_that_a_file_has_is_sent(service: TestClient) -> None:
    whole = service.get("/static/page/main.js").content
    reply = service.get("/static/page/main.js", headers={"Range": "bytes=2-5"})
    assert (reply.status_code, reply.content) == (206, whole[2:6])


def test_the_result_of_a_job_is_sent_in_parts_too(owner: Owner) -> None:
    job = owner.send(table(3))
    assert owner.worker.work_once()
    place = f"/jobs/{job}/results/result"
    part = owner.client.get(place, headers={"Range": "bytes=4-9"})
    assert (part.status_code, part.content) == (206, owner.result(job)[4:10])
    error_of(owner.client.get(place, headers={"Range": "bytes=99999999-"}), 416, "http_error")
