"""Traces the answer behind the tiny networks, so that only this needs TensorFlow: ``python -m tests.tiny_answers``."""

from typing import Any

import onnx
import tensorflow as tf

from tests.tiny import ANSWERS, BIN_EDGES, KINDS, tiny_calibration, tiny_manifest
from training.release.convert import describe, inputs_of, make_answer, trace


def tiny_answer(*, density: bool) -> onnx.ModelProto:
    """Return the answer as a graph of fluxes, the tiny network's output, and priors."""
    manifest, calibration = tiny_manifest(density=density), tiny_calibration(density=density)
    answer = make_answer(manifest, calibration)
    flux, *priors = inputs_of(manifest)
    widths = {"density": len(BIN_EDGES) - 1, "kind": len(KINDS)} if density else {"point": 1}
    outputs = [tf.TensorSpec((None, width), tf.float32, name=name) for name, width in widths.items()]

    def graph(flux: Any, *inputs: Any) -> Any:
        if density:
            return answer(flux, {"density": inputs[0], "kind": inputs[1]}, *inputs[2:])
        return answer(flux, {"redshift": inputs[0]})

    return describe(trace(graph, [flux, *outputs, *priors]), manifest, calibration)


if __name__ == "__main__":
    for kind, path in ANSWERS.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(tiny_answer(density=kind == "density").SerializeToString())
