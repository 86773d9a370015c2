"""Signed tokens (JWT): from a shared secret (HS256) or from published keys (RS256), never a mixture.

The algorithm follows from what the operator configured; what a token says of its own algorithm only has to agree.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jwt

from agent_graph.errors import SettingsError
from agent_graph.gateway.identity import checked_identity
from agent_graph.settings import Settings

_SHORTEST_SECRET = 32
_LEEWAY_S = 30
"""Clocks of two machines may differ by this much."""


class Refused(Exception):
    """A key or token that opens nothing; the message may be told to whoever sent it."""


class Tokens(NamedTuple):
    """How tokens are verified."""

    algorithm: str
    secret: str
    published: dict[str, Any]
    """Public keys by their id; empty for HS256."""
    issuer: str
    audience: str | None

    def identity(self, token: str) -> str:
        """Return the subject of a token.

        Raises Refused when the token is not a good one, with the reason.
        """
        try:
            claims = jwt.decode(
                token,
                self._key(token),
                algorithms=[self.algorithm],
                issuer=self.issuer,
                audience=self.audience,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "sub", "iss"], "verify_aud": self.audience is not None},
            )
            return checked_identity(str(claims["sub"]))
        except jwt.ExpiredSignatureError as error:
            raise Refused("The token has expired; get a new one.") from error
        except (jwt.PyJWTError, ValueError) as error:
            raise Refused("The token is not valid here.") from error

    def _key(self, token: str) -> Any:
        if not self.published:
            return self.secret
        name = jwt.get_unverified_header(token).get("kid")
        if name is None and len(self.published) == 1:
            return next(iter(self.published.values()))
        if name not in self.published:
            raise jwt.InvalidKeyError("unknown key id")
        return self.published[name]


def tokens_from(settings: Settings) -> Tokens | None:
    """Return how tokens are verified, or None when the settings name neither a secret nor keys.

    Raises SettingsError for a secret that is too short, a key file that cannot be read, and a missing issuer.
    """
    if settings.jwt_secret is None and settings.jwt_jwks is None:
        return None
    if settings.jwt_secret is not None and settings.jwt_jwks is not None:
        raise SettingsError("Set AGENT_GRAPH_JWT_SECRET or AGENT_GRAPH_JWT_JWKS, not both.")
    if not settings.jwt_issuer:
        raise SettingsError(
            "Set AGENT_GRAPH_JWT_ISSUER: a token of another issuer must not open this server."
        )
    issuer, audience = settings.jwt_issuer, settings.jwt_audience
    if settings.jwt_jwks is not None:
        return Tokens("RS256", "", _published(settings.jwt_jwks.expanduser()), issuer, audience)
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else ""
    if len(secret.encode()) < _SHORTEST_SECRET:
        raise SettingsError(
            f"AGENT_GRAPH_JWT_SECRET is too short: use {_SHORTEST_SECRET} random bytes or more."
        )
    return Tokens("HS256", secret, {}, issuer, audience)


def _published(path: Path) -> dict[str, Any]:
    try:
        found = jwt.PyJWKSet.from_dict(json.loads(path.read_text(encoding="utf-8"))).keys
    except (OSError, ValueError, AttributeError, TypeError, jwt.PyJWTError) as error:
        raise SettingsError(
            f"AGENT_GRAPH_JWT_JWKS={str(path)!r} is not a readable JWKS file: {error}"
        ) from error
    usable = {key.key_id or "": key.key for key in found if key.algorithm_name == "RS256"}
    if not usable:
        raise SettingsError(f"AGENT_GRAPH_JWT_JWKS={str(path)!r} holds no RS256 key.")
    return usable
