"""Settings -> everything: the one place where parts are built and put together."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from langchain_core.tools import BaseTool

from agent_graph.agent import Agent
from agent_graph.context import Context
from agent_graph.errors import SettingsError
from agent_graph.graph import Deps, build_graph
from agent_graph.models import Models, ModelSpec, choose
from agent_graph.models.ask import asker
from agent_graph.settings import DEFAULT_OPENAI_MODEL, Settings, read_settings
from retrieval.knowledge import Knowledge, open_knowledge
from tools.catalog import Catalog, Effects, Offer, default_tools
from tools.extract import make_extract

DEMO_COLLECTION = "demo"
"""Where the demo keeps its document, apart from the user's own."""

Tools = Sequence[BaseTool | Callable[..., Any]]


def build_agent(
    *,
    models: ModelSpec = None,
    tools: Tools | None = None,
    knowledge: Knowledge | None = None,
    effects: Mapping[str, Effects] | None = None,
    checkpointer: Any = None,
    store: Any = None,
    settings: Settings | None = None,
) -> Agent:
    """Build the agent: a compiled LangGraph graph.

    `models`: "provider:name", a chat model, a list of them to fall back on, or one per role; None takes
    them from the environment, and extractive mode when there are none ("extractive" asks for it).
    `tools`: LangChain tools or functions with a docstring; None takes the default catalogue, to which
    `knowledge` adds `search_documents`. `effects` marks tools that do not say whether they write.
    `checkpointer` and `store` are LangGraph's own.

    Raises SettingsError for a model that cannot be used and tools.errors.CatalogError for a bad tool.
    """
    settings = settings or read_settings()
    chosen = choose_models(models, settings)
    offered = tools if tools is not None else offer(settings, chosen, knowledge).tools
    deps = Deps(chosen, Catalog(offered, effects), knowledge)
    return build_graph(deps, checkpointer=checkpointer, store=store)


def build_default_agent(settings: Settings | None = None) -> Agent:
    """Build the agent as the settings say, over the documents ingested so far; for servers."""
    settings = settings or read_settings()
    return build_agent(knowledge=find_knowledge(settings), settings=settings)


def find_knowledge(settings: Settings) -> Knowledge | None:
    """Open the collection to answer from, or None when nothing was ingested.

    An empty default collection gives way to the demo's document, so that a first start has something to say.
    """
    if "://" not in settings.where and not Path(settings.where).exists():
        return None
    for collection in dict.fromkeys((settings.collection, DEMO_COLLECTION)):
        knowledge = open_default_knowledge(settings, collection=collection)
        if knowledge.count():
            return knowledge
        knowledge.close()
    return None


def choose_models(models: ModelSpec, settings: Settings) -> Models:
    """Return the chain of each role: those asked for, else those of the environment."""
    if models is None:
        models = _from_environment(settings)
    return choose(models, base_url=settings.openai_base_url, api_key=settings.api_key)


def offer(settings: Settings, models: Models, knowledge: Knowledge | None) -> Offer:
    """Return the default catalogue's tools, and why the others are absent."""
    base = default_tools(knowledge, passages=Context().passages, web=settings.web)
    ask = asker(models.worker, timeout_s=Context().model_timeout_s) if models.worker else None
    return Offer(tools=(*base.tools, make_extract(ask)), absent=base.absent)


def open_default_knowledge(settings: Settings, *, collection: str | None = None) -> Knowledge:
    """Open the documents' index that the settings name."""
    token = settings.knowledge_token.get_secret_value() if settings.knowledge_token else None
    if "://" not in settings.where:
        Path(settings.where).mkdir(parents=True, exist_ok=True)
    return open_knowledge(
        settings.where, collection or settings.collection, embeddings=_embeddings(settings), token=token
    )


def _embeddings(settings: Settings) -> Any:
    from retrieval.embed import embeddings_from

    return embeddings_from(
        settings.embedding_model, base_url=settings.openai_base_url, api_key=settings.api_key
    )


def _from_environment(settings: Settings) -> ModelSpec:
    named = settings.roles
    if any(named.values()):
        default = next(name for name in (settings.model, *named.values()) if name)
        return {role: name or default for role, name in named.items()}
    if settings.openai_base_url:
        return f"openai:{_first_served(settings)}"
    return DEFAULT_OPENAI_MODEL if settings.api_key else None


def _first_served(settings: Settings) -> str:
    """Ask an OpenAI-compatible server which model it serves.

    Raises SettingsError when it does not answer or serves none.
    """
    url = f"{str(settings.openai_base_url).rstrip('/')}/models"
    headers = {"authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
    try:
        reply = httpx.get(url, headers=headers, timeout=5).raise_for_status().json()
        return str(reply["data"][0]["id"])
    except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
        raise SettingsError(
            f"OPENAI_BASE_URL is set but {url} did not name a model ({type(error).__name__}). "
            "Start the server, or set AGENT_GRAPH_MODEL=openai:<name>."
        ) from error
