"""Every setting of the service, read from the environment: ``GAIA_REDSHIFT_PORT=9000 gaia-redshift serve``."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from gaia_redshift.bundle import SHIPPED_MODELS

Version = Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
KeyHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Settings(BaseSettings):
    """The service's settings; each has the prefix ``GAIA_REDSHIFT_`` in the environment."""

    model_config = SettingsConfigDict(env_prefix="GAIA_REDSHIFT_", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", title="Address to listen on; 0.0.0.0 for every interface")
    port: int = Field(8000, ge=0, le=65535, title="Port to listen on; 0 picks a free one")
    workers: int = Field(1, ge=1, le=256, title="Processes that serve; a crashed one is replaced")
    models: Path = Field(SHIPPED_MODELS, title="Folder that holds the model bundles, one folder each")
    default_model: str = Field("default", title="The bundle used when a request names none: name or name@version")
    bundle_public_key: Path | None = Field(
        None, title="Ed25519 public key (PEM); when set, a bundle without a good manifest.json.sig is refused"
    )
    bundle_least_versions: dict[str, Version] = Field(
        {}, title="Least version of a bundle by its name, as JSON; an older one is refused, however well it is signed"
    )
    engine: Literal["auto", "onnx", "keras"] = Field(
        "auto", title="What runs the network: ONNX Runtime, Keras, or Keras where there is an NVIDIA GPU"
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        title="Threads of the network in each process; unset means the cores, shared by the workers",
    )

    max_body_bytes: int = Field(256 * 2**20, ge=1, title="Largest uploaded table in bytes")
    max_json_bytes: int = Field(48 * 2**20, ge=1, title="Largest body of /predict in bytes")
    max_body_bytes_held: int = Field(
        2 * 2**30, ge=1, title="Most bytes of uploaded tables held at once, on disk, shared by the workers"
    )
    max_json_bytes_held: int = Field(
        192 * 2**20, ge=1, title="Most bytes of bodies of /predict held at once, in memory, shared by the workers"
    )
    max_spectra: int = Field(10_000, ge=1, le=100_000, title="Most spectra in one request to /predict")
    max_rows: int = Field(1_000_000, ge=1, title="Most rows in one uploaded table")
    max_pdf_rows: int = Field(
        100_000, ge=1, title="The same where the answer holds a density for each row: it is ten times as large"
    )
    max_queued_rows: int = Field(
        50_000, ge=1, title="Most spectra waiting for one model's network, all requests, shared by the workers"
    )
    max_connections: int = Field(2_000, ge=1, title="Most open connections, shared by the workers")
    max_head_bytes: int = Field(64 * 2**10, ge=1024, title="Longest request line and headers together, in bytes")
    head_seconds: float = Field(10, gt=0, title="Seconds in which a client must send request line and headers")
    slow_seconds: float = Field(20, gt=0, title="Seconds after which a body's speed is judged, again and again")
    min_bytes_per_second: int = Field(1_000, ge=0, title="A body that arrives more slowly is ended")
    request_seconds: float = Field(900, gt=0, title="Longest time for one request, from its headers to its answer")
    drain_seconds: float = Field(
        0, ge=0, title="Seconds that SIGTERM leaves between ready turning 503 and no longer accepting requests"
    )

    archive_url: str | None = Field(
        None, title="Gaia's DataLink service for /predict/sources, such as the archive's; unset: the endpoint is off"
    )

    api_keys: dict[str, KeyHash] = Field(
        {}, title="SHA-256 of the API keys by name, as JSON; where there is one, requests need a key"
    )
    admin_keys: dict[str, KeyHash] = Field(
        {}, title="The same for keys that may also reload the models; without any, only SIGHUP reloads"
    )
    requests_per_second: float | None = Field(
        None, gt=0, title="Requests per second that one key may send, twice that in a burst; unset: any"
    )
    cors_origins: list[str] = Field([], title="Origins whose web pages may call the service, as JSON; none by default")
    allowed_hosts: list[str] | None = Field(
        None,
        title="Names that the service goes by, as JSON, *.name for all below one; unset: any, "
        "but names without a dot and addresses alone where it listens on a loopback address",
    )

    log_format: Literal["auto", "json", "console"] = Field(
        "auto", title="Log lines as JSON, or coloured for a person; auto: coloured on a terminal, else JSON"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", title="Least level that is logged; health checks are debug"
    )
    tracing: bool = Field(False, title="Send OpenTelemetry traces; the OTEL_ variables say where (extra: otel)")

    def of_one_worker(self) -> "Settings":
        """Return the settings of one of the workers: its share of what bounds the service as a whole.

        Each may hold at least one body of the largest size, or no worker could read it.
        """
        held = {
            "max_body_bytes_held": max(self.max_body_bytes_held // self.workers, self.max_body_bytes),
            "max_json_bytes_held": max(self.max_json_bytes_held // self.workers, self.max_json_bytes),
        }
        counts = {name: max(1, getattr(self, name) // self.workers) for name in ("max_connections", "max_queued_rows")}
        return self if self.workers == 1 else self.model_copy(update={**held, **counts})
