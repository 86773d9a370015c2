"""Keys, tokens and the gate, without a server: who is let in, and what is refused at the start."""

import asyncio
import base64
import hmac
import json
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from langgraph_sdk import Auth
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent_graph.cli import main
from agent_graph.errors import SettingsError, UserError
from agent_graph.gateway import auth
from agent_graph.gateway.auth import RunGate
from agent_graph.gateway.door import door_from, is_loopback
from agent_graph.gateway.gate import DEEPEST, Gate, depth
from agent_graph.gateway.keys import Keys, new_key, parse_keys, write_keys
from agent_graph.gateway.ledger import FileLedger
from agent_graph.gateway.limits import Limits, Spent, refusal
from agent_graph.gateway.signed import Refused
from agent_graph.identity import LOCAL, collection_of
from agent_graph.settings import Settings

SECRET = "a secret of at least thirty-two bytes"


def claims(**changes: Any) -> dict[str, Any]:
    return {"sub": "carol", "iss": "us", "aud": "agent", "exp": int(time.time()) + 60} | changes


def test_a_key_is_told_once_and_kept_as_a_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`keys new` prints a key that opens the door; the file has its hash, its owner only may read it."""
    assert main(["keys", "new", "alice"]) == 0
    key = capsys.readouterr().out.strip()
    file = tmp_path / "home" / "keys.json"
    assert key.split("_")[2] not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert door_from(Settings()).admit(key).identity == "alice"
    assert main(["keys", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["keys"]
    assert set(listed) == {"id", "user", "created"}


def test_a_revoked_key_opens_nothing_from_then_on(capsys: pytest.CaptureFixture[str]) -> None:
    """A running server notices that a key was taken back, and the last one leaves the door locked."""
    main(["keys", "new", "alice"])
    key = capsys.readouterr().out.strip()
    door = door_from(Settings())
    assert door.admit(key).identity == "alice"
    assert main(["keys", "revoke", key.split("_")[1]]) == 0
    with pytest.raises(Refused, match="revoked"):
        door.admit(key)
    assert not door_from(Settings()).open
    assert main(["keys", "revoke", "nothing"]) == 1


def test_without_keys_the_door_is_open() -> None:
    """With nothing configured everybody is the one local user."""
    door = door_from(Settings())
    assert door.open
    assert door.admit(None).identity == LOCAL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}x",
        '{"keys": [{"id": "a", "user": "b"}]}',
        f'{{"keys": [{{"id": "a", "user": "local", "salt": "{"a" * 32}", "hash": "{"b" * 64}"}}]}}',
        '{"keys": [{"id": "a", "user": "b", "salt": "", "hash": ""}]}',
    ],
)
def test_keys_that_cannot_be_read_stop_the_start(tmp_path: Path, text: str) -> None:
    """A keys' file that is there but broken is an error, never an open door; `serve` says so and ends."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "keys.json").write_text(text)
    with pytest.raises(SettingsError, match="keys"):
        door_from(Settings())
    assert main(["serve"]) == 1


