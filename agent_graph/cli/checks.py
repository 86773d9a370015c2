"""What `agent-graph doctor` looks at: one function per check, each trying the real thing."""

import importlib.util
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from agent_graph.cli.check import Check, Look
from agent_graph.cli.check_documents import chroma_servers, collections, formats
from agent_graph.cli.packages import HOME, foreign
from agent_graph.guardrails import redact
from agent_graph.settings import Settings

PACKAGES = (
    *("langgraph", "langgraph-checkpoint-sqlite", "langchain", "langchain-core", "langchain-openai"),
    *("langchain-community", "chromadb", "wordllama", "pydantic", "typer", "rich"),
)
"""Packages whose versions people are asked for."""

_TIMEOUT_S = 5.0


def look(settings: Settings) -> Iterator[Check]:
    """Yield every check; one that cannot even be made is a failed one."""
    for name, check in _CHECKS:
        try:
            yield from map(_without_secrets, check(settings))
        except Exception as error:
            from agent_graph.cli.failure import explain

            yield _without_secrets(Check(name, "fail", type(error).__name__, explain(error).message))


def _without_secrets(check: Check) -> Check:
    return check._replace(found=redact(check.found), todo=redact(check.todo))


def python(settings: Settings) -> Iterator[Check]:
    """Whether this Python is one we are tested on."""
    del settings
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        yield Check("python", "ok", f"{version} at {sys.executable}")
    else:
        yield Check("python", "fail", version, "Use Python 3.11, 3.12 or 3.13.")


def packages(settings: Settings) -> Iterator[Check]:
    """Whether the packages that matter are installed."""
    del settings
    found: list[str] = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield Check(
                "packages", "fail", f"{name} is not installed", f"Install it with: pip install {name}"
            )
    yield Check("packages", "ok", ", ".join(found))


def own_packages(settings: Settings) -> Iterator[Check]:
    """Whether `tools` and `retrieval` are ours: both are common names."""
    del settings
    strangers = foreign()
    for name, where in strangers.items():
        found = f"{name} is found at {where}" if where else f"{name} is not found"
        todo = f"It must lie in {HOME}. Take the other one off PYTHONPATH or uninstall it."
        yield Check("our packages", "fail", found, todo)
    if not strangers:
        yield Check("our packages", "ok", f"agent_graph, tools and retrieval in {HOME}")


def user_data(settings: Settings) -> Iterator[Check]:
    """Whether the folder for everything that is kept can be written."""
    home = settings.home.expanduser()
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=home):
        yield Check("user data", "ok", str(home))


def full_text(settings: Settings) -> Iterator[Check]:
    """Whether SQLite has its full-text search."""
    del settings
    with sqlite3.connect(":memory:") as database:
        try:
            database.execute("CREATE VIRTUAL TABLE words USING fts5(text, tokenize='porter')")
        except sqlite3.OperationalError as error:
            todo = "Use a Python whose sqlite3 module has FTS5, such as the one from python.org."
            yield Check("sqlite", "fail", f"{sqlite3.sqlite_version}: {error}", todo)
        else:
            yield Check("sqlite", "ok", f"{sqlite3.sqlite_version} with FTS5")
    database.close()


def embedding(settings: Settings) -> Iterator[Check]:
    """Whether one text can be embedded."""
    from retrieval.embed import embeddings_from

    model = embeddings_from(
        settings.embedding_model, base_url=settings.openai_base_url, api_key=settings.api_key
    )
    yield Check(
        "embeddings", "ok", f"{settings.embedding_model}, {len(model.embed_query('one text'))} dimensions"
    )


def chroma(settings: Settings) -> Iterator[Check]:
    """Whether Chroma writes and finds again, in a folder that is thrown away."""
    from retrieval.documents import Document
    from retrieval.knowledge import open_knowledge

    settings.home.expanduser().mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=settings.home.expanduser(), prefix="doctor-") as folder,
        open_knowledge(Path(folder), "doctor") as knowledge,
    ):
        knowledge.add([Document("note", "Chroma writes and finds this sentence again.")])
        hits = knowledge.search("Does Chroma find it again?")
    if hits:
        yield Check("chroma", "ok", "a collection was written, searched and thrown away")
    else:
        yield Check(
            "chroma", "fail", "what was written was not found", "Reinstall it with: pip install chromadb"
        )


