"""The manifests of Kubernetes agree with the service, with compose, and with each other."""

import shutil
import subprocess
from typing import Any

import pytest
import yaml

from app.api import health
from app.serving import metrics
from app.settings import Settings
from tests.contract.test_deployment import OBJECTS, POD, ROOT, SERVICES, UNITS, number, settings_of_kubernetes

GPU = yaml.safe_load((ROOT / "deploy" / "kubernetes-gpu" / "kustomization.yaml").read_text())
ON_GPU: dict[str, dict[str, Any]] = {
    patch["kind"]: patch for patch in (yaml.safe_load(one["patch"]) for one in GPU["patches"])
}


def test_the_network_policy_says_who_may_connect() -> None:
    (rule,) = OBJECTS["network"]["spec"]["ingress"]
    assert rule["from"] == [
        {"podSelector": {}},
        {"namespaceSelector": {"matchLabels": {"gaia-redshift/may-enter": "true"}}},
    ]
    assert "egress" not in OBJECTS["network"]["spec"]
    assert "Egress" in OBJECTS["network"]["spec"]["policyTypes"]


def test_kubernetes_asks_the_routes_that_there_are() -> None:
    routes = {route.path for route in health.router.routes}  # type: ignore[attr-defined]
    (container,) = POD["containers"]
    probes = {name: probe["httpGet"]["path"] for name, probe in container.items() if name.endswith("Probe")}
    assert probes == {
        "startupProbe": "/health/ready",
        "readinessProbe": "/health/ready",
        "livenessProbe": "/health/live",
    }
    assert set(probes.values()) <= routes


def test_kubernetes_scales_on_a_metric_that_the_service_has() -> None:
    (rule,) = OBJECTS["autoscaler"]["spec"]["metrics"]
    name = rule["pods"]["metric"]["name"]
    assert name == metrics.QUEUED._name
    (adapter,) = OBJECTS["metrics-adapter"]["rules"]["custom"]
    assert adapter["seriesQuery"].startswith(name + "{")
    assert number(rule["pods"]["target"]["averageValue"]) < Settings().max_queued_rows / 4


def test_every_kubernetes_selector_picks_the_service_s_pods() -> None:
    (label,) = OBJECTS["kustomization"]["labels"]
    assert label == {"pairs": {"app.kubernetes.io/name": "gaia-redshift"}, "includeSelectors": True}
    (spread,) = POD["topologySpreadConstraints"]
    written = [
        OBJECTS["disruption"]["spec"]["selector"],
        OBJECTS["network"]["spec"]["podSelector"],
        spread["labelSelector"],
    ]
    assert written == [{"matchLabels": label["pairs"]}] * 3
    target = OBJECTS["autoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", OBJECTS["deployment"]["metadata"]["name"])


def test_kubernetes_on_gpus_is_the_same_service_with_a_card_and_the_gpu_image() -> None:
    assert (GPU["resources"], GPU["images"]) == (
        ["../kubernetes"],
        [{"name": "localhost/gaia-redshift", "newTag": "gpu"}],
    )
    names = {kind: patch["metadata"]["name"] for kind, patch in ON_GPU.items()}
    assert names == {OBJECTS[one]["kind"]: OBJECTS[one]["metadata"]["name"] for one in ("deployment", "autoscaler")}
    (container,), (below,) = ON_GPU["Deployment"]["spec"]["template"]["spec"]["containers"], POD["containers"]
    compose = SERVICES["redshift-gpu"]
    limits = container["resources"]["limits"]
    assert (container["name"], limits["nvidia.com/gpu"]) == (below["name"], "1")
    assert number(limits["memory"]) == number(compose["deploy"]["resources"]["limits"]["memory"]) / 2**30 * UNITS["Gi"]
    patience = container["startupProbe"]["failureThreshold"] * below["startupProbe"]["periodSeconds"]
    assert patience >= number(compose["healthcheck"]["start_period"])
    surge = ON_GPU["Deployment"]["spec"]["strategy"]["rollingUpdate"]
    assert surge == {"maxUnavailable": 1, "maxSurge": 0}, "a new pod would wait for a card that nobody has"
    assert OBJECTS["autoscaler"]["spec"]["minReplicas"] > surge["maxUnavailable"]
    (generator,) = GPU["configMapGenerator"]
    assert (generator["name"], generator["behavior"]) == (
        OBJECTS["kustomization"]["configMapGenerator"][0]["name"],
        "merge",
    )
    chosen = dict(literal.split("=", 1) for literal in generator["literals"])
    (rule,) = ON_GPU["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert rule["pods"]["metric"]["name"] == metrics.QUEUED._name
    assert number(rule["pods"]["target"]["averageValue"]) < number(chosen["GAIA_REDSHIFT_MAX_QUEUED_ROWS"]) / 4


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed: it puts the manifests together")
@pytest.mark.parametrize(("folder", "image", "cards"), [("kubernetes", "cpu", None), ("kubernetes-gpu", "gpu", "1")])
def test_kubectl_makes_one_confined_deployment_of_the_manifests(folder: str, image: str, cards: str | None) -> None:
    words = ["kubectl", "kustomize", str(ROOT / "deploy" / folder)]
    made = list(yaml.safe_load_all(subprocess.run(words, check=True, capture_output=True, text=True).stdout))
    kinds = ["ConfigMap", "Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "Service"]
    assert sorted(one["kind"] for one in made) == kinds
    (pod,) = (one["spec"]["template"]["spec"] for one in made if one["kind"] == "Deployment")
    (container,), (below,) = pod["containers"], POD["containers"]
    assert container["image"] == f"localhost/gaia-redshift:{image}"
    assert container["resources"]["limits"].get("nvidia.com/gpu") == cards
    assert container["securityContext"] == below["securityContext"]
    assert pod["securityContext"] == POD["securityContext"]
    (settings,) = (one for one in made if one["kind"] == "ConfigMap")
    assert container["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
    assert settings_of_kubernetes().items() <= settings["data"].items()


def test_the_kustomization_holds_every_object() -> None:
    files = {f"{name}.yaml" for name in OBJECTS} - {"kustomization.yaml", "metrics-adapter.yaml"}
    assert set(OBJECTS["kustomization"]["resources"]) == files
