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
    ("name", "editable", "command"),
    [
        ("gaia redshift", True, "install -e '{origin}[gpu]'"),
        ("gaia_redshift.whl", False, "install '{origin}[gpu]'"),
        (None, False, "install 'gaia-redshift[gpu]'"),
    ],
)  # fmt: skip
def test_advice_names_the_interpreter_and_where_the_library_came_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str | None, editable: bool, command: str
) -> None:
    origin = tmp_path / (name or "")
    origin.touch()
    installed = Installed(origin.as_uri() if name else None, editable=editable)
    monkeypatch.setattr(installation, "distribution", lambda _: installed)
    monkeypatch.setattr("sys.executable", "/opt/my env/bin/python")
    expected = f"'/opt/my env/bin/python' -m pip {command.format(origin=origin)}"
    assert installation.how_to_install("gpu") == expected


def test_advice_names_no_wheel_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "distribution", lambda _: Installed("file:///project/gaia_redshift.whl"))
    assert installation.how_to_install("gpu").endswith("install 'gaia-redshift[gpu]'")
    assert installation.checkout() == "a checkout of gaia-redshift"


def test_advice_where_there_is_no_pip_calls_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda _: None)
    monkeypatch.setattr("sys.prefix", "/opt/gaia-redshift")
    advice = installation.how_to_install("gpu")
    assert "[gpu]' to /opt/gaia-redshift, which has no pip, or use the container image" in advice


def test_the_checkout_is_the_folder_it_was_installed_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installation, "distribution", lambda _: Installed(tmp_path.as_uri()))
    assert installation.checkout() == str(tmp_path)


def test_advice_is_given_from_a_folder_that_was_never_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> None:
        raise installation.PackageNotFoundError

    monkeypatch.setattr(installation, "distribution", absent)
    assert installation.how_to_install("gpu").endswith("install 'gaia-redshift[gpu]'")
    assert Path(installation.how_to_install("gpu").split()[0]).is_absolute()
