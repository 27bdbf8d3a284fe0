"""A wheel of this checkout, and an environment to install it into."""

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("pyproject.toml", "setup.py", "LICENSE", "README.md", "gaia_redshift", "models")
"""What the wheel is made of."""

LEFT_BEHIND = ("app", "training", "gaia_redshift/formats")
"""Packages of an earlier build."""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


def call(*command: str | Path, folder: Path = ROOT) -> Done:
    """Run a command without the caller's Python path and settings."""
    private = ("PYTHON", "GAIA_REDSHIFT_", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(private)}
    done = subprocess.run(list(map(str, command)), cwd=folder, env=env, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def demand(*command: str | Path) -> str:
    """Run a command that may not fail; return what it prints."""
    done = call(*command)
    if done.code:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.code}\n{done.out}{done.err}")
    return done.out


@dataclass(frozen=True)
class Environment:
    """An environment without pip, and the folder of a user whose own application is called app.py."""

    prefix: Path
    folder: Path
    pip: tuple[str | Path, ...] = field(init=False)
    """pip for this environment, by an interpreter that has it."""

    def __post_init__(self) -> None:
        venv.create(self.prefix, symlinks=True)
        self.folder.mkdir()
        (self.folder / "app.py").write_text('OWNER = "the user"\n')
        shutil.copy(ROOT / "gaia_redshift" / "data" / "example_galaxies.csv", self.folder / "galaxies.csv")
        object.__setattr__(self, "pip", (sys.executable, "-m", "pip", "--python", self.prefix / "bin" / "python"))

    @property
    def site_packages(self) -> Path:
        """Where packages are installed."""
        (found,) = self.prefix.glob("lib/python*/site-packages")
        return found

    def run(self, program: str, *arguments: str) -> Done:
        """Run a program of this environment in the user's folder."""
        return call(self.prefix / "bin" / program, *arguments, folder=self.folder)


def build_wheel(folder: Path, python: str | Path) -> Path:
    """Return a wheel made by an interpreter that has setuptools.

    It is made from a copy in which an earlier version was built, with packages that are no longer part of the wheel.
    """
    copy = folder / "sources"
    for name in LEFT_BEHIND:
        (copy / "build" / "lib" / name).mkdir(parents=True)
        (copy / "build" / "lib" / name / "__init__.py").touch()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, copy)
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder)
    demand(python, "-m", "pip", "wheel", *options, copy)
    (wheel,) = folder.glob("*.whl")
    return wheel


def megabytes(folder: Path) -> float:
    """Return the size of a folder's files."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6
