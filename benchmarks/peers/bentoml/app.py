"""BentoML: one worker, adaptive batching."""

import bentoml
import numpy as np
from network import Network


@bentoml.service(workers=1, traffic={"timeout": 60})
class Redshift:
    """One batchable method."""

    def __init__(self) -> None:
        self.network = Network()

    @bentoml.api(batchable=True, max_batch_size=256, max_latency_ms=1000)
    def predict(self, spectra: np.ndarray) -> np.ndarray:
        """Run the network."""
        return self.network(np.asarray(spectra, np.float32))
