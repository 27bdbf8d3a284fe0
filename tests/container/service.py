"""What the running service answers, and what it cannot do to its surroundings."""

import csv
import http.client
import io
import json
import re
import time
from dataclasses import dataclass

from tests.container.engine import ROOT, Container
from tests.container.report import expect

EXAMPLE = ROOT / "gaia_redshift" / "data" / "example_galaxies.csv"
REQUEST_ID = "container-test-7"


@dataclass(frozen=True)
class Reply:
    """An answer of the service."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
    """Send one request to the published port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    reply = connection.getresponse()
    return Reply(reply.status, reply.headers, reply.read())


def is_ready(port: int) -> bool:
    """Say whether the service can predict."""
    try:
        return ask(port, "GET", "/health/ready").status == 200
    except (OSError, http.client.HTTPException):
        return False


def wait_until_ready(port: int, patience_s: float = 120) -> float:
    """Return when the service was first seen ready, in seconds since 1970."""
    end = time.monotonic() + patience_s
    while not is_ready(port):
        expect(time.monotonic() < end, f"not ready after {patience_s:g} s")
        time.sleep(0.01)
    return time.time()


def _redshifts(rows: list[dict[str, str]]) -> list[float]:
    expect({row["status"] for row in rows} == {"ok"}, f"not every row is ok: {rows}")
    return [float(row["redshift"]) for row in rows]


def predict(port: int) -> str:
    """Ask for the example's redshifts by JSON and by CSV: the same, plausible, and not one number for all."""
    with EXAMPLE.open(newline="") as file:
        table = list(csv.DictReader(file))
    spectra = [{"flux": [float(row[f"flux_{number}"]) for number in range(186)]} for row in table]
    sent = json.dumps({"spectra": spectra}).encode()
    reply = ask(port, "POST", "/predict", sent, Content_Type="application/json", X_Request_ID=REQUEST_ID)
    expect(reply.status == 200, f"JSON: {reply.status} {reply.body[:300]!r}")
    from_json = _redshifts(json.loads(reply.body)["predictions"])
    reply = ask(port, "POST", "/predict/csv", EXAMPLE.read_bytes(), Content_Type="text/csv", Accept="text/csv")
    expect(reply.status == 200, f"CSV: {reply.status} {reply.body[:300]!r}")
    from_csv = _redshifts(list(csv.DictReader(io.StringIO(reply.body.decode()))))
    expect(len(from_json) == len(from_csv) == len(table), f"{len(from_json)} and {len(from_csv)} rows of {len(table)}")
    apart = max(abs(one - other) for one, other in zip(from_json, from_csv, strict=True))
    expect(apart < 2e-6, f"JSON and CSV differ by {apart}")
    expect(0 < min(from_json) < max(from_json) - 0.05 < 0.6, f"implausible redshifts: {from_json}")
    return f"JSON and CSV agree to {apart:.0e}: {', '.join(f'{z:.4f}' for z in from_json)}"


def pages(port: int) -> str:
    """Look at the pages a browser gets, and at everything they load."""
    home = ask(port, "GET", "/")
    expect(home.status in {200, 307}, f"/: {home.status}")
    page = ask(port, "GET", "/docs")
    expect(page.status == 200, f"/docs: {page.status}")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())
    expect(loaded, "/docs loads nothing")
    foreign = [address for address in loaded if "//" in address]
    expect(not foreign, f"/docs loads from elsewhere: {foreign}")
    for address in [*loaded, "openapi.json"]:
        status = ask(port, "GET", f"/{address.lstrip('/')}").status
        expect(status == 200, f"{address}: {status}")
    guide = ask(port, "GET", "/guide/")
    expect(guide.status == 200, f"/guide/: {guide.status}")
    beside = re.findall(r'(?:src|href)="(_static/[^"]+)"', guide.body.decode())
    expect(beside, "/guide/ loads nothing")
    for address in beside:
        status = ask(port, "GET", f"/guide/{address}").status
        expect(status == 200, f"/guide/{address}: {status}")
    return f"/ {home.status}, /docs 200 with {len(loaded)} files, /guide/ with {len(beside)}, all from the service"


_CONFINED = """
import json, os
status = dict(line.split(":", 1) for line in open("/proc/1/status"))
def writable(path):
    try:
        open(os.path.join(path, "written"), "w").close()
        os.remove(os.path.join(path, "written"))
        return True
    except OSError:
        return False
flags = {path: os.statvfs(path).f_flag for path in ("/", "/models", "/tmp")}
print(json.dumps({
    "uids": status["Uid"].split(), "gids": status["Gid"].split(),
    "capabilities": [status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "read_only": [path for path, flag in flags.items() if flag & os.ST_RDONLY],
    "noexec": [path for path, flag in flags.items() if flag & os.ST_NOEXEC],
    "writable": [path for path in ("/", "/models", "/opt/gaia-redshift", "/etc", "/dev", "/tmp") if writable(path)],
}))
"""


