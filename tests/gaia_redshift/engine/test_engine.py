import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from gaia_redshift import engine
from gaia_redshift.bundle import Bundle, seal
from gaia_redshift.engine import CPU_CHUNK, OnnxEngine, available_cores, choose_engine, chunks, cores, load_engine
from gaia_redshift.errors import InvalidBundleError, MissingDependencyError
from gaia_redshift.spectra import DR3, FloatArray
from tests.tiny import ANSWERS, SHIPPED, tiny_graph, tiny_redshift, write_tiny_bundle


@pytest.mark.parametrize("rows", [0, 1, CPU_CHUNK - 1, CPU_CHUNK, CPU_CHUNK + 1, 1000])
def test_onnx_answers_every_row_in_order_whatever_the_chunks(tmp_path: Path, make_flux, rows: int) -> None:  # noqa: ANN001
    run = OnnxEngine(Bundle(write_tiny_bundle(tmp_path / "tiny")), threads=1)
    flux = make_flux(rows)
    assert run(flux).values.shape == (rows, 5)
    assert run(flux).redshift == pytest.approx(tiny_redshift(flux), abs=1e-6)


@pytest.mark.parametrize("few", [0, 3, 64])
def test_onnx_answers_alike_with_one_thread_and_with_all(tmp_path: Path, make_flux, few: int) -> None:  # noqa: ANN001
    run = OnnxEngine(Bundle(write_tiny_bundle(tmp_path / "tiny")), threads=2)
    run.few = few
    for rows in (1, 3, 4, CPU_CHUNK + 2):
        flux = make_flux(rows)
        assert run(flux).redshift == pytest.approx(tiny_redshift(flux), abs=1e-6)


def test_only_what_is_quick_is_left_to_one_thread(tmp_path: Path) -> None:
    light, heavy = (Bundle(write_tiny_bundle(tmp_path / str(layers), layers=layers)) for layers in (0, 12))
    assert OnnxEngine(light, threads=2).few > 2 * OnnxEngine(heavy, threads=2).few
    assert OnnxEngine(light, threads=1).few == 0


def test_onnx_takes_a_view_that_is_not_contiguous(tmp_path: Path, make_flux) -> None:  # noqa: ANN001
    run = OnnxEngine(Bundle(write_tiny_bundle(tmp_path / "tiny")), threads=1)
    flux = make_flux(20)
    assert run(flux[::-2]).redshift == pytest.approx(tiny_redshift(flux)[::-2], abs=1e-6)


def test_a_graph_that_is_no_network_is_refused_by_name(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    manifest = Bundle(folder).manifest
    (folder / "model.onnx").write_bytes(b"rubbish")
    seal(folder, manifest)
    with pytest.raises(InvalidBundleError, match=r"tiny/model.onnx cannot be loaded"):
        load_engine(Bundle(folder), "onnx")


def test_auto_takes_keras_only_with_a_gpu_and_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda _name: object())
    monkeypatch.setattr(engine.Path, "exists", lambda path: str(path) == "/dev/nvidiactl")
    assert choose_engine("auto") == "keras"
    monkeypatch.setattr(engine, "find_spec", lambda _name: None)
    assert choose_engine("auto") == "onnx"
    monkeypatch.setattr(engine.Path, "exists", lambda _path: False)
    monkeypatch.setattr(engine, "find_spec", lambda _name: object())
    assert choose_engine("auto") == "onnx"
    assert choose_engine("keras") == "keras"


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "250000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "9900000 100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
    ],
)
def test_a_container_quota_of_either_cgroup_version_bounds_the_threads(
    monkeypatch: pytest.MonkeyPatch, files: dict[str, str], count: int
) -> None:
    def read(path: Path, encoding: str) -> str:
        name = str(path).removeprefix("/sys/fs/cgroup/")
        if name not in files:
            raise FileNotFoundError(path, encoding)
        return files[name] + "\n"

    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    monkeypatch.setattr(cores.Path, "read_text", read)
    assert available_cores() == count


def test_a_graph_of_another_shape_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = Bundle(write_tiny_bundle(tmp_path / "tiny"))
    monkeypatch.setattr(chunks, "COLUMNS", ("redshift", "another"))
    with pytest.raises(InvalidBundleError, match=r"redshift has shape \(1, 5\) for 1 spectra, not \(1, 2\)"):
        load_engine(bundle, "onnx")


