"""What deploys the service - Dockerfile, compose, settings, workflows - agrees with the service and with itself."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings
from tests.container import __main__ as container_test
from tests.container import closed

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
REDSHIFT = {name: service for name, service in SERVICES.items() if name.startswith("redshift")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
KUBERNETES = ROOT / "deploy" / "kubernetes"
OBJECTS = {path.stem: yaml.safe_load(path.read_text()) for path in KUBERNETES.glob("*.yaml")}
POD = OBJECTS["deployment"]["spec"]["template"]["spec"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
OPERATE = (ROOT / "docs" / "how-to" / "operate.md").read_text()
DEPLOYING = [
    ROOT / "Dockerfile",
    ROOT / "docker-compose.yml",
    *sorted(KUBERNETES.glob("*.yaml")),
    ROOT / "deploy" / "kubernetes-gpu" / "kustomization.yaml",
    *sorted((ROOT / "deploy").glob("container/*")),
    *WORKFLOWS,
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
]

VARIABLES = {f"GAIA_REDSHIFT_{name.upper()}" for name in Settings.model_fields}
OF_THE_CONTAINER = {"GAIA_REDSHIFT_HOST", "GAIA_REDSHIFT_PORT", "GAIA_REDSHIFT_MODELS"}
OF_COMMANDS = {
    name
    for file in (ROOT / "gaia_redshift" / "commands").glob("*.py")
    for name in re.findall(r'envvar="(\w+)"', file.read_text())
}
"""Variables of commands, for the address of a service and its key, which are not settings of a service."""
UNITS = {"": 1, "s": 1, "k": 10**3, "m": 2**20, "g": 2**30, "Mi": 2**20, "Gi": 2**30}


def number(text: str | float) -> float:
    """Read ``930s``, ``4g``, ``${NAME:-4g}``."""
    plain = re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(text))
    digits, unit = re.fullmatch(r"([\d.]+)(\w*)", plain).groups()  # type: ignore[union-attr]
    return float(digits) * UNITS[unit]


def settings_of_kubernetes() -> dict[str, str]:
    (generator,) = OBJECTS["kustomization"]["configMapGenerator"]
    return dict(literal.split("=", 1) for literal in generator["literals"])


@pytest.mark.parametrize("file", DEPLOYING, ids=lambda file: file.name)
def test_every_setting_that_is_named_exists(file: Path) -> None:
    assert set(re.findall(r"GAIA_REDSHIFT_[A-Z_]*[A-Z]", file.read_text())) <= VARIABLES | OF_COMMANDS


@pytest.mark.parametrize("service", REDSHIFT)
def test_compose_passes_every_setting_on(service: str) -> None:
    passed = {name for name in REDSHIFT[service]["environment"] if not name.startswith("OTEL_")}
    assert passed == VARIABLES - OF_THE_CONTAINER


def test_compose_alone_starts_the_cpu_service_alone() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == ["redshift"]
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "redshift-gpu": ["gpu"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_every_service_is_confined(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc"} & set(service)


@pytest.mark.parametrize("service", REDSHIFT.values(), ids=REDSHIFT)
def test_models_are_mounted_read_only_where_the_image_looks_for_them(service: dict[str, Any]) -> None:
    assert service["volumes"] == ["${REDSHIFT_MODELS:-./models}:/models:ro"]
    assert "GAIA_REDSHIFT_MODELS=/models" in DOCKERFILE


def test_only_the_gpu_service_reserves_a_device() -> None:
    (device,) = SERVICES["redshift-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert [name for name, one in SERVICES.items() if "reservations" in one["deploy"]["resources"]] == ["redshift-gpu"]


def test_the_container_test_expects_the_limits_of_the_compose_file() -> None:
    limits = {name: number(value) for name, value in SERVICES["redshift"]["deploy"]["resources"]["limits"].items()}
    assert limits == {
        "memory": container_test.MEMORY,
        "cpus": container_test.CPUS,
        "pids": container_test.PIDS,
    }


def test_the_time_to_stop_is_longer_than_the_slowest_request() -> None:
    settings = Settings()
    for service in REDSHIFT.values():
        assert number(service["stop_grace_period"]) > settings.request_seconds + settings.drain_seconds
    chosen = settings_of_kubernetes()
    request, drain = (float(chosen[f"GAIA_REDSHIFT_{name}_SECONDS"]) for name in ("REQUEST", "DRAIN"))
    assert drain > 2 * POD["containers"][0]["readinessProbe"]["periodSeconds"]
    assert POD["terminationGracePeriodSeconds"] > request + drain


def test_uploads_fit_into_the_memory_they_wait_in() -> None:
    for service in REDSHIFT.values():
        (mount,) = service["tmpfs"]
        room = number(re.search(r"size=(\w+)", mount).group(1))  # type: ignore[union-attr]
        assert number(service["environment"]["GAIA_REDSHIFT_MAX_BODY_BYTES_HELD"]) < room
        assert room < number(service["deploy"]["resources"]["limits"]["memory"]) / 2
    (volume,) = POD["volumes"]
    room = number(volume["emptyDir"]["sizeLimit"])
    assert number(settings_of_kubernetes()["GAIA_REDSHIFT_MAX_BODY_BYTES_HELD"]) < room
    assert room < number(POD["containers"][0]["resources"]["limits"]["memory"]) / 2


def test_each_compose_service_is_built_from_a_target_of_the_dockerfile() -> None:
    stages = re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, flags=re.MULTILINE)
    assert [service["build"]["target"] for service in REDSHIFT.values()] == ["cpu", "gpu"]
    assert {"cpu", "gpu"} <= set(stages)
    assert stages[-1] == "cpu", "a plain build makes the CPU image"


def test_health_is_asked_with_the_image_s_own_command() -> None:
    assert DOCKERFILE.count('CMD ["healthcheck"]') == len(REDSHIFT)
    assert [service["healthcheck"]["test"] for service in REDSHIFT.values()] == [["CMD", "healthcheck"]] * len(REDSHIFT)


def test_what_the_dockerfile_copies_exists_and_is_let_into_the_build() -> None:
    sources = re.findall(r"^COPY ((?:(?!--)\S+ )+)\S+$", DOCKERFILE, flags=re.MULTILINE)
    named = {source for line in sources for source in line.split()}
    allowed = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), flags=re.MULTILINE)
    assert {"app", "gaia_redshift", "models", "requirements/image.txt"} <= named
    for source in named - {"models"}:
        assert (ROOT / source).exists()
    for source in named:
        assert any(Path(source).match(pattern) for pattern in allowed), source


def test_every_user_is_the_same_number_and_not_root() -> None:
    assert re.findall(r"^USER (\S+)", DOCKERFILE, flags=re.MULTILINE) == ["10001:10001"]
    assert POD["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    (container,) = POD["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_every_image_is_pinned() -> None:
    images = [service["image"] for service in SERVICES.values()] + re.findall(r"ARG BASE=(\S+)", DOCKERFILE)
    for name in images:
        assert re.search(r":(?!latest)[\w.-]+(\}|@sha256:[0-9a-f]{64})$", name), name


def test_every_image_that_others_make_is_pinned_by_its_digest() -> None:
    names = [service["image"] for service in SERVICES.values() if "build" not in service]
    names += re.findall(r"ARG BASE=(\S+)", DOCKERFILE)
    assert len(names) == 3
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", name) for name in names), names


def test_the_closed_compose_file_lets_nothing_out() -> None:
    docker = yaml.safe_load((ROOT / "deploy" / "compose-closed.yml").read_text())
    assert docker["networks"]["default"]["driver_opts"] == {"com.docker.network.bridge.enable_ip_masquerade": "false"}
    podman = yaml.safe_load((ROOT / "deploy" / "compose-closed-podman.yml").read_text())
    assert podman["networks"]["default"]["internal"] is True
    assert podman["networks"]["default"]["name"] == closed.NETWORK
    assert all("networks" not in service for service in SERVICES.values()), "all are on the network that is closed"


def test_what_compose_mounts_exists() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    files = [name for name in mounted if name.startswith("./")]
    assert len(files) == 5
    for name in files:
        assert (ROOT / name).is_file(), name


def test_prometheus_scrapes_the_service_by_its_name_in_compose() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "monitoring" / "prometheus.yml").read_text())
    targets = [target for job in config["scrape_configs"] for one in job["static_configs"] for target in one["targets"]]
    assert "redshift:8000" in targets
    assert config["rule_files"] == ["alerts.yml"]


def test_grafana_shows_the_shipped_dashboard_from_prometheus() -> None:
    folder = ROOT / "deploy" / "monitoring"
    (source,) = yaml.safe_load((folder / "grafana" / "datasource.yml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    (provider,) = yaml.safe_load((folder / "grafana" / "dashboards.yml").read_text())["providers"]
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    shown = mounts["./deploy/monitoring/dashboard.json"]
    assert shown.startswith(provider["options"]["path"] + "/")
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == shown
    dashboard = json.loads((folder / "dashboard.json").read_text())
    sources = {json.dumps(panel.get("datasource"), sort_keys=True) for panel in dashboard["panels"]}
    assert sources
    assert all(source["uid"] in one or "${" in one for one in sources), sources


def test_the_compose_file_s_own_variables_are_documented_with_their_defaults() -> None:
    used = re.findall(r"\$\{(?!GAIA_REDSHIFT_)(\w+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text())
    shown = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", OPERATE, flags=re.MULTILINE)
    assert sorted(set(used)) == sorted(shown)


def test_the_images_install_what_was_tested() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^(\S+==.*?) \\$", (ROOT / "requirements" / name).read_text(), flags=re.MULTILINE))

    assert pins("library.txt") <= pins("serve.txt") <= pins("image.txt") <= pins("gpu.txt")
    assert pins("serve.txt") <= pins("dev.txt")
    # On which platforms a package is needed depends on what else is installed; its version does not.
    plain = {name: {pin.partition(" ;")[0] for pin in pins(name)} for name in ("gpu.txt", "dev.txt")}
    beyond = {pin for pin in plain["gpu.txt"] - plain["dev.txt"] if not pin.startswith("nvidia-")}
    assert beyond == set()
