from pathlib import Path

import pytest

from app import engine
from app.bundle import Bundle, seal
from app.engine import CPU_CHUNK, OnnxEngine, available_cores, choose_engine, load_engine
from app.errors import InvalidBundleError
from tests.tiny import tiny_redshift, write_tiny_bundle


@pytest.mark.parametrize("rows", [0, 1, CPU_CHUNK - 1, CPU_CHUNK, CPU_CHUNK + 1, 1000])
def test_onnx_answers_every_row_in_order_whatever_the_chunks(tmp_path: Path, make_flux, rows: int) -> None:  # noqa: ANN001
    run = OnnxEngine(Bundle(write_tiny_bundle(tmp_path / "tiny")), threads=1)
    flux = make_flux(rows)
    assert run(flux).shape == (rows, 1)
    assert run(flux)[:, 0] == pytest.approx(tiny_redshift(flux), abs=1e-6)


def test_onnx_takes_a_view_that_is_not_contiguous(tmp_path: Path, make_flux) -> None:  # noqa: ANN001
    run = OnnxEngine(Bundle(write_tiny_bundle(tmp_path / "tiny")), threads=1)
    flux = make_flux(20)
    assert run(flux[::-2])[:, 0] == pytest.approx(tiny_redshift(flux)[::-2], abs=1e-6)


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
    ("files", "cores"),
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
    monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: int
) -> None:
    def read(path: Path, encoding: str) -> str:
        name = str(path).removeprefix("/sys/fs/cgroup/")
        if name not in files:
            raise FileNotFoundError(path, encoding)
        return files[name] + "\n"

    monkeypatch.setattr(engine.os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    monkeypatch.setattr(engine.Path, "read_text", read)
    assert available_cores() == cores


def test_a_network_of_another_shape_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = Bundle(write_tiny_bundle(tmp_path / "tiny"))
    monkeypatch.setattr(Bundle, "output_widths", {"redshift": 2})
    with pytest.raises(InvalidBundleError, match=r"redshift has shape \(1,\) for 1 spectra, not \(1, 2\)"):
        load_engine(bundle, "onnx")


def test_a_network_without_a_promised_output_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = Bundle(write_tiny_bundle(tmp_path / "tiny"))
    monkeypatch.setattr(Bundle, "output_widths", {"density": 2, "kind": 3})
    with pytest.raises(InvalidBundleError, match="no output density, kind, which a point model needs"):
        load_engine(bundle, "onnx")
