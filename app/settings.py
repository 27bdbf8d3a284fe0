"""Every setting of the service, read from the environment: ``GAIA_REDSHIFT_PORT=9000 gaia-redshift serve``."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from gaia_redshift.bundle import SHIPPED_MODELS

Version = Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
KeyHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Settings(BaseSettings):
    """The service's settings; each has the prefix ``GAIA_REDSHIFT_`` in the environment."""

    model_config = SettingsConfigDict(env_prefix="GAIA_REDSHIFT_", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", title="Address to listen on; 0.0.0.0 for every interface")
    port: int = Field(8000, ge=0, le=65535, title="Port to listen on; 0 picks a free one")
    workers: int = Field(1, ge=1, le=256, title="Worker processes; a crashed one is replaced")
    models: Path = Field(SHIPPED_MODELS, title="Folder that holds the model bundles, one folder each")
    default_model: str = Field("default", title="The bundle used when a request names none: name or name@version")
    bundle_public_key: Path | None = Field(
        None, title="Ed25519 public key (PEM); if set, a bundle without a valid manifest.json.sig is refused"
    )
    bundle_least_versions: dict[str, Version] = Field(
        {}, title="Lowest version of a bundle by its name, as JSON; an older one is refused, even if it is signed"
    )
    engine: Literal["auto", "onnx", "keras"] = Field(
        "auto",
        title="Engine for the network: onnx, keras, or auto (Keras if there is an NVIDIA GPU, else onnx)",
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        title="Threads for the network in each process; unset: the cores, shared among the workers",
    )

    max_body_bytes: int = Field(256 * 2**20, ge=1, title="Largest uploaded table in bytes")
    max_json_bytes: int = Field(48 * 2**20, ge=1, title="Largest body of /predict in bytes")
    max_body_bytes_held: int = Field(
        2 * 2**30, ge=1, title="Most bytes of uploaded tables held at once, on disk, shared among the workers"
    )
    max_json_bytes_held: int = Field(
        192 * 2**20, ge=1, title="Most bytes of bodies of /predict held at once, in memory, shared among the workers"
    )
    max_spectra: int = Field(10_000, ge=1, le=100_000, title="Most spectra in one request to /predict")
    max_rows: int = Field(1_000_000, ge=1, title="Most rows in one uploaded table")
    max_pdf_rows: int = Field(
        100_000, ge=1, title="The same if the answer has a density for each row, which makes it ten times as large"
    )
    max_queued_rows: int = Field(
        50_000, ge=1, title="Most spectra waiting for one model's network, over all requests, shared among the workers"
    )
    max_connections: int = Field(2_000, ge=1, title="Most open connections, shared among the workers")
    max_head_bytes: int = Field(64 * 2**10, ge=1024, title="Longest request line and headers together, in bytes")
    head_seconds: float = Field(10, gt=0, title="Seconds within which a client must send request line and headers")
    slow_seconds: float = Field(20, gt=0, title="Seconds over which a body's speed is measured, repeatedly")
    min_bytes_per_second: int = Field(1_000, ge=0, title="A body that arrives more slowly is refused")
    request_seconds: float = Field(900, gt=0, title="Longest time for one request, from its headers to its answer")
    drain_seconds: float = Field(
        0, ge=0, title="Seconds after SIGTERM in which /health/ready answers 503 and requests are still accepted"
    )

    archive_url: str | None = Field(
        None,
        pattern="^https?://",
        title="DataLink service for /predict/sources, such as that of Gaia's archive; unset: the endpoint is off",
    )

    jobs_folder: Path | None = Field(
        None, title="Folder of the jobs: their database, uploads, parts and results; unset: jobs are off"
    )
    jobs_database: str | None = Field(
        None, title="SQLAlchemy URL of the jobs' database, such as postgresql://...; unset: SQLite in the folder"
    )
    jobs_files: str | None = Field(
        None, title="Place of the jobs' files: a folder or an fsspec URL; unset: in the jobs folder"
    )
    jobs_workers: int = Field(1, ge=0, le=64, title="Processes that work on jobs; 0: only those of other services")
    jobs_threads: int = Field(1, ge=1, le=1024, title="Threads for the network in each of them")
    jobs_nice: int = Field(
        19, ge=0, le=19, title="Niceness of these processes; 19: they run only when the machine is otherwise idle"
    )
    jobs_max_body_bytes: int = Field(4 * 2**30, ge=1, title="Largest table of a job in bytes")
    jobs_max_rows: int = Field(10_000_000, ge=1, title="Most rows in the table of a job")
    jobs_max_sources: int = Field(100_000, ge=1, title="Most source ids in one job")
    jobs_max_bytes: int = Field(100 * 2**30, ge=1, title="Most bytes of the files of all jobs together")
    jobs_min_free_bytes: int = Field(
        2**30, ge=0, title="A job is refused if the disk has less free space than this plus its table"
    )
    jobs_per_owner: int = Field(1000, ge=1, title="Most unfinished jobs per key; without keys, of all together")
    jobs_keep_seconds: int = Field(
        7 * 86400, ge=60, title="Seconds after which a job and its files are destroyed; a job may ask for less"
    )
    jobs_max_seconds: int = Field(86400, ge=1, title="Seconds of work that a job may take; a job may ask for less")
    jobs_lease_seconds: float = Field(
        30, ge=1, title="Seconds without a sign of life after which another process takes a job over"
    )
    jobs_step_seconds: float = Field(
        600, ge=1, title="Seconds from one part of a job to the next after which its process counts as hung"
    )
    jobs_attempts: int = Field(
        20, ge=1, title="How many processes in a row may die at the same part of a job before the job fails"
    )
    jobs_hosts: list[str] = Field(
        [], title="Hosts from which jobs may fetch tables, as JSON; *.name for all subdomains; none by default"
    )
    jobs_private_hosts: bool = Field(
        False, title="Whether these hosts, and those of webhooks, may have addresses of private networks"
    )
    jobs_inputs: Path | None = Field(None, title="Folder of this machine from which jobs may read tables; unset: none")
    jobs_webhook_hosts: list[str] = Field(
        [], title="Hosts that may be notified of a job's end, as JSON; *.name for all subdomains; none by default"
    )
    jobs_webhook_secret: SecretStr | None = Field(
        None, min_length=16, title="Key that signs notifications (HMAC-SHA256); unset: webhooks are off"
    )

    api_keys: dict[str, KeyHash] = Field(
        {}, title="SHA-256 of the API keys by name, as JSON; if there are any, requests need a key"
    )
    admin_keys: dict[str, KeyHash] = Field(
        {}, title="The same for keys that may also reload the models; without any, only SIGHUP reloads"
    )
    requests_per_second: float | None = Field(
        None, gt=0, title="Requests per second allowed for one key, twice that in a burst; unset: no limit"
    )
    cors_origins: list[str] = Field([], title="Origins whose web pages may call the service, as JSON; none by default")
    allowed_hosts: list[str] | None = Field(
        None,
        title="Accepted host names, as JSON; *.name for all subdomains; unset: any, or only names without a dot "
        "and IP addresses if the service listens on a loopback address",
    )

    log_format: Literal["auto", "json", "console"] = Field(
        "auto", title="Log lines as JSON, or coloured for a person; auto: coloured on a terminal, else JSON"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", title="Lowest level that is logged; health checks are logged at debug"
    )
    tracing: bool = Field(False, title="Send OpenTelemetry traces; the OTEL_ variables say where (extra: otel)")

    @property
    def largest_body(self) -> int:
        """Bytes of the largest body that any request may have."""
        return max(self.max_body_bytes, self.max_json_bytes, self.jobs_max_body_bytes if self.jobs_folder else 0)

    def of_one_worker(self) -> "Settings":
        """Return the settings for one worker, with its share of the limits of the whole service.

        Each worker may hold at least one body of the largest size.
        """
        held = {
            "max_body_bytes_held": max(self.max_body_bytes_held // self.workers, self.max_body_bytes),
            "max_json_bytes_held": max(self.max_json_bytes_held // self.workers, self.max_json_bytes),
        }
        counts = {name: max(1, getattr(self, name) // self.workers) for name in ("max_connections", "max_queued_rows")}
        return self if self.workers == 1 else self.model_copy(update={**held, **counts})
