"""What the images hold and do not hold."""

import json

from tests.container.engine import Engine
from tests.container.report import expect

SIZE_LIMIT_MB = {"cpu": 600, "gpu": 10_000}
"""Unpacked, beyond the base. CUDA's libraries alone are several gigabytes."""

LABELS = ("title", "description", "licenses", "version", "revision")

_SIZE = """
import os
total, seen = 0, set()
device = os.lstat("/").st_dev
for folder, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if os.lstat(os.path.join(folder, name)).st_dev == device]
    for name in names:
        status = os.lstat(os.path.join(folder, name))
        if status.st_dev == device and status.st_ino not in seen:
            seen.add(status.st_ino)
            total += status.st_size
print(total)
"""

_CONTENTS = """
import importlib.util, json, os, shutil
packages = ("tensorflow", "onnxruntime", "setuptools", "pip", "training", "app", "gaia_redshift")
print(json.dumps({
    "packages": [name for name in packages if importlib.util.find_spec(name)],
    "programs": [name for name in ("gcc", "cc", "g++", "clang", "make", "ld", "curl") if shutil.which(name)],
    "left": [path for path in ("~root/.cache", "/.cache", "/wheels", "/project", "/build")
             if os.path.exists(os.path.expanduser(path))],
    "uid": os.getuid(), "gid": os.getgid(), "models": sorted(os.listdir("/models")),
    "model_owners": sorted({os.stat(os.path.join("/models", name)).st_uid for name in os.listdir("/models")}),
}))
"""


def size(engine: Engine, tag: str, base: str, target: str) -> str:
    """Compare the files of the image with those of its base, as they lie on the disk, not as they are packed."""
    beyond = (int(engine.python(tag, _SIZE)) - int(engine.python(base, _SIZE))) / 1e6
    limit = SIZE_LIMIT_MB[target]
    expect(beyond <= limit, f"{beyond:.0f} MB beyond the base, more than {limit}")
    return f"{beyond:.0f} MB beyond the base (at most {limit})"


def contents(engine: Engine, tag: str, target: str) -> str:
    """Look for what serving does not need."""
    found = json.loads(engine.python(tag, _CONTENTS))
    # TensorFlow asks for setuptools; the CPU image has no use for it.
    runtimes = ["onnxruntime"] if target == "cpu" else ["tensorflow", "onnxruntime", "setuptools"]
    needed = [*runtimes, "app", "gaia_redshift"]
    expect(found["packages"] == needed, f"packages {found['packages']}, not {needed}")
    expect(not found["programs"], f"programs {found['programs']}")
    expect(not found["left"], f"left from the build: {found['left']}")
    expect(found["uid"] == found["gid"] == 10001, f"uid {found['uid']}, gid {found['gid']}")
    expect(10001 not in found["model_owners"], "the service owns its models and could change them")
    return f"packages {', '.join(needed)}; no compiler, no cache, no training; models {', '.join(found['models'])}"


_LIBRARY = """
import json, os, subprocess
import gaia_redshift, numpy as np
done = {name: subprocess.run(["gaia-redshift", *name.split()], capture_output=True, text=True)
        for name in ("models", "train --epochs 1", "predict - -o - --engine keras")}
flux = np.random.default_rng(1).uniform(0.1, 5, (2, 186))
print(json.dumps({
    "version": gaia_redshift.__version__, "status": gaia_redshift.predict(flux)["status"].tolist(),
    "models": os.path.realpath(os.path.join(os.path.dirname(gaia_redshift.__file__), "models")),
    "codes": [one.returncode for one in done.values()], "errors": [one.stderr for one in done.values()],
}))
"""


def library(engine: Engine, tag: str) -> str:
    """Predict in the image without the service, and try what it does not hold."""
    found = json.loads(engine.python(tag, _LIBRARY))
    expect(found["models"] == "/models", f"the library's models are those of {found['models']}")
    expect(found["status"] == ["ok", "ok"], f"predict: {found['status']}")
    expect(found["codes"] == [0, 2, 2], f"exit codes {found['codes']}: {found['errors']}")
    _, train, keras = found["errors"]
    expect("not part of this installation: `make workshop`" in train, f"train: {train}")
    expect("which has no pip, or use the container image" in keras, f"--engine keras: {keras}")
    return f"version {found['version']} predicts; train and --engine keras say how to get them"


def description(engine: Engine, tag: str) -> str:
    """Look at the labels, the user and the health check of the image."""
    found = engine.image(tag)
    config = found["Config"]
    labels = config.get("Labels") or {}
    missing = [name for name in LABELS if not labels.get(f"org.opencontainers.image.{name}")]
    expect(not missing, f"labels missing: {missing}")
    expect(config["User"] == "10001:10001", f"user {config['User']!r}")
    check = found.get("HealthCheck") or found.get("Healthcheck") or config.get("Healthcheck") or {}
    expect(check.get("Test") == ["CMD", "healthcheck"], f"health check {check}")
    return f"version {labels['org.opencontainers.image.version']}, user {config['User']}, health check"
