"""What can be measured, set or refused is documented; what is documented exists."""

import inspect
import json
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, Counter
from prometheus_client.metrics import MetricWrapperBase

from app import errors, metrics
from app.errors import RedshiftError
from app.settings import Settings
from app.spectra import Unusable, describe

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
MONITORING = ROOT / "deploy" / "monitoring"


def metric_names() -> set[str]:
    """Return the names as /metrics gives them."""
    own = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    return {f"{metric._name}_total" if isinstance(metric, Counter) else metric._name for metric in own}


def error_codes() -> set[str]:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, RedshiftError)]
    return {kind.code for kind in kinds} | {"not_found", "method_not_allowed"}


def test_every_metric_has_its_row_and_every_row_its_metric() -> None:
    page = (REFERENCE / "metrics.md").read_text()
    assert set(re.findall(r"^\| `(gaia_redshift_\w+)` \|", page, re.MULTILINE)) == metric_names()


def test_every_metric_of_the_service_bears_its_name() -> None:
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


@pytest.mark.skipif(not (REFERENCE / "settings.md").exists(), reason="the page is not written yet")
def test_every_setting_is_documented() -> None:
    page = (REFERENCE / "settings.md").read_text()
    missing = [name for name in Settings.model_fields if f"GAIA_REDSHIFT_{name.upper()}" not in page]
    assert not missing


@pytest.mark.skipif(not (REFERENCE / "errors.md").exists(), reason="the page is not written yet")
def test_every_error_code_is_documented() -> None:
    page = (REFERENCE / "errors.md").read_text()
    assert not [code for code in error_codes() if f"`{code}`" not in page]


def test_every_setting_has_a_title_and_a_default() -> None:
    for name, field in Settings.model_fields.items():
        assert field.title, name
        assert not field.is_required(), name


def test_unusable_spectra_have_codes_of_their_own() -> None:
    import numpy as np

    found = {
        describe(np.ones(186, np.float32), int(reason)).code
        for reason in (Unusable.CONSTANT, Unusable.IMPLAUSIBLE_UNITS)
    }
    assert not found & error_codes()
