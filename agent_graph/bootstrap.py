"""Settings -> everything: the one place where parts are built and put together."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from langchain_core.tools import BaseTool
from starlette.applications import Starlette

from agent_graph import monitoring
from agent_graph.agent import Agent
from agent_graph.context import Context
from agent_graph.errors import SettingsError
from agent_graph.graph import Deps, build_graph
from agent_graph.identity import collection_of, identity
from agent_graph.models import ROLES, Models, ModelSpec, choose
from agent_graph.models.ask import asker
from agent_graph.services import (
    RemotePlanner,
    RemoteSolver,
    RemoteWorker,
    ask_tools,
    planner_app,
    solver_app,
    worker_app,
)
from agent_graph.settings import DEFAULT_OPENAI_MODEL, Settings, read_settings
from agent_graph.usage import Role
from retrieval.knowledge import Knowledge, open_knowledge
from retrieval.tenants import Tenants
from tools.catalog import Catalog, Effects, Offer, default_tools
from tools.extract import make_extract

DEMO_COLLECTION = "demo"
"""Where the demo keeps its document, apart from the user's own."""

OPENAI_URL = "https://api.openai.com/v1"
REACH_S = 3.0
"""Seconds a model's server may take to say that it is there."""

Tools = Sequence[BaseTool | Callable[..., Any]]


def build_agent(
    *,
    models: ModelSpec = None,
    tools: Tools | None = None,
    knowledge: Knowledge | Tenants | None = None,
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
    `checkpointer` and `store` are LangGraph's own. Roles whose services the settings name are asked there;
    then their models are not needed here, and the default catalogue is the worker's.

    Raises SettingsError for a model that cannot be used or a worker service that is not there, and
    tools.errors.CatalogError for a bad tool.
    """
    settings = settings or read_settings()
    urls, token, ca = settings.urls, settings.token, settings.service_ca_file
    here = [role for role in ROLES if not urls[role]]
    chosen = choose_models(models, settings, here)
    if tools is None and urls["worker"]:
        tools = [spec.tool for spec in ask_tools(urls["worker"], token=token, ca=ca).values()]
    catalog = Catalog(tools if tools is not None else offer(settings, chosen, knowledge).tools, effects)
    deps = Deps(
        chosen,
        catalog,
        knowledge,
        plan=RemotePlanner(urls["planner"], catalog, token=token, ca=ca) if urls["planner"] else None,
        call=RemoteWorker(urls["worker"], catalog, token=token, ca=ca) if urls["worker"] else None,
        solve=RemoteSolver(urls["solver"], token=token, ca=ca) if urls["solver"] else None,
        offered={name: choose_models(name, settings, here) for name in settings.offered_models},
    )
    return build_graph(deps, checkpointer=checkpointer, store=store)


def build_role(role: Role, settings: Settings | None = None, *, tools: Tools | None = None) -> Starlette:
    """Build the service of one role, with nothing in it that only the others need.

    `tools` are the worker's; None takes the default catalogue. Raises as `build_agent`.
    """
    settings = (settings or read_settings()).of_role(role)
    models = choose_models(None, settings, [role])
    if role == "worker":
        offered = tools if tools is not None else offer(settings, models, served_knowledge(settings)).tools
        return worker_app(Catalog(offered), token=settings.token)
    reach = partial(_why_not_reached, settings)
    if role == "planner":
        return planner_app(models.planner, token=settings.token, reach=reach)
    return solver_app(models.solver, token=settings.token, reach=reach)


def export_spans(settings: Settings, service: str) -> None:
    """Send the spans of this process, under the service's name, to where the settings say; else nowhere."""
    if settings.spans_to:
        monitoring.export_spans(settings.spans_to, service)


def build_default_agent(settings: Settings | None = None) -> Agent:
    """Build the agent as the settings say, over the documents ingested so far; for servers."""
    settings = settings or read_settings()
    return build_agent(knowledge=served_knowledge(settings), settings=settings)


def served_knowledge(settings: Settings, *, read_only: bool = False) -> Knowledge | Tenants | None:
    """Return what a server answers from: the collections found, or one for each user."""
    if not settings.collection_per_user:
        return find_knowledge(settings, read_only=read_only)
    first = settings.collections[0]
    opened = partial(open_default_knowledge, settings, read_only=read_only)
    return Tenants(opened, lambda: collection_of(identity(), first))


def find_knowledge(settings: Settings, *, read_only: bool = False) -> Knowledge | None:
    """Open the collections to answer from, or None when nothing was ingested.

    Empty ones give way to the demo's document, so that a first start has something to say.
    """
    if not settings.has_index:
        return None
    for collections in dict.fromkeys((settings.collections, (DEMO_COLLECTION,))):
        knowledge = open_default_knowledge(settings, *collections, read_only=read_only)
        if knowledge.count():
            return knowledge
        knowledge.close()
    return None


def choose_models(models: ModelSpec, settings: Settings, roles: Collection[Role] = ROLES) -> Models:
    """Return the chain of each role: those asked for, else those of the environment; none for other `roles`."""
    if models is None and roles:
        models = _from_environment(settings)
    return choose(_of_roles(models, roles), base_url=settings.openai_base_url, api_key=settings.api_key)


def offer(settings: Settings, models: Models, knowledge: Knowledge | Tenants | None) -> Offer:
    """Return the default catalogue's tools, and why the others are absent."""
    base = default_tools(knowledge, passages=Context().passages, web=settings.web)
    ask = asker(models.worker, timeout_s=Context().model_timeout_s) if models.worker else None
    return Offer(tools=(*base.tools, make_extract(ask)), absent=base.absent)


def open_default_knowledge(settings: Settings, *collections: str, read_only: bool = False) -> Knowledge:
    """Open collections of the documents' index that the settings name; without any, the one to ingest into.

    `read_only` opens a folder beside the process that writes to it.
    """
    token = settings.knowledge_token.get_secret_value() if settings.knowledge_token else None
    places = settings.places
    for place in [places] if isinstance(places, str) else places.values():
        if "://" not in place:
            Path(place).expanduser().mkdir(parents=True, exist_ok=True)
    wanted = collections or settings.collections[:1]
    return open_knowledge(
        places,
        wanted if len(wanted) > 1 else wanted[0],
        embeddings=_embeddings(settings),
        token=token,
        read_only=read_only,
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


def _of_roles(spec: ModelSpec, roles: Collection[Role]) -> ModelSpec:
    """Return the models without those of other roles, whose keys need not be here."""
    if len(roles) == len(ROLES):
        return spec
    named: dict[str, Any] = {**spec} if isinstance(spec, Mapping) else dict.fromkeys(ROLES, spec)
    default = named.get("planner")
    return named | {role: named.get(role, default) if role in roles else None for role in ROLES}


async def _why_not_reached(settings: Settings, model: str) -> str:
    """Ask an OpenAI-compatible server for its models; other providers have no such common address."""
    if not model.startswith("openai:"):
        return ""
    url = f"{(settings.openai_base_url or OPENAI_URL).rstrip('/')}/models"
    headers = {"authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
    try:
        async with httpx.AsyncClient(timeout=REACH_S) as client:
            reply = await client.get(url, headers=headers)
    except httpx.HTTPError as error:
        return f"it does not answer ({type(error).__name__})"
    return "" if reply.is_success else f"it answers with status {reply.status_code}"


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
