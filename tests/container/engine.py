"""Docker or podman, whichever is here: what the container test asks of them."""

import json
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROJECT = "gaia-redshift-container-test"
"""Compose's project name: nothing that an operator runs has it, so the test stops only its own containers."""


class MissingEngineError(RuntimeError):
    """No container engine answers."""


def _call(
    command: Sequence[str], *, check: bool = True, env: Mapping[str, str] | None = None, show: bool = False
) -> str:
    """Run a command and return its standard output; a failure shows everything it printed."""
    environment = {**os.environ, **(env or {})}
    output = None if show else subprocess.PIPE
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, stdout=output, stderr=output, check=False)
    if check and done.returncode:
        printed = f"{done.stdout or ''}{done.stderr or ''}"
        raise RuntimeError(f"{shlex.join(command)} ended with {done.returncode}\n{printed}")
    return done.stdout or ""


def _answers(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _find_engine() -> str:
    """Return the first engine that answers; a docker command without its daemon does not count."""
    wanted = os.environ.get("CONTAINER_ENGINE")
    for engine in (wanted,) if wanted else ("docker", "podman"):
        if _answers(engine, "info"):
            return engine
    raise MissingEngineError(f"{wanted or 'neither docker nor podman'} answers: start or install one of them")


def _find_compose(engine: str) -> list[str]:
    """Return the compose command that belongs to an engine."""
    wanted = os.environ.get("CONTAINER_COMPOSE")
    candidates = [shlex.split(wanted)] if wanted else [["docker", "compose"], ["docker-compose"]]
    if engine == "podman" and not wanted:
        candidates = [["podman-compose"], ["podman", "compose"]]
    for command in candidates:
        if _answers(*command, "version"):
            return command
    raise MissingEngineError(f"no compose command answers for {engine}: set CONTAINER_COMPOSE")


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Engine:
    """The engine and its compose command."""

    name: str = field(default_factory=_find_engine)
    compose_command: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.compose_command = _find_compose(self.name)

    def describe(self) -> str:
        """Return the versions in one line."""
        compose = _call([*self.compose_command, "version"]).strip().splitlines()
        line = next((line for line in compose if "compose" in line.lower()), compose[0])
        return f"{_call([self.name, '--version']).strip()}; {line.strip()}"

    def build(self, target: str, tag: str) -> None:
        """Build one target of the Dockerfile; its output is shown, since it may take minutes."""
        options = shlex.split(os.environ.get("CONTAINER_BUILD_OPTIONS", ""))
        _call([self.name, "build", *options, "--target", target, "-t", tag, "."], show=True)

    def python(self, image: str, code: str, *options: str) -> str:
        """Run Python code in a new container of an image, without network and rights; return what it prints."""
        safe = ("--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", "--entrypoint", "python3", *options)
        return _call([self.name, "run", *safe, image, "-c", code]).strip()

    def image(self, tag: str) -> dict[str, Any]:
        """Return what the engine knows about an image."""
        found: dict[str, Any] = json.loads(_call([self.name, "image", "inspect", tag]))[0]
        return found

    def compose(self, *arguments: str, env: Mapping[str, str] | None = None, project: str = PROJECT) -> str:
        """Run the compose command on the project's file, under the test's own name."""
        return _call([*self.compose_command, "-p", project, *arguments], env=env)

    def remove_network(self, name: str) -> None:
        """Remove a network if there is one: podman-compose before 1.1 leaves it when it takes services down."""
        _call([self.name, "network", "rm", name], check=False)

    def container(self, service: str, project: str = PROJECT) -> "Container":
        """Return the container of a service that compose has made."""
        label = "label=com.docker.compose"
        filters = ["--filter", f"{label}.project={project}", "--filter", f"{label}.service={service}"]
        (identifier,) = _call([self.name, "ps", "--all", "--quiet", *filters]).split()
        return Container(self.name, identifier)


@dataclass(frozen=True)
class Container:
    """One container."""

    engine: str
    identifier: str

    def python(self, code: str, env: Mapping[str, str] | None = None) -> str:
        """Run Python code in the container; return what it prints."""
        return self.run(["python3", "-c", code], env)

    def run(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> str:
        """Run a command in the container; return what it prints, failures included."""
        given = [option for name, value in (env or {}).items() for option in ("-e", f"{name}={value}")]
        done = subprocess.run(
            [self.engine, "exec", *given, self.identifier, *command], text=True, capture_output=True, check=False
        )
        return f"{done.stdout.strip()}{f' exit {done.returncode}' if done.returncode else ''}"

    def inspect(self) -> dict[str, Any]:
        """Return what the engine knows about the container."""
        found: dict[str, Any] = json.loads(_call([self.engine, "inspect", self.identifier]))[0]
        return found

    def address(self) -> str:
        """Return its address in the only network it has."""
        (network,) = self.inspect()["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    def health(self, patience_s: float = 60) -> str:
        """Return the health status; podman without systemd has no timer, so there the check is run by hand."""
        end = time.monotonic() + patience_s
        while True:
            if self.engine == "podman":
                _call(["podman", "healthcheck", "run", self.identifier], check=False)
            state = self.inspect()["State"]
            status = str((state.get("Health") or state["Healthcheck"])["Status"])
            if status == "healthy" or time.monotonic() > end:
                return status
            time.sleep(0.5)

    def logs(self) -> list[str]:
        """Return every line the container has written."""
        done = subprocess.run([self.engine, "logs", self.identifier], text=True, capture_output=True, check=True)
        return [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]

    def stop(self, seconds: int) -> None:
        """Send SIGTERM, and SIGKILL after so many seconds."""
        _call([self.engine, "stop", "-t", str(seconds), self.identifier])

    def start(self) -> None:
        """Start a stopped container again."""
        _call([self.engine, "start", self.identifier])

    def started_at(self) -> float:
        """Return when the container's process was started, in seconds since 1970."""
        text = str(self.inspect()["State"]["StartedAt"])
        # Nanoseconds are more than `fromisoformat` reads.
        whole, _, rest = text.partition(".")
        fraction = rest[: len(rest) - len(rest.lstrip("0123456789"))][:6]
        zone = rest.lstrip("0123456789") or "Z"
        return datetime.fromisoformat(f"{whole.removesuffix('Z')}.{fraction or '0'}{zone}").timestamp()
