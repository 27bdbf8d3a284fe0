"""Every setting of the service, read from the environment: ``GAIA_REDSHIFT_PORT=9000 gaia-redshift serve``."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

SHIPPED_MODELS = Path(__file__).parent.parent / "models"


class Settings(BaseSettings):
    """The service's settings; each has the prefix ``GAIA_REDSHIFT_`` in the environment."""

    model_config = SettingsConfigDict(env_prefix="GAIA_REDSHIFT_", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", title="Address to listen on; 0.0.0.0 for every interface")
    port: int = Field(8000, ge=0, le=65535, title="Port to listen on; 0 picks a free one")
    models: Path = Field(SHIPPED_MODELS, title="Folder that holds the model bundles, one folder each")
    default_model: str = Field("dissertation-cnn", title="The bundle used when a request names none")
    engine: Literal["auto", "onnx", "keras"] = Field(
        "auto", title="What runs the network: ONNX Runtime, Keras, or Keras where there is an NVIDIA GPU"
    )
    threads: int | None = Field(
        None, ge=1, le=1024, title="Threads of the network; unset means the cores this process may use"
    )
    max_body_bytes: int = Field(256 * 2**20, ge=1, title="Largest request body in bytes")
    max_spectra: int = Field(10_000, ge=1, le=100_000, title="Most spectra in one JSON request")
    max_rows: int = Field(1_000_000, ge=1, title="Most rows in one uploaded table")
    max_queued_rows: int = Field(1_100_000, ge=1, title="Most spectra waiting for the network, all requests")
