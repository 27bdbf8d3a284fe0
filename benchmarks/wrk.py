"""`wrk` (Debian: ``apt-get install wrk``), which posts one JSON body repeatedly."""

import re
import subprocess
from pathlib import Path

_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[{body}]==]
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %f %f %f %d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


def write_script(folder: Path, body: bytes) -> Path:
    """Write wrk's script with the request; return its path."""
    script = folder / "body.lua"
    script.write_text(_SCRIPT.replace("{body}", body.decode()), encoding="ascii")
    return script


def run_wrk(url: str, script: Path, clients: int, seconds: int) -> tuple[float, float, float, float]:
    """Return requests a second, p50 and p99 in ms, and the number of errors."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "20s", "-s", str(script), url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result = re.search(r"RESULT (\S+) (\S+) (\S+) (\S+)", output)
    if result is None:
        raise RuntimeError(f"wrk gave no usable output:\n{output}")
    rate, p50, p99, errors = map(float, result.groups())
    return rate, p50, p99, errors