def models(settings: Settings) -> Iterator[Check]:
    """Which model each role has, and whether it is there."""
    from agent_graph.bootstrap import choose_models
    from agent_graph.cli.sources import NO_MODEL

    chosen = choose_models(None, settings)
    if not any(chosen):
        todo = (
            "For a language model: export OPENAI_API_KEY=..., or OPENAI_BASE_URL=... for a compatible server."
        )
        yield Check("models", "warn", NO_MODEL, todo)
        return
    named: dict[str, list[str]] = {}
    for role, chain in chosen._asdict().items():
        for one in chain.models if chain else ():
            named.setdefault(one.name, []).append(role)
    for name, roles in named.items():
        yield _reached(settings, name, ", ".join(roles))


def server(settings: Settings) -> Iterator[Check]:
    """Whether `agent-graph serve` can start."""
    del settings
    if importlib.util.find_spec("langgraph_api") and importlib.util.find_spec("langgraph_cli"):
        yield Check("server", "ok", f"langgraph-api {metadata.version('langgraph-api')}")
    else:
        yield Check("server", "warn", "not installed", "For `serve`: pip install 'agent-graph[server]'")


def web_tools(settings: Settings) -> Iterator[Check]:
    """Which of the optional tools are offered to the planner, and why the others are not."""
    from tools.offer import default_tools

    offered = default_tools(None, web=settings.web)
    absent = {name: why for name, why in offered.absent.items() if name != "search_documents"}
    there = ", ".join(tool.name for tool in offered.tools)
    yield Check("tools", "ok", f"{there}, extract; search_documents once something is ingested")
    for name, why in absent.items():
        yield Check("tools", "warn", f"{name} is not offered: {why}")


_CHECKS: tuple[tuple[str, Look], ...] = (
    ("python", python),
    ("packages", packages),
    ("our packages", own_packages),
    ("user data", user_data),
    ("sqlite", full_text),
    ("embeddings", embedding),
    ("chroma", chroma),
    ("knowledge", collections),
    ("chroma server", chroma_servers),
    ("formats", formats),
    ("models", models),
    ("tools", web_tools),
    ("server", server),
)


def _reached(settings: Settings, name: str, roles: str) -> Check:
    """Ask an OpenAI-compatible server for its models; other providers have no such common address."""
    import httpx

    provider, _, model = name.partition(":")
    if provider != "openai":
        return Check("models", "ok", f"{name} ({roles}); not asked whether it answers")
    url = f"{(settings.openai_base_url or 'https://api.openai.com/v1').rstrip('/')}/models"
    headers = {"authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
    try:
        reply = httpx.get(url, headers=headers, timeout=_TIMEOUT_S).raise_for_status().json()
        served = [str(one["id"]) for one in reply["data"]]
    except httpx.HTTPStatusError as error:
        return Check("models", "fail", f"{name} ({roles})", _refused(url, error.response.status_code))
    except httpx.HTTPError as error:
        todo = f"{url} does not answer ({type(error).__name__}). Start the server, or mend OPENAI_BASE_URL."
        return Check("models", "fail", f"{name} ({roles})", todo)
    except (ValueError, LookupError, TypeError):
        return Check("models", "warn", f"{name} ({roles})", f"{url} answers, but does not list its models.")
    if model not in served:
        todo = f"{url} does not list {model!r}; it lists {', '.join(served[:5]) or 'none'}."
        return Check("models", "warn", f"{name} ({roles})", todo)
    return Check("models", "ok", f"{name} ({roles}), served at {url}")


def _refused(url: str, status: int) -> str:
    if status in (401, 403):
        return f"{url} refuses the key. Set the right OPENAI_API_KEY."
    return f"{url} answers with status {status}. Check OPENAI_BASE_URL."
