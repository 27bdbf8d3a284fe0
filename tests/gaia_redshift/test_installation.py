import json
from pathlib import Path

import pytest

from gaia_redshift import installation


class Installed:
    """A distribution whose origin is known."""

    def __init__(self, url: str | None, *, editable: bool = False) -> None:
        self._about = (
            None if url is None else json.dumps({"url": url, "dir_info": {"editable": True} if editable else {}})
        )

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self._about


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (Installed("file:///home/me/gaia%20redshift", editable=True), "install -e '/home/me/gaia redshift[gpu]'"),
        (Installed("file:///tmp/gaia_redshift.whl"), "install '/tmp/gaia_redshift.whl[gpu]'"),
        (Installed(None), "install 'gaia-redshift[gpu]'"),
    ],
)  # fmt: skip
def test_advice_names_the_interpreter_and_where_the_library_came_from(
    monkeypatch: pytest.MonkeyPatch, origin: Installed, command: str
) -> None:
    monkeypatch.setattr(installation, "distribution", lambda _: origin)
    monkeypatch.setattr("sys.executable", "/opt/my env/bin/python")
    assert installation.how_to_install("gpu") == f"'/opt/my env/bin/python' -m pip {command}"


def test_advice_is_given_from_a_folder_that_was_never_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> None:
        raise installation.PackageNotFoundError

    monkeypatch.setattr(installation, "distribution", absent)
    assert installation.how_to_install("gpu").endswith("install 'gaia-redshift[gpu]'")
    assert Path(installation.how_to_install("gpu").split()[0]).is_absolute()
