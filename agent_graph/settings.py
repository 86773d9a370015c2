"""The only reader of the environment: what an installation is, as opposed to what one run wants."""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agent_graph.errors import SettingsError
from agent_graph.usage import Role

_MAP = re.compile(r"[*\w.-]+\s*=")
"""How a map of collections to places begins; a folder with such a name is written ./name=..."""

_SECRETS: dict[Role, set[str]] = {
    "planner": {"openai_api_key", "service_token"},
    "worker": {"openai_api_key", "service_token", "knowledge_token"},
    "solver": {"openai_api_key", "service_token"},
}
"""What each role's service may know; the worker's key is for its own model, if it has one."""

DEFAULT_OPENAI_MODEL = "openai:gpt-5-mini"
"""The model when only OPENAI_API_KEY is set."""


class Settings(BaseSettings):
    """Every setting; each is read from the variable `AGENT_GRAPH_<NAME>` unless it names another."""

    model_config = SettingsConfigDict(
        env_prefix="AGENT_GRAPH_", env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    model: str | None = Field(
        None, description='"provider:name" for every role; several, by commas, fall back.'
    )
    planner_model: str | None = Field(None, description="Model of the planner.")
    worker_model: str | None = Field(None, description="Model of the worker's own calls, such as extract.")
    solver_model: str | None = Field(None, description="Model of the solver.")
    embedding_model: str = Field("wordllama", description='"wordllama" (offline) or "openai:<model>".')
    home: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("agent-graph", appauthor=False)),
        description="Folder for everything that is kept: documents' index, conversations.",
    )
    knowledge: str | None = Field(
        None,
        description="Folder or http(s) address of Chroma, default <home>/knowledge; collections on several, "
        'by commas: "handbook=http://one:8000,*=http://two:8000".',
    )
    knowledge_token: SecretStr | None = Field(None, description="Token for a Chroma server behind a proxy.")
    collection: str = Field(
        "default",
        description="Collection to search and to ingest into; several, by commas, are searched as one, and the "
        "first is ingested into.",
    )
    collection_per_user: bool = Field(
        False, description="A server searches a collection of each user's own, chosen by who is logged in."
    )
    web: Literal["auto", "off"] = Field(
        "auto", description="Offer web_search and wikipedia when they can work."
    )
    keys_file: Path | None = Field(
        None, description="File of the server's API keys, hashed; default: <home>/keys.json."
    )
    keys: SecretStr | None = Field(None, description="The same as the keys' file, as JSON.")
    jwt_secret: SecretStr | None = Field(None, description="Shared secret of HS256 tokens, 32 bytes or more.")
    jwt_jwks: Path | None = Field(None, description="JWKS file with the public keys of RS256 tokens.")
    jwt_issuer: str | None = Field(
        None, description="Only tokens of this issuer; needed with either of the above."
    )
    jwt_audience: str | None = Field(None, description="Only tokens for this audience.")
    allowed_models: str = Field(
        "", description="Models a run on the server may choose besides the configured one, by commas."
    )
    ingest_folders: Annotated[dict[str, Path], NoDecode] = Field(
        {},
        description='Folders the server\'s graph "ingest" may read, as JSON: {"handbook": "/srv/handbook"}.',
    )
    max_runs: int = Field(4, ge=1, description="Runs of one user at the same time, waiting ones included.")
    max_steps_a_day: int = Field(5_000, ge=1, description="Steps of one user in a day (UTC).")
    max_tokens_a_day: int = Field(2_000_000, ge=1, description="Tokens of one user in a day (UTC).")
    max_request_bytes: int = Field(8_000_000, ge=1_000, description="Largest request the server reads.")
    ledger: SecretStr | None = Field(
        None,
        description="PostgreSQL address where servers count together what users have used; default: a file in <home>.",
    )
    planner_urls: str = Field(
        "", description="Replicas of the planner's service, by commas; default: plan in this process."
    )
    worker_urls: str = Field(
        "", description="Replicas of the worker's service, by commas; default: call tools in this process."
    )
    solver_urls: str = Field(
        "", description="Replicas of the solver's service, by commas; default: answer in this process."
    )
    jobs: SecretStr | None = Field(
        None, description="PostgreSQL address for background work: its queues and the runs' checkpoints."
    )
    service_ca: Path | None = Field(
        None,
        description="File (PEM) of the CA that signed the certificates of the roles' services, where their addresses "
        "are https://; default: the system's.",
    )
    service_cert: Path | None = Field(
        None, description="File (PEM) of the certificate that a role's service shows; then it serves https."
    )
    service_key: Path | None = Field(None, description="File (PEM) of that certificate's key.")
    service_token: SecretStr | None = Field(
        None, description="Secret that the graph and the roles' services prove to each other that they know."
    )
    server_key: SecretStr | None = Field(None, description="Your key for `ask --server`.")
    openai_api_key: SecretStr | None = Field(
        None, validation_alias="OPENAI_API_KEY", description="Key for OpenAI."
    )
    openai_base_url: str | None = Field(
        None, validation_alias="OPENAI_BASE_URL", description="Any OpenAI-compatible server."
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="Address of an OpenTelemetry collector (OTLP over HTTP) that spans are sent to.",
    )
    otlp_traces_endpoint: str | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        description="The same for spans only, with its path.",
    )
    traces_exporter: str = Field(
        "otlp", validation_alias="OTEL_TRACES_EXPORTER", description='"none" sends no spans.'
    )

    @field_validator("planner_urls", "worker_urls", "solver_urls")
    @classmethod
    def _check_urls(cls, urls: str) -> str:
        for url in listed(urls):
            if not _is_address(url):
                # Not the address itself: there may be a password in it.
                raise PydanticCustomError(
                    "address",
                    "write http://host:port or https://host:port for each replica, separated by commas, with no "
                    "user, password or query; the token goes into AGENT_GRAPH_SERVICE_TOKEN",
                )
        return urls

    @field_validator("ingest_folders", mode="before")
    @classmethod
    def _read_folders(cls, given: Any) -> Any:
        try:
            return json.loads(given) if isinstance(given, str) else given
        except ValueError as error:
            raise PydanticCustomError(
                "json", 'write it as JSON, for example {"handbook": "/srv/handbook"}'
            ) from error

    @field_validator("service_token")
    @classmethod
    def _check_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not token.get_secret_value().strip():
            raise PydanticCustomError("blank", "a secret of nothing but blanks protects nothing")
        return token

    @property
    def urls(self) -> dict[Role, tuple[str, ...]]:
        """The replicas of each role's service; none where the role works in this process."""
        return {
            "planner": listed(self.planner_urls),
            "worker": listed(self.worker_urls),
            "solver": listed(self.solver_urls),
        }

    @property
    def spans_to(self) -> str | None:
        """Where spans are sent, if anywhere."""
        if self.traces_exporter != "otlp":
            return None
        base = f"{self.otlp_endpoint.rstrip('/')}/v1/traces" if self.otlp_endpoint else None
        return self.otlp_traces_endpoint or base

    @property
    def service_ca_file(self) -> str | None:
        """The CA's file as clients take it."""
        return str(self.service_ca.expanduser()) if self.service_ca else None

    @property
    def service_certificate(self) -> tuple[Path, Path] | None:
        """The files of the certificate and the key that a role's service shows; None for plain HTTP.

        Raises SettingsError for one without the other.
        """
        if self.service_cert is None and self.service_key is None:
            return None
        if self.service_cert is None or self.service_key is None:
            raise SettingsError("Set both AGENT_GRAPH_SERVICE_CERT and AGENT_GRAPH_SERVICE_KEY, or neither.")
        return self.service_cert.expanduser(), self.service_key.expanduser()

    @property
    def token(self) -> str | None:
        """The secret of the roles' services in plain text."""
        return self.service_token.get_secret_value() if self.service_token else None

    def of_role(self, role: Role) -> "Settings":
        """Return the settings of a process that is one role's service, without the secrets of the others."""
        secrets = [name for name in type(self).model_fields if isinstance(getattr(self, name), SecretStr)]
        return self.model_copy(update=dict.fromkeys(set(secrets) - _SECRETS[role]))

    @property
    def where(self) -> str:
        """The folder, address or map of them that holds the documents' index."""
        return self.knowledge or str(self.home / "knowledge")

    @property
    def places(self) -> str | dict[str, str]:
        """The one folder or address, or those of each collection; `*` stands for all others.

        Raises SettingsError for a map with an entry that names no collection or no place.
        """
        if not _MAP.match(self.where):
            return self.where
        entries = [entry.partition("=")[::2] for entry in self.where.split(",")]
        named = {name.strip(): place.strip() for name, place in entries}
        if not all(named) or not all(named.values()):
            raise SettingsError(
                "AGENT_GRAPH_KNOWLEDGE is not usable: write collection=place for each collection, separated by "
                "commas, and *=place for all others."
            )
        return named

    @property
    def collections(self) -> tuple[str, ...]:
        """The collections to search; the first is ingested into."""
        return listed(self.collection) or ("default",)

    @property
    def has_index(self) -> bool:
        """Whether there may be an index: one on a server, or one in a folder that is there."""
        places = self.places
        named = [places] if isinstance(places, str) else list(places.values())
        return any("://" in place or Path(place).expanduser().exists() for place in named)

    @property
    def keys_place(self) -> Path:
        """The file of the server's API keys, whether or not it is there."""
        return (self.keys_file or self.home / "keys.json").expanduser()

    @property
    def offered_models(self) -> tuple[str, ...]:
        """The models that a run on the server may choose by name."""
        return listed(self.allowed_models)

    @property
    def api_key(self) -> str | None:
        """The OpenAI key in plain text, for the client only."""
        return self.openai_api_key.get_secret_value() if self.openai_api_key else None

    @property
    def roles(self) -> dict[str, str | None]:
        """The model named for each role; None where none is."""
        named = {"planner": self.planner_model, "worker": self.worker_model, "solver": self.solver_model}
        return {role: name or self.model for role, name in named.items()}


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False
    plain = not (parts.username or parts.password or parts.query or parts.fragment or "@" in parts.netloc)
    return named and plain and parts.scheme in ("http", "https")


def listed(names: str) -> tuple[str, ...]:
    """Return names that are separated by commas, each once."""
    return tuple(dict.fromkeys(filter(None, (name.strip() for name in names.split(",")))))


def read_settings() -> Settings:
    """Read the environment and `.env`.

    Raises SettingsError naming the variable and what it should be.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        variable = name if name.isupper() else f"AGENT_GRAPH_{name.upper()}"
        raise SettingsError(f"{variable} is not usable: {first['msg']}.") from error
