import json
import logging
import os
import pty
import subprocess
import sys

from app.serving.logs import json_formatter

_PROGRAM = """
import logging, structlog
from app.serving import logs
logs.configure("json", "info")
structlog.get_logger().info("request", path="/a\\nb", status=200)
structlog.get_logger().debug("not shown")
logging.getLogger("gaia_redshift").warning("model %s", "tiny", extra={"color_message": "x"})
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("gaia_redshift").exception("failed")
logging.getLogger("some.library").info("not shown")
"""


def test_every_line_is_one_json_object_with_level_and_time_whoever_wrote_it() -> None:
    output = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True).stdout
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["event"] for line in lines] == ["request", "model tiny", "failed"]
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert lines[0]["path"] == "/a\nb"
    assert "color_message" not in lines[1]
    assert "ZeroDivisionError" in lines[2]["exception"]


def test_what_json_does_not_know_is_logged_as_text() -> None:
    record = logging.LogRecord("a", logging.INFO, "b", 1, "event", (), None)
    record.what = {1: object}
    assert "<class 'object'>" in json.loads(json_formatter().format(record))["what"]["1"]


def test_lines_are_for_a_person_on_a_terminal_and_json_elsewhere() -> None:
    program = (
        "import sys; from app.serving.logs import choose_format; print(choose_format('auto'), choose_format('json'))"
    )
    shell = [sys.executable, "-c", program]
    piped = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    assert piped.split() == ["json", "json"]
    leader, follower = pty.openpty()
    with os.fdopen(leader, "rb") as terminal:
        subprocess.run(shell, stdout=follower, check=True)
        os.close(follower)
        assert terminal.read1().split() == [b"console", b"json"]
