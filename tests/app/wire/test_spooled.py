import asyncio
from typing import Any

import pytest

from app.errors import BodyTooLargeError
from app.wire.spooled import Draft


async def send_all(draft: Draft, send: Any) -> None:
    response = draft.reply("text/csv", {"X-Model": "tiny 1.2.3"})
    await response({"type": "http"}, None, send)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 1, 300_000, 3_000_000])
def test_an_answer_arrives_whole_with_its_length_whether_it_lay_in_memory_or_on_disk(size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    messages: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    with Draft(10_000_000) as draft:
        for start in range(0, size, 1000):
            draft.file.write(content[start : start + 1000])
        asyncio.run(send_all(draft, send))
    assert b"".join(message["body"] for message in messages[1:]) == content
    assert (b"content-length", str(size).encode()) in messages[0]["headers"]
    assert [message.get("more_body", False) for message in messages[1:]][-1] is False
    assert max(len(message["body"]) for message in messages[1:]) <= 256 << 10
    assert draft.file.closed


def test_the_file_is_closed_when_the_table_breaks_or_the_client_leaves() -> None:
    with pytest.raises(ValueError, match="row 7"), Draft(10_000_000) as draft:
        raise ValueError("row 7")
    assert draft.file.closed

    async def leave(_message: dict[str, Any]) -> None:
        raise asyncio.CancelledError

    with Draft(10_000_000) as draft:
        draft.file.write(b"1")
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(send_all(draft, leave))
    assert draft.file.closed


def test_an_answer_that_grows_beyond_its_bound_is_refused() -> None:
    with Draft(1000) as draft:
        draft.file.write(b"a" * 1000)
        with pytest.raises(BodyTooLargeError, match="larger than 1000 bytes"):
            draft.file.write(b"a")