@pytest.mark.parametrize(("density", "missing"), [(False, "input prior_index, priors"), (True, "input density, kind")])
def test_a_graph_that_takes_something_else_is_refused(tmp_path: Path, density: bool, missing: str) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny", density=True)
    manifest = Bundle(folder).manifest
    (folder / "model.onnx").write_bytes(
        ANSWERS["density"].read_bytes() if density else tiny_graph().SerializeToString()
    )
    seal(folder, manifest)
    with pytest.raises(InvalidBundleError, match=f"tiny/model.onnx is not the graph of a density model: {missing}"):
        load_engine(Bundle(folder), "onnx")


def test_a_graph_without_a_promised_output_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny", density=True)
    manifest, graph = Bundle(folder).manifest, tiny_graph(density=True)
    del graph.graph.output[[node.name for node in graph.graph.output].index("pdf")]
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    seal(folder, manifest)
    with pytest.raises(InvalidBundleError, match="is not the graph of a density model: output pdf"):
        load_engine(Bundle(folder), "onnx")


@pytest.mark.parametrize("rows", [0, 1, 2, 5, 16, 17, 40])
def test_a_graph_compiled_for_some_sizes_is_never_given_another_and_answers_only_what_was_asked(rows: int) -> None:
    given = []

    def run(flux: FloatArray, index: np.ndarray | None) -> list[np.ndarray]:
        assert index is not None
        given.append((len(flux), len(index)))
        return [flux[:, :5].astype(np.float64), index, flux[:, 5:8].astype(np.float64)]

    flux = np.arange(rows * DR3.samples, dtype=np.float32).reshape(rows, DR3.samples)
    index = np.arange(rows, dtype=np.int32)
    shapes = {"redshift": (5,), "quality": (), "pdf": (3,)}
    found = chunks.run_in_chunks(flux, index, 16, shapes, run, sizes=chunks.sizes_up_to(16))
    assert (found.values == flux[:, :5]).all()
    assert (found.flags == index).all()
    assert (found.pdf == flux[:, 5:8]).all()
    assert set(given) <= {(1, 1), (4, 4), (16, 16)}
    assert set(chunks.sizes_up_to(16)) == {1, 4, 16}


@pytest.mark.parametrize(
    ("rates", "fitting", "best"),
    [
        ({1: 10, 2: 20, 4: 40}, 4, 4),
        ({1: 10, 2: 20, 4: 40}, 2, 2),
        ({1: 10, 2: 10.5, 4: 10.9}, 4, 1),
        ({1: 10, 2: 20, 4: 21}, 4, 2),
        ({1: 10, 2: 9, 4: 20}, 4, 4),
    ],
)
def test_the_chunk_is_the_smallest_that_is_about_as_fast_as_any_that_fits(
    rates: dict[int, float], fitting: int, best: int
) -> None:
    def seconds(rows: int) -> float:
        if rows > fitting:
            raise MemoryError
        return rows / rates[rows]

    assert chunks.choose_chunk(seconds, (1, 2, 4)) == best


def test_a_card_that_holds_no_chunk_at_all_says_so() -> None:
    def seconds(_rows: int) -> float:
        raise MemoryError("256 spectra do not fit")

    with pytest.raises(MemoryError, match="256 spectra"):
        chunks.choose_chunk(seconds, (1, 2))


_PREDICT = """
import sys
import numpy as np
from pathlib import Path
from gaia_redshift.bundle import Bundle
from gaia_redshift.engine import load_engine
engine = load_engine(Bundle(Path(sys.argv[1])), "keras")
flux = np.random.default_rng(1).uniform(0.1, 9, (150, 186)).astype(np.float32)
onnx = load_engine(Bundle(Path(sys.argv[1])), "onnx")
print(sorted(name for name in ("jax", "tensorflow") if name in sys.modules))
print(engine.name, *(float(np.abs(engine(flux[:rows]).values - onnx(flux[:rows]).values).max()) for rows in (150, 3)))
"""


@pytest.mark.skipif(not find_spec("jax"), reason="needs JAX, which no lock file has")
def test_keras_runs_on_jax_without_tensorflow_and_agrees_with_onnx() -> None:
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-c", _PREDICT, str(SHIPPED / "dissertation-cnn")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
    loaded, numbers = done.stdout.splitlines()
    name, *apart = numbers.split()
    assert (loaded, name) == ("['jax']", "keras")
    assert max(map(float, apart)) <= 5e-6


def test_a_backend_that_is_not_there_is_named_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "none_such")
    with pytest.raises(MissingDependencyError, match="needs TensorFlow or JAX"):
        load_engine(Bundle(write_tiny_bundle(tmp_path / "tiny")), "keras")


def test_output_that_was_held_back_is_printed_after_a_failure() -> None:
    program = (
        "import os, gaia_redshift.engine.quiet as quiet\n"
        "with quiet._unheard():\n    os.write(2, b'the reason')\n    raise SystemExit(3)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "the reason")
