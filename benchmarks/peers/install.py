"""Make the peers' environments, one each: python benchmarks/peers/install.py [NAME ...].

They need about 6 GB and a few minutes, and go into ``runs/peers``; ``requirements.txt`` beside each application names
every version. `benchmarks/server.py` measures those that are there.
"""

import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parent
ENVIRONMENTS = PEERS.parents[1] / "runs" / "peers"


def main() -> None:
    """Install the peers that are named, or all."""
    names = sys.argv[1:] or sorted(path.parent.name for path in PEERS.glob("*/requirements.txt"))
    for name in names:
        environment = ENVIRONMENTS / name
        print(f"{name} -> {environment}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        pip = [environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, "--requirement", PEERS / name / "requirements.txt"], check=True)


if __name__ == "__main__":
    main()
