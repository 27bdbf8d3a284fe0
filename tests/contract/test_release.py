"""Versions, workflows and releases agree with the project and with each other."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import gaia_redshift
from app.main import create_app
from tests.contract.test_deployment import DOCKERFILE, OPERATE, PROJECT, ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def runs(workflow: Path) -> list[str]:
    """Return every command line of a workflow."""
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [line.strip() for job in jobs for step in job["steps"] for line in step.get("run", "").splitlines()]


def test_the_image_has_the_project_s_version() -> None:
    assert re.findall(r"^ARG VERSION=(\S+)", DOCKERFILE, flags=re.MULTILINE) == [PROJECT["version"]]


def test_the_project_s_version_is_the_changelog_s_latest_with_its_date() -> None:
    titles = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    released = [title for title in titles if title != "Unreleased"]
    assert re.fullmatch(rf"{re.escape(PROJECT['version'])} - \d{{4}}-\d\d-\d\d", released[0])


def test_the_service_says_the_library_s_version() -> None:
    assert create_app().openapi()["info"]["version"] == gaia_redshift.__version__


def test_no_other_version_is_written_down() -> None:
    for part in ("app", "training"):
        assert tomllib.loads((ROOT / part / "pyproject.toml").read_text())["project"]["version"] == "0", part
    assert f"version {PROJECT['version']}, user" in OPERATE


@pytest.mark.parametrize(("part", "checkout_only"), [("app", set()), ("training", {"training.simulation.build"})])
def test_a_part_that_is_installed_has_all_its_packages(part: str, checkout_only: set[str]) -> None:
    installed = tomllib.loads((ROOT / part / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        path.parent.relative_to(ROOT)
        for path in (ROOT / part).rglob("*.py")
        if (ROOT / part / "build") not in path.parents
    }
    assert set(installed) == {".".join(folder.parts) for folder in folders} - checkout_only


def test_a_release_signs_what_it_publishes_and_looks_at_it() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    image = jobs["image"]
    assert image["permissions"]["id-token"] == image["permissions"]["attestations"] == "write"
    attested = [
        (step["uses"].partition("@")[0], step["with"]) for step in image["steps"] if "attest" in str(step.get("uses"))
    ]
    wheel = {"subject-path": "build/wheel/*.whl"}
    for action in ("actions/attest-build-provenance", "actions/attest-sbom"):
        digests = {given["subject-digest"] for name, given in attested if name == action and given != wheel}
        assert digests == {"${{ steps.publish.outputs.cpu }}", "${{ steps.publish.outputs.gpu }}"}
    assert all(given["push-to-registry"] is True for _, given in attested if given != wheel)
    assert ("actions/attest-build-provenance", wheel) in attested
    assert any("gh attestation verify" in line for line in runs(ROOT / ".github" / "workflows" / "release.yml"))


def test_newer_python_packages_are_proposed_too() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    kinds = {update["package-ecosystem"] for update in updates}
    assert kinds == {"github-actions", "docker", "docker-compose", "pip"}


def test_the_workflow_runs_what_ci_runs() -> None:
    commands = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make ")]
    assert commands
    assert set(commands) <= set(runs(ROOT / ".github" / "workflows" / "ci.yml"))


def test_the_workflow_covers_style_tests_container_documentation_and_audit() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert set(jobs) == {"lint", "test", "coverage", "docs", "wheel", "container", "audit"}


def test_the_wheel_is_tested_on_every_python_that_it_names() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert jobs["wheel"]["strategy"]["matrix"]["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_commit_and_every_target_exists(workflow: Path) -> None:
    text = workflow.read_text()
    used = re.findall(r"uses: (.*)", text)
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    wanted = {target for line in runs(workflow) for target in re.findall(r"\bmake ([\w-]+)", line)}
    assert wanted
    assert wanted <= targets
