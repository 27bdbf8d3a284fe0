"""A search by a chief and two workers in processes of their own: what one process does alone, spread out."""

import csv
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow.csv
import pytest

from gaia_redshift.errors import InvalidInputError
from tests.reliability.service import free_port
from tests.training.conftest import KERAS_WARNS, csv_table, galaxies, gathered, runner
from training.commands.tune import tune
from training.data.dataset import read
from training.recipes.cnn import CnnRecipe
from training.trainer import search, space

pytestmark = [
    pytest.mark.filterwarnings(KERAS_WARNS),
    pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning"),  # keras-tuner 1.4.8
]

TRIALS = 4

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from types import SimpleNamespace
from keras_tuner.src.distribute import oracle_chief
from training.commands import tune
from training.trainer import search, space
space.FILTERS, space.UNITS = (2, 4), (4, 8)
oracle_chief.time = SimpleNamespace(sleep=lambda seconds: time.sleep(min(seconds, 0.2)))  # it looks every 20 s
data, output, deadly = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "deadly"
own = os.environ["KERASTUNER_TUNER_ID"]
fit = search.fit
def together(material, recipe, folder):
    (output / f"began-{own}").touch()
    while len(list(output.glob("began-*"))) < 2:  # so that each has a trial
        time.sleep(0.05)
    with (output / "who.txt").open("a") as file:
        file.write(f"{own} {folder.name}\\n")
    made = fit(material, recipe, folder)
    if deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return made
search.fit = together
tune.tune(data, output, trials=int(sys.argv[4]), epochs=1, batch_size=32)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "galaxies.csv"
    pyarrow.csv.write_csv(csv_table(*galaxies(150)), path)
    return path


@contextmanager
def process(data: Path, output: Path, name: str, port: int, *, deadly: bool = False) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ, "KERASTUNER_TUNER_ID": name, "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port), "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1",
    }  # fmt: skip
    words = [sys.executable, "-c", PROGRAM, str(data), str(output), "deadly" if deadly else "", str(TRIALS)]
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def table(folder: Path) -> dict[str, float]:
    with (folder / "trials.csv").open(newline="", encoding="utf-8") as file:
        return {row["trial"]: float(row["validation_mae"]) for row in csv.DictReader(file)}


@pytest.mark.skipif("GAIA_REDSHIFT_MOMENTS" not in os.environ, reason="takes a minute: make cluster-test")
def test_a_chief_and_two_workers_search_together_though_one_is_killed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, port = tmp_path / "tune", free_port()
    with ExitStack() as held:
        chief, first, second = (
            held.enter_context(process(data, folder, name, port, deadly=name == "second"))
            for name in ("chief", "first", "second")
        )
        said = second.communicate()[0]
        assert second.returncode == -9, said
        again = held.enter_context(process(data, folder, "second", port))
        for one in (first, again, chief):
            said = one.communicate()[0]
            assert one.returncode == 0, said
            assert ("the chief writes the table" in said) == (one is not chief)
    found = table(folder)
    assert sorted(found) == [str(number) for number in range(TRIALS)]
    for trial, score in found.items():
        with (folder / "runs" / f"trial-{trial}" / "history.csv").open(newline="", encoding="utf-8") as file:
            (epoch,) = csv.DictReader(file)
        assert float(epoch["val_mean_absolute_error"]) == pytest.approx(score, abs=1e-5)
    trained = [line.split() for line in (folder / "who.txt").read_text().splitlines()]
    assert {name for name, _ in trained} == {"first", "second"}
    assert len({trial for _, trial in trained}) == TRIALS
    assert len(trained) == TRIALS + 1  # the killed one's was finished by its successor

    monkeypatch.setattr(space, "FILTERS", (2, 4))
    monkeypatch.setattr(space, "UNITS", (4, 8))
    runner(tune)(data, "-o", folder, "--epochs", "1", "--batch-size", "32", "--trials", str(TRIALS + 1))
    assert found.items() < table(folder).items(), "one process alone goes on with it"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"TUNER_ID": "chief"}, "needs all of keras-tuner's variables"),
        ({"TUNER_ID": "chief", "ORACLE_IP": "127.0.0.1", "ORACLE_PORT": "http"}, "KERASTUNER_ORACLE_PORT is http"),
    ],
)
def test_incomplete_variables_are_refused(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"KERASTUNER_{name}", value)
    with pytest.raises(InvalidInputError, match=message):
        search.find_role()


def a_search(data: Path, folder: Path, name: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"TUNER_ID": name, "ORACLE_IP": "127.0.0.1", "ORACLE_PORT": str(port)}
    for variable, value in variables.items():
        monkeypatch.setenv(f"KERASTUNER_{variable}", value)
    search.search(gathered(read(data)), CnnRecipe(epochs=1), folder, 1)


def test_a_worker_without_a_chief_says_so(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from keras_tuner.src.distribute import oracle_client

    monkeypatch.setattr(oracle_client, "TIMEOUT", 0.5)
    with pytest.raises(InvalidInputError, match=r"no chief answers at 127.0.0.1:\d+"):
        a_search(data, tmp_path / "tune", "first", free_port(), monkeypatch)


def test_a_chief_whose_port_is_taken_says_so(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidInputError, match="the chief cannot listen at"):
            a_search(data, tmp_path / "tune", "chief", port, monkeypatch)
