"""``make docs``: the documentation as a site in ``app/guide``, where the service finds it.

The pages are staged (`stage`), those made from the code added (`generated`), built by Sphinx with warnings as errors,
and made to work under the service's content policy (`strict`).
"""

import shutil
import sys
from pathlib import Path

import generated
import stage
import strict
from sphinx.cmd.build import main as sphinx

HERE = Path(__file__).parent
WORK = stage.ROOT / "build" / "guide"
SITE = stage.ROOT / "app" / "guide"


def build() -> int:
    """Build the site; return Sphinx's exit code."""
    source, made = WORK / "source", WORK / "html"
    stage.stage(source, generated.pages())
    shutil.rmtree(made, ignore_errors=True)
    options = ["-q", "-b", "html", "--fail-on-warning", "-c", str(HERE), "-d", str(WORK / "doctrees")]
    code = sphinx([*options, str(source), str(made)])
    if code:
        return code
    strict.harden(made)
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.move(made, SITE)
    pages = sum(1 for _ in SITE.rglob("*.html"))
    print(f"{pages} pages in {SITE}; the service shows them at /guide", file=sys.stderr)  # noqa: T201 - a script
    return 0


if __name__ == "__main__":
    sys.exit(build())