def test_a_named_file_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    """A keys' file or a JWKS file that the settings name has to be there."""
    with pytest.raises(SettingsError, match="cannot be read"):
        door_from(Settings(keys_file=tmp_path / "none.json"))
    with pytest.raises(SettingsError, match="JWKS"):
        door_from(Settings(jwt_jwks=tmp_path / "none.json", jwt_issuer="us"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "keys.json").symlink_to(tmp_path / "not-mounted.json")
    with pytest.raises(SettingsError, match="cannot be read"):
        door_from(Settings())


def test_keys_lost_while_the_server_runs_let_nobody_in(tmp_path: Path) -> None:
    """When the file vanishes or breaks under a running server, a key that was good is refused."""
    key, kept = new_key("alice")
    path = tmp_path / "keys.json"
    write_keys(path, Keys(keys=(kept,)))
    door = door_from(Settings(keys_file=path))
    door.admit(key)
    path.write_text("{")
    with pytest.raises(Refused, match="cannot read its keys"):
        door.admit(key)


def test_keys_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """AGENT_GRAPH_KEYS holds what the file would; a wrong secret under a known id opens nothing."""
    key, kept = new_key("alice")
    monkeypatch.setenv("AGENT_GRAPH_KEYS", Keys(keys=(kept,)).model_dump_json())
    door = door_from(Settings())
    assert door.admit(key).identity == "alice"
    for wrong in (
        f"{key[:-1]}{'0' if key[-1] != '0' else '1'}",
        key.rpartition("_")[0] + "_",
        "ag__",
        "ag_" * 9000,
    ):
        with pytest.raises(Refused):
            door.admit(wrong)
    assert kept.hash not in repr(Settings())


@pytest.mark.parametrize("name", ["", " a", "local", "a\nb", "x" * 201])
def test_names_that_cannot_be_users(name: str) -> None:
    """A name nobody could tell from another, or that means everybody, is refused when the key is made."""
    with pytest.raises(UserError, match="cannot be a user"):
        new_key(name)


def test_a_signed_token_lets_in() -> None:
    """HS256 with the shared secret, our issuer, our audience and a time that is not over."""
    door = door_from(Settings(jwt_secret=SECRET, jwt_issuer="us", jwt_audience="agent"))
    assert door.admit(jwt.encode(claims(), SECRET, "HS256")) == ("carol", "token")


@pytest.mark.parametrize(
    "changes",
    [{"exp": 1}, {"iss": "them"}, {"aud": "else"}, {"sub": LOCAL}, {"sub": ""}, {"sub": 5}, {"nbf": 2**40}],
)
def test_tokens_that_are_not_good(changes: dict[str, Any]) -> None:
    """Expired, of another issuer, for another audience, for nobody: each is refused without saying too much."""
    door = door_from(Settings(jwt_secret=SECRET, jwt_issuer="us", jwt_audience="agent"))
    with pytest.raises(Refused, match="token"):
        door.admit(jwt.encode(claims(**changes), SECRET, "HS256"))


def signed_with(secret: bytes) -> str:
    """Return an HS256 token made by hand: the library refuses to make one with a public key."""
    parts = ({"alg": "HS256", "typ": "JWT", "kid": "one"}, claims())
    body = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret, body, "sha256")).rstrip(b"=")
    return b".".join((body, signature)).decode()


def test_a_token_does_not_choose_its_algorithm(tmp_path: Path) -> None:
    """With published keys only RS256 opens: not the public key used as a secret, and not an unsigned token."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    published = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [{**published, "kid": "one", "alg": "RS256", "use": "sig"}]}))
    door = door_from(Settings(jwt_jwks=path, jwt_issuer="us", jwt_audience="agent"))
    assert door.admit(jwt.encode(claims(), private, "RS256", headers={"kid": "one"})).identity == "carol"
    assert door.admit(jwt.encode(claims(), private, "RS256")).identity == "carol"
    for token in (
        signed_with(path.read_bytes()),
        jwt.encode(claims(), "", "none"),
        jwt.encode(claims(), private, "RS256", headers={"kid": "two"}),
        jwt.encode(claims(), rsa.generate_private_key(public_exponent=65537, key_size=2048), "RS256"),
    ):
        with pytest.raises(Refused):
            door.admit(token)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"jwt_secret": "short", "jwt_issuer": "us"}, "too short"),
        ({"jwt_secret": SECRET}, "ISSUER"),
        ({"jwt_secret": SECRET, "jwt_jwks": Path("x"), "jwt_issuer": "us"}, "not both"),
    ],
)
def test_weak_settings_stop_the_start(settings: dict[str, Any], told: str) -> None:
    """A secret that can be guessed, a missing issuer, two ways at once."""
    with pytest.raises(SettingsError, match=told):
        door_from(Settings(**settings))


def test_each_user_has_a_collection() -> None:
    """It depends on the name alone, no name can spell another's, and Chroma takes it."""
    assert collection_of(None, "docs") == collection_of(LOCAL, "docs") == "docs"
    mine = collection_of("alice", "docs")
    assert mine == collection_of("alice", "other") != collection_of("Alice", "docs")
    assert collection_of(mine, "docs") != mine
    assert mine.replace("-", "").isalnum()


@pytest.mark.parametrize(
    ("spent", "running", "told"),
    [
        (Spent(), 0, ""),
        (Spent(9, 99), 1, ""),
        (Spent(), 2, "2 runs going on"),
        (Spent(tokens=100), 0, "100 of 100 tokens"),
        (Spent(steps=11), 0, "11 of 10 steps"),
    ],
)
def test_limits(spent: Spent, running: int, told: str) -> None:
    """A run may start below every limit; at one of them the sentence names it."""
    said = refusal(Limits(runs=2, steps=10, tokens=100), spent, running)
    assert told in said
    assert bool(said) == bool(told)


