"""API keys: told once, kept only as hashes.

A key reads `ag_<id>_<secret>`. The id finds its line; the secret is 32 random bytes, of which the file keeps the
scrypt hash.
"""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from agent_graph.errors import SettingsError, UserError
from agent_graph.gateway.identity import checked_identity

PREFIX = "ag"
_COST = {"n": 2**14, "r": 8, "p": 1}


class HashedKey(BaseModel):
    """What is kept of a key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    user: str
    salt: str
    """Hexadecimal."""
    hash: str
    """Hexadecimal scrypt hash of the secret."""
    created: str = ""
    """Day it was made, as YYYY-MM-DD."""

    _name = field_validator("user")(checked_identity)

    @field_validator("salt", "hash")
    @classmethod
    def _hexadecimal(cls, value: str) -> str:
        if len(bytes.fromhex(value)) < 16:
            raise ValueError("it is too short for a hash")
        return value


class Keys(BaseModel):
    """All keys of a server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[HashedKey, ...] = ()

    def find(self, key: str) -> HashedKey | None:
        """Return the line of a key, or None when it is not one of these."""
        prefix, _, rest = key.partition("_")
        name, _, secret = rest.partition("_")
        if prefix != PREFIX or not secret:
            return None
        for kept in self.keys:
            if kept.id == name and hmac.compare_digest(_hash(secret, kept.salt), kept.hash):
                return kept
        return None

    def without(self, name: str) -> "Keys":
        """Return the keys without one of them.

        Raises UserError when there is none with this id.
        """
        left = tuple(kept for kept in self.keys if kept.id != name)
        if len(left) == len(self.keys):
            raise UserError(f"There is no key {name!r}. See: agent-graph keys list")
        return Keys(keys=left)


def new_key(user: str) -> tuple[str, HashedKey]:
    """Return a new key as it is told to its user, and what is kept of it.

    Raises UserError when the name cannot stand for a user.
    """
    try:
        checked_identity(user)
    except ValueError as error:
        raise UserError(f"{user!r} cannot be a user: {error}.") from error
    name, secret, salt = secrets.token_hex(4), secrets.token_hex(32), secrets.token_hex(16)
    kept = HashedKey(
        id=name, user=user, salt=salt, hash=_hash(secret, salt), created=datetime.now(UTC).date().isoformat()
    )
    return f"{PREFIX}_{name}_{secret}", kept


def read_keys(path: Path) -> Keys:
    """Read a file of keys.

    Raises SettingsError when it cannot be read: a server that cannot tell who asks lets nobody in.
    """
    try:
        return parse_keys(path.read_text(encoding="utf-8"), origin=str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SettingsError(f"The keys' file {str(path)!r} cannot be read: {reason}.") from error


def parse_keys(text: str, *, origin: str) -> Keys:
    """Read keys from JSON.

    Raises SettingsError naming what is wrong and where.
    """
    try:
        return Keys.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise SettingsError(
            f"The keys in {origin!r} cannot be used: {place or 'the whole'}: {first['msg']}. "
            "Make keys with: agent-graph keys new USER"
        ) from error


def write_keys(path: Path, keys: Keys) -> None:
    """Replace the file at once, readable by its owner only.

    Raises OSError when the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, written = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # made with mode 600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(keys.model_dump(mode="json"), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        Path(written).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(written).unlink()
        raise


def _hash(secret: str, salt: str) -> str:
    return hashlib.scrypt(secret.encode(), salt=bytes.fromhex(salt), **_COST).hex()
