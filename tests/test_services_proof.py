"""Both sides of a call prove that they know the token, and neither sends it."""

import time

import httpx
import pytest
from role_services import ANSWER, PLAN, TOKEN, call, diamond, run, served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from agent_graph.errors import ServiceUnavailable, SettingsError
from agent_graph.graph import Deps, build_graph
from agent_graph.models import choose
from agent_graph.services import (
    RemotePlanner,
    RemoteSolver,
    RemoteWorker,
    ask_tools,
    cards_of,
    planner_app,
    proof,
    solver_app,
    worker_app,
)
from agent_graph.services.service import MAX_BODY
from agent_graph.testing import ScriptedModel


def headers_of(body: bytes, path: str = "/call", token: str = TOKEN) -> dict[str, str]:
    return {"authorization": str(proof.claim(token, path, body))}


@pytest.mark.parametrize("token", [None, "wrong"], ids=["none", "wrong"])
async def test_a_wrong_token_is_refused_by_every_role(token: str | None) -> None:
    """Without the shared secret nothing is planned, called or answered, and the caller is told why."""
    catalog, model = diamond(), ScriptedModel([PLAN, ANSWER])
    chain = choose(model).planner
    with (
        served(planner_app(chain, token=TOKEN)) as planner,
        served(worker_app(catalog, token=TOKEN)) as worker,
        served(solver_app(chain, token=TOKEN)) as solver,
    ):
        evidence = await call(RemoteWorker(worker, catalog, token=token), "first", {"query": ""})
        assert "did not carry out the call" in evidence.error
        assert "AGENT_GRAPH_SERVICE_TOKEN" in evidence.error
        remote_plan = RemotePlanner(planner, catalog, token=token)
        remote_solve = RemoteSolver(solver, token=token)
        local = choose(ScriptedModel([PLAN]))
        for deps in (Deps(local, catalog, plan=remote_plan), Deps(local, catalog, solve=remote_solve)):
            with pytest.raises(ServiceUnavailable, match="AGENT_GRAPH_SERVICE_TOKEN"):
                await run(build_graph(deps))
        with pytest.raises(SettingsError, match="same AGENT_GRAPH_SERVICE_TOKEN"):
            ask_tools([worker], token=token)
    assert model.calls == []


async def test_what_does_not_know_the_token_is_not_believed() -> None:
    """Something else on the worker's address gets neither the token nor its value into the run."""
    seen: list[str] = []

    async def answer(request: Request) -> Response:
        seen.append(repr(request.headers.raw) + repr(await request.body()))
        said = '{"done": {"evidence": {"step": "E1", "tool": "first", "status": "ok", "value": "I am it"}}}\n'
        return PlainTextResponse(said, headers={proof.REPLY: proof.reply_to("guessed", "x")})

    with served(Starlette(routes=[Route("/call", answer, methods=["POST"])])) as url:
        evidence = await call(RemoteWorker(url, diamond(), token=TOKEN), "first", {"query": ""})
    assert evidence.status == "failed"
    assert "did not prove that it knows the token" in evidence.error
    assert len(seen) == 1
    assert TOKEN not in seen[0]


def test_a_call_counts_once_and_as_it_was_sent() -> None:
    """A recorded call, another body under it, another path, and an old one are each refused in a sentence."""
    body = b'{"step": {"id": "E1", "tool": "first"}, "args": {"query": ""}, "context": {}}'
    catalog = diamond()
    with (
        served(worker_app(catalog, token=TOKEN)) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        sent = headers_of(body)
        assert client.post("/call", content=body, headers=sent).status_code == 200
        for content, headers, says in (
            (body, sent, "was made before"),
            (body.replace(b"first", b"other"), headers_of(body), "not the one that was sent"),
            (body, headers_of(body, "/tools"), "token is wrong"),
            (body, headers_of(body, token="wrong"), "token is wrong"),
            (body, {"authorization": f"Bearer {TOKEN}"}, "proves no token"),
            (body, {"authorization": proof.SCHEME}, "proves no token"),
            (
                body,
                {"authorization": f"{proof.SCHEME} \xe9,\xe9,\xe9,\xe9".encode("latin-1")},
                "token is wrong",
            ),
        ):
            reply = client.post("/call", content=content, headers=headers)  # type: ignore[arg-type]
            assert (reply.status_code, says in reply.json()["error"]) == (401, True), says
    assert len(catalog["first"].tool.calls) == 1  # type: ignore[attr-defined]


def test_clocks_that_differ_are_named() -> None:
    """A call that is older than a minute, or from the future, says that the clocks have to be set."""
    for ahead in (-proof.WINDOW_S - 1, proof.WINDOW_S + 1):
        admission = proof.Admission(TOKEN, lambda ahead=ahead: time.time() + ahead)
        with pytest.raises(proof.Refused, match="set the clocks"):
            admission.admit("/call", str(proof.claim(TOKEN, "/call", b"")))


def test_calls_are_forgotten_when_they_are_too_old_anyway() -> None:
    """What a service remembers is bounded by the calls of two minutes."""
    now = 1e9
    admission = proof.Admission(TOKEN, lambda: now)
    for _ in range(200):
        admission.admit("/call", str(proof.claim(TOKEN, "/call", b"", now=now)))
        now += 1
    assert len(admission) == 2 * proof.WINDOW_S + 1


def test_a_stranger_cannot_make_a_service_read_a_large_body() -> None:
    """The caller is checked before its body is read."""
    with served(worker_app(diamond(), token=TOKEN)) as url:
        reply = httpx.post(f"{url}/call", content=b" " * (MAX_BODY + 1), trust_env=False)
    assert reply.status_code == 401


def test_a_page_in_a_browser_is_refused() -> None:
    """Browsers say where a page comes from; on loopback, without a token, that is what keeps pages out."""
    with served(worker_app(diamond())) as url:
        headers = {"origin": "http://example.org", "content-type": "text/plain"}
        reply = httpx.post(f"{url}/call", content=b"{}", headers=headers, trust_env=False)
        assert reply.status_code == 403
        assert httpx.get(f"{url}/tools", headers=headers, trust_env=False).status_code == 403


def test_a_worker_tells_whoever_knows_the_token_what_its_tools_are() -> None:
    """The graph's catalogue can be the worker's: the same cards, and tools that refuse to be called here."""
    catalog = diamond()
    with served(worker_app(catalog, token=TOKEN)) as url:
        assert httpx.get(f"{url}/tools", trust_env=False).status_code == 401
        assert httpx.get(f"{url}/ok", trust_env=False).json() == {
            "ok": True,
            "role": "worker",
            "mode": "tools",
        }
        learnt = ask_tools([url], token=TOKEN)
    assert cards_of(learnt) == cards_of(catalog)
    with pytest.raises(Exception, match="in the worker service only"):
        learnt["first"].tool.invoke({"query": ""})