async def test_two_requests_at_the_same_moment_cannot_both_be_the_last(tmp_path: Path) -> None:
    """With room for one more run, one of two that are asked for together starts; its place is free when it ended."""
    listed: set[str] = set()

    async def running(_: str) -> set[str]:
        await asyncio.sleep(0)  # the server is asked; meanwhile the other request comes as far
        return set(listed)

    gate = RunGate(Settings(max_runs=1), FileLedger(tmp_path / "usage.sqlite"), running)
    outcomes = await asyncio.gather(
        gate.claim("alice", "one"),
        gate.claim("alice", "two"),
        gate.claim("bob", "three"),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert [getattr(one, "status_code", None) for one in refused] == [429]
    listed.add("one")
    with pytest.raises(Auth.exceptions.HTTPException, match="1 is the most"):
        await gate.claim("alice", "four")


async def test_what_was_let_through_while_the_server_listed_its_runs_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a busy server takes to list its runs, one that was let through meanwhile has its place."""
    monkeypatch.setattr(auth, "_CLAIM_S", 0.0)
    asked, listed = asyncio.Event(), asyncio.Event()

    async def running(_: str) -> set[str]:
        if not asked.is_set():
            asked.set()
            await listed.wait()
        return set()

    gate = RunGate(Settings(max_runs=1), FileLedger(tmp_path / "usage.sqlite"), running)
    slow = asyncio.create_task(gate.claim("alice", "one"))
    await asked.wait()
    await gate.claim("alice", "two")
    listed.set()
    with pytest.raises(Auth.exceptions.HTTPException, match="1 is the most"):
        await slow


async def _echo(request: Request) -> Response:
    return JSONResponse({"bytes": len(await request.body())})


def gated(settings: Settings, server: str = "127.0.0.1") -> httpx.AsyncClient:
    door = door_from(settings)
    app = Starlette(
        routes=[Route("/{rest:path}", _echo, methods=["GET", "POST"])],
        middleware=[Middleware(Gate, door=door, most_bytes=settings.max_request_bytes)],
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{server}")


@pytest.mark.parametrize(
    ("server", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("localhost", {}, 200),
        ("[::1]", {}, 200),
        ("10.0.0.5", {}, 403),
        ("127.0.0.1", {"host": "evil.example"}, 403),
        ("127.0.0.1", {"origin": "https://evil.example"}, 403),
        ("127.0.0.1", {"origin": "null"}, 403),
        ("127.0.0.1", {"origin": "http://localhost:3000"}, 200),
        ("127.0.0.1", {"origin": "https://smith.langchain.com"}, 200),
    ],
)
async def test_an_open_server_answers_its_own_machine(
    server: str, headers: dict[str, str], status: int
) -> None:
    """Without keys: not on another address, not by another name, not for another site's page."""
    async with gated(Settings(), server) as client:
        assert (await client.post("/runs", json={}, headers=headers)).status_code == status


async def test_what_passes_the_gate_arrives_whole() -> None:
    """The body is read at the gate and handed on unchanged; one byte more than allowed is 413."""
    async with gated(Settings(max_request_bytes=1000)) as client:
        assert (await client.post("/x", content=b"x" * 1000)).json() == {"bytes": 1000}
        assert (await client.post("/x", content=b"x" * 1001)).status_code == 413


@pytest.mark.parametrize(
    ("body", "level"),
    [
        (b"", 0),
        (b'{"a": [1, {"b": 2}]}', 3),
        (b'["[[[[[[", "\\"[[[", 1]', 1),
        (b'{"a": "[[', 1),
        (b'"' + b"\\" * 100_001, 0),
        (b'"' + b'\\"' * 1_000_000, 0),
        (b"[" * 1_000_000, DEEPEST + 1),
    ],
)
def test_depth(body: bytes, level: int) -> None:
    """Brackets in strings do not count, and hostile bodies are measured in one pass."""
    began = time.perf_counter()
    assert depth(body) == level
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("192.168.1.2", False),
    ],
)
def test_loopback(host: str, own: bool) -> None:
    """Which names mean this machine."""
    assert is_loopback(host) == own


def test_parsed_keys_name_their_origin() -> None:
    """The sentence says where the broken keys are."""
    with pytest.raises(SettingsError, match="AGENT_GRAPH_KEYS"):
        parse_keys("[]", origin="AGENT_GRAPH_KEYS")
