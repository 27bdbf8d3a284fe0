"""What can be measured is documented and shown; what is documented exists."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, Counter
from prometheus_client.metrics import MetricWrapperBase

from app.serving import metrics

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
MONITORING = ROOT / "deploy" / "monitoring"


def metric_names() -> set[str]:
    """Return the names as /metrics gives them."""
    own = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    return {f"{metric._name}_total" if isinstance(metric, Counter) else metric._name for metric in own}


def test_every_metric_has_its_row_and_every_row_its_metric() -> None:
    page = (REFERENCE / "metrics.md").read_text()
    assert set(re.findall(r"^\| `(gaia_redshift_\w+)` \|", page, re.MULTILINE)) == metric_names()


def test_the_name_of_every_metric_has_a_known_prefix() -> None:
    names = {name for metric in REGISTRY.collect() for name in [metric.name]}
    assert all(name.startswith(("gaia_redshift_", "python_", "process_")) for name in names)


@pytest.mark.parametrize("file", ["dashboard.json", "alerts.yml"])
def test_dashboard_and_alerts_ask_only_for_metrics_that_exist(file: str) -> None:
    asked = set(re.findall(r"gaia_redshift_\w+", (MONITORING / file).read_text()))
    assert asked
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked} <= metric_names()


def test_the_dashboard_shows_every_metric() -> None:
    shown = (MONITORING / "dashboard.json").read_text()
    assert not [name for name in metric_names() if name not in shown]
    panels = json.loads(shown)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    text = (MONITORING / "alerts.yml").read_text()
    assert text.count("- alert:") == text.count("summary:") == text.count("action:") == text.count("expr:")
