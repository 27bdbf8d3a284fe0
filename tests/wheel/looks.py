"""What is looked at in a wheel and where it is installed; each look raises AssertionError or says what it saw."""

import csv
import json
import re
import tomllib
from pathlib import Path
from zipfile import ZipFile

from tests.container.report import expect
from tests.wheel.environment import ROOT, Environment

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMANDS = "gaia_redshift.commands"
SHIPPED = sorted(path.parent.name for path in (ROOT / "models").glob("*/manifest.json"))
ELSEWHERE = {
    part: tuple(tomllib.loads((ROOT / part / "pyproject.toml").read_text())["project"]["entry-points"][COMMANDS])
    for part in ("app", "training")
}
"""The commands of the other parts."""

FOREIGN = {"fastapi", "joblib", "keras", "scikit-learn", "starlette", "tensorflow", "uvicorn"}
"""What a library has no business to install."""


def _shown() -> list[float]:
    """Return the redshifts that the README shows for the example's galaxies."""
    table = re.search(r"^redshift,.*?(?=^```)", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    return [float(row["redshift"]) for row in csv.DictReader(table.group().splitlines())] if table else []


def _agree(found: list[float]) -> str:
    shown = _shown()
    expect(len(found) == len(shown), f"{len(found)} redshifts, {len(shown)} in the README")
    apart = max(abs(one - other) for one, other in zip(found, shown, strict=True))
    expect(apart < 5e-6, f"redshifts {found}, not {shown}")
    return f"the README's {len(found)} redshifts to {apart:.0e}"


def contents(wheel: Path) -> str:
    """Look for every module and every file of a model, and for nothing else."""
    names = ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names}
    information = f"gaia_redshift-{PROJECT['version']}.dist-info"
    expect(top == {"gaia_redshift", information}, f"top level {sorted(top)}")
    held = {name for name in names if not name.startswith(information)}
    library = {str(path.relative_to(ROOT)) for path in (ROOT / "gaia_redshift").rglob("*") if path.is_file()}
    models = {f"gaia_redshift/{path.relative_to(ROOT)}" for path in (ROOT / "models").glob("*/*") if path.is_file()}
    wanted = {name for name in library | models if "__pycache__" not in name}
    expect(held == wanted, f"missing {sorted(wanted - held)}, too much {sorted(held - wanted)}")
    return f"{len(names)} files, {wheel.stat().st_size / 1e6:.1f} MB, {len(SHIPPED)} models"


def dependencies(environment: Environment) -> str:
    """Look at what was installed beside the library."""
    code = "import importlib.metadata as m; print(*(d.metadata['Name'].lower() for d in m.distributions()))"
    names = set(environment.run("python", "-c", code).out.split())
    expect("gaia-redshift" in names, f"installed: {sorted(names)}")
    expect(not names & FOREIGN, f"too much: {sorted(names & FOREIGN)}")
    return f"{len(names) - 1} distributions"


_IMPORT = """
import json, app, gaia_redshift, numpy as np
table = np.loadtxt("galaxies.csv", delimiter=",", skiprows=1)
answer = gaia_redshift.predict(table[:, 1:])
gaia_redshift.Client("http://127.0.0.1:8000").close()
print(json.dumps({
    "owner": app.OWNER, "file": gaia_redshift.__file__, "version": gaia_redshift.__version__,
    "redshifts": answer["redshift"].tolist(),
}))
"""


def library(environment: Environment) -> str:
    """Predict from Python, beside the user's own module `app`."""
    done = environment.run("python", "-c", _IMPORT)
    expect(done.code == 0, done.err)
    found = json.loads(done.out)
    expect(found["owner"] == "the user", "the user's own app.py is hidden")
    expect(found["file"].startswith(str(environment.prefix)), f"another library: {found['file']}")
    expect(found["version"] == PROJECT["version"], f"version {found['version']}")
    return f"version {found['version']}; {_agree(found['redshifts'])}"


def models(environment: Environment) -> str:
    """List the models that ship."""
    done = environment.run("gaia-redshift", "models")
    expect(done.code == 0, f"{done.out}{done.err}")
    names = sorted(line.split()[0] for line in done.out.splitlines())
    expect(names == SHIPPED, f"models {names}, not {SHIPPED}")
    return ", ".join(names)


def predict(environment: Environment) -> str:
    """Predict a table by the command, and by the module where a shell does not find the command."""
    seen = ""
    for start in (("gaia-redshift",), ("python", "-m", "gaia_redshift")):
        done = environment.run(*start, "predict", "galaxies.csv", "-o", "redshifts.csv")
        expect(done.code == 0, f"{' '.join(start)}: {done.err}")
        with (environment.folder / "redshifts.csv").open(newline="") as file:
            seen = _agree([float(row["redshift"]) for row in csv.DictReader(file)])
    return seen


def hints(environment: Environment) -> str:
    """Try what is not installed: it is one line that says how to get it, and help tells those commands apart."""
    for part, hint in (("app", "`make serve`"), ("training", "`make workshop`")):
        name = ELSEWHERE[part][0]
        done = environment.run("gaia-redshift", name, "--port", "9000")
        expect((done.code, done.err.count("\n")) == (2, 1), f"{name}: {done.code} {done.out}{done.err}")
        said = f"error: the command {name} is not part of this installation: {hint} "
        expect(done.err.startswith(said), f"{name}: {done.err}")
    lines = environment.run("gaia-redshift", "--help").out.splitlines()
    listed = {line.split()[0] for line in lines if line.endswith("(not part of this installation)")}
    elsewhere = {name for names in ELSEWHERE.values() for name in names}
    expect(listed == elsewhere, f"help lists {sorted(listed)} as not installed, not {sorted(elsewhere)}")
    done = environment.run("gaia-redshift", "predict", "galaxies.csv", "-o", "redshifts.csv", "--engine", "keras")
    expect((done.code, done.err.count("\n")) == (2, 1), f"--engine keras: {done.code} {done.err}")
    expect("[gpu]" in done.err, f"--engine keras: {done.err}")
    return f"{', '.join(sorted(elsewhere))}"
