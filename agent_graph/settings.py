"""The only reader of the environment: what an installation is, as opposed to what one run wants."""

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from agent_graph.errors import SettingsError

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
        None, description="Folder or http(s) address of Chroma; default: <home>/knowledge."
    )
    knowledge_token: SecretStr | None = Field(None, description="Token for a Chroma server behind a proxy.")
    collection: str = Field("default", description="Collection to ingest into and to search.")
    web: Literal["auto", "off"] = Field(
        "auto", description="Offer web_search and wikipedia when they can work."
    )
    openai_api_key: SecretStr | None = Field(
        None, validation_alias="OPENAI_API_KEY", description="Key for OpenAI."
    )
    openai_base_url: str | None = Field(
        None, validation_alias="OPENAI_BASE_URL", description="Any OpenAI-compatible server."
    )

    @property
    def where(self) -> str:
        """The folder or address that holds the documents' index."""
        return self.knowledge or str(self.home / "knowledge")

    @property
    def api_key(self) -> str | None:
        """The OpenAI key in plain text, for the client only."""
        return self.openai_api_key.get_secret_value() if self.openai_api_key else None

    @property
    def roles(self) -> dict[str, str | None]:
        """The model named for each role; None where none is."""
        named = {"planner": self.planner_model, "worker": self.worker_model, "solver": self.solver_model}
        return {role: name or self.model for role, name in named.items()}


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
