"""The shipped Prometheus configuration, run against the service by the machine's own prometheus and promtool."""

import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.container.engine import ROOT, free_port
from tests.container.report import expect

MONITORING = ROOT / "deploy" / "monitoring"
TARGET = "redshift:8000"
"""What the shipped configuration scrapes: the service's name in the compose file."""


def available() -> bool:
    """Say whether this machine has Prometheus (Debian: the package prometheus)."""
    return all(shutil.which(program) for program in ("prometheus", "promtool"))


def _promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"promtool {' '.join(arguments)}: {done.stdout}{done.stderr}")


def scrape(port: int) -> str:
    """Check the rules, then scrape the service with them, from the host instead of compose's network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(MONITORING / "alerts.yml", folder)
        shipped = (MONITORING / "prometheus.yml").read_text()
        expect(TARGET in shipped, f"prometheus.yml does not scrape {TARGET}")
        text = re.sub(r"scrape_interval:.*", "scrape_interval: 1s", shipped.replace(TARGET, f"127.0.0.1:{port}"))
        text = re.sub(r"(evaluation_interval):.*", r"\1: 1s", re.sub(r"(scrape_timeout):.*", r"\1: 1s", text))
        config = folder / "prometheus.yml"
        config.write_text(text)
        _promtool("check", "rules", str(folder / "alerts.yml"))
        _promtool("check", "config", str(config))
        own = free_port()
        command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{own}"], stdout=log, stderr=log)
            try:
                return _look(own)
            finally:
                process.terminate()
                process.wait(30)


def _get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=10) as reply:
        return json.load(reply)["data"]


def _look(port: int) -> str:
    """Wait until the service was scraped and every rule evaluated."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(0.5)
        try:
            targets = _get(port, "targets")["activeTargets"]
            rules = [rule for group in _get(port, "rules")["groups"] for rule in group["rules"]]
            series = _get(port, "query?query=count({__name__=~%22gaia_redshift_.*%22})")["result"]
        except OSError:
            continue
        if series and all(target["health"] == "up" for target in targets):
            bad = [rule["name"] for rule in rules if rule["health"] == "err"]
            expect(not bad, f"rules that fail: {bad}")
            if all(rule["health"] == "ok" for rule in rules):
                firing = [rule["name"] for rule in rules if rule.get("state") == "firing"]
                expect(not firing, f"alerts of a healthy service: {firing}")
                return f"scraped, {series[0]['value'][1]} series; {len(rules)} rules evaluated, none fires"
    raise AssertionError(f"not scraped: {targets}")
