"""Asking a worker service which tools it has, when the graph is built."""

from collections.abc import Callable, Sequence

import httpx
from pydantic import ValidationError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from agent_graph.errors import SettingsError
from agent_graph.services import proof
from agent_graph.services.cards import catalog_of
from agent_graph.services.trust import distrust, trusted
from agent_graph.services.wire import Offered
from tools.catalog import Catalog
from tools.errors import CatalogError

PATH = "/tools"
STARTING_S = 30.0
"""Seconds a worker that is starting beside the graph is waited for."""


class _NoAnswer(Exception):
    """No replica answered in this round."""


def ask_tools(
    urls: Sequence[str], *, token: str | None = None, ca: str | None = None, patience_s: float = STARTING_S
) -> Catalog:
    """Return the catalogue of the first worker replica that answers; its tools refuse to be called here.

    `token` and `ca` as in `RemoteWorker`. Raises SettingsError when none does within `patience_s`, when what
    answers cannot be trusted, or is no catalogue.
    """
    asking = Retrying(
        retry=retry_if_exception_type(_NoAnswer),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        stop=stop_after_delay(patience_s),
        reraise=True,
    )
    try:
        return asking(_first, urls, token, ca)
    except _NoAnswer as error:
        raise SettingsError(
            f"No worker service answered within {patience_s:g} s ({error}); start it with `agent-graph role "
            "worker`, or mend AGENT_GRAPH_WORKER_URLS."
        ) from error


def _first(urls: Sequence[str], token: str | None, ca: str | None) -> Catalog:
    faults: list[str] = []
    with httpx.Client(verify=trusted(ca), trust_env=False, timeout=5) as client:
        for url in urls:
            try:
                return _asked(client.get, url.rstrip("/"), token)
            except httpx.HTTPError as error:
                if reason := distrust(error):
                    raise SettingsError(f"The worker service at {url} {reason}.") from error
                faults.append(f"{url}: {type(error).__name__}")
    raise _NoAnswer("; ".join(faults))


def _asked(get: Callable[..., httpx.Response], url: str, token: str | None) -> Catalog:
    claim = proof.claim(token, PATH, b"") if token is not None else None
    reply = get(f"{url}{PATH}", headers={"authorization": str(claim)} if claim else {})
    if reply.status_code == 401:
        raise SettingsError(
            f"The worker service at {url} refused the call; set the same AGENT_GRAPH_SERVICE_TOKEN on both "
            "sides, and their clocks."
        )
    given = reply.raise_for_status().headers.get(proof.REPLY, "")
    if claim is not None and not proof.is_reply_to(token or "", claim.mac, given):
        raise SettingsError(
            f"What answers at {url} did not prove that it knows the token; set the same "
            "AGENT_GRAPH_SERVICE_TOKEN on both sides."
        )
    try:
        return catalog_of(Offered.model_validate_json(reply.content).tools)
    except (ValidationError, CatalogError) as error:
        raise SettingsError(f"What answers at {url} is no worker service of this version.") from error