def confinement(container: Container) -> str:
    """Look at the service's own process: user, capabilities, and where it can write."""
    found = json.loads(container.python(_CONFINED))
    expect(set(found["uids"] + found["gids"]) == {"10001"}, f"uids {found['uids']}, gids {found['gids']}")
    expect(not any(int(held, 16) for held in found["capabilities"]), f"capabilities {found['capabilities']}")
    expect(found["no_new_privileges"] == "1", "could gain privileges")
    expect(found["read_only"] == ["/", "/models"], f"read-only: {found['read_only']}")
    expect("/tmp" in found["noexec"], "programs can be run from /tmp")  # noqa: S108 - the container's own
    expect(set(found["writable"]) <= {"/tmp", "/dev"}, f"writable: {found['writable']}")  # noqa: S108
    expect("/tmp" in found["writable"], "nowhere to put uploads")  # noqa: S108
    return "uid 10001, no capabilities, no new privileges, / and /models read-only, /tmp without execution"


_LIMITS = """
import json
def first(*paths):
    for path in paths:
        try:
            return open(f"/sys/fs/cgroup/{path}").read().split()
        except OSError:
            pass
    return []
print(json.dumps({
    "memory": first("memory.max", "memory/memory.limit_in_bytes"),
    "peak": first("memory.peak", "memory/memory.max_usage_in_bytes"),
    "pids": first("pids.max", "pids/pids.max"),
    "cpu": first("cpu.max") or first("cpu/cpu.cfs_quota_us", "cpu,cpuacct/cpu.cfs_quota_us")
           + first("cpu/cpu.cfs_period_us", "cpu,cpuacct/cpu.cfs_period_us"),
}))
"""


def limits(container: Container, memory: int, cpus: float, pids: int | None) -> str:
    """Compare the limits the kernel enforces with those of the compose file; `pids` None where compose knows none."""
    found = json.loads(container.python(_LIMITS))
    expect(found["memory"] == [str(memory)], f"memory {found['memory']}, not {memory}")
    quota, period = map(int, found["cpu"])
    expect(quota / period == cpus, f"{quota / period} cores, not {cpus}")
    expect(found["pids"] != ["max"], "processes are not limited")
    expect(pids is None or found["pids"] == [str(pids)], f"processes {found['pids']}, not {pids}")
    peak = f", peak use {int(found['peak'][0]) / 2**20:.0f} MiB" if found["peak"] else ""
    unset = "" if pids else " (not compose's number: podman-compose this old passes none on)"
    return f"memory {memory / 2**30:g} GiB, {cpus:g} cores, {found['pids'][0]} processes{unset}{peak}"


def health(container: Container) -> str:
    """Look at the health status, and whether the check would notice a service that does not answer."""
    status = container.health()
    expect(status == "healthy", f"status {status}")
    broken = container.run(["healthcheck"], {"GAIA_REDSHIFT_PORT": "1"})
    expect(broken.endswith("exit 1"), f"the check passes where nothing listens: {broken!r}")
    return "healthy; the check fails where nothing listens"


def log_lines(container: Container) -> str:
    """Read every line the service wrote as JSON, and find the request that `predict` sent."""
    lines = container.logs()
    expect(lines, "no line was logged")
    events = []
    for line in lines:
        try:
            events.append(json.loads(line))
        except ValueError as error:
            raise AssertionError(f"a line is not JSON: {line[:200]!r}") from error
    for event in events:
        missing = {"event", "level", "timestamp"} - event.keys()
        expect(not missing, f"{missing} missing in {event}")
    mine = [event for event in events if event.get("request_id") == REQUEST_ID]
    expect(len(mine) == 1, f"{len(mine)} lines of the request {REQUEST_ID}")
    expect((mine[0]["path"], mine[0]["status"]) == ("/predict", 200), f"{mine[0]}")
    health_checks = [event for event in events if event.get("path") == "/health/ready"]
    expect(health_checks, "GAIA_REDSHIFT_LOG_LEVEL did not reach the service")
    return f"{len(lines)} lines, all JSON, at the level that was set; the JSON request took {mine[0]['seconds']:.3f} s"


def large_table(port: int, seconds: float) -> bytes:
    """Return a CSV table that keeps the service busy for about so long, from the time a smaller one takes."""
    header, *rows = EXAMPLE.read_bytes().splitlines(keepends=True)
    sample = header + b"".join(rows * 500)
    began = time.monotonic()
    expect(ask(port, "POST", "/predict/csv", sample, Content_Type="text/csv").status == 200, "a table of 2,000 failed")
    needed = int(500 * seconds / (time.monotonic() - began))
    return header + b"".join(rows * min(max(needed, 500), 25_000))
