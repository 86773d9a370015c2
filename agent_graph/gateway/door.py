"""Letting people in: by key, by token, or, on an open server, everybody on its own machine."""

import hashlib
import ipaddress
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from agent_graph.errors import SettingsError
from agent_graph.gateway.identity import User
from agent_graph.gateway.keys import PREFIX, Keys, parse_keys, read_keys
from agent_graph.gateway.signed import Refused, Tokens, tokens_from
from agent_graph.identity import LOCAL
from agent_graph.settings import Settings

_log = logging.getLogger(__name__)

WANTED = "Send a key or a token: Authorization: Bearer <it>. The operator makes keys with: agent-graph keys new USER"
OPEN_WARNING = (
    "This server asks nobody for a key: every program on this machine can use it, and it answers no other machine. "
    "To let others in, make keys: agent-graph keys new USER"
)
_LONGEST_CREDENTIAL = 16_384


class Door(Protocol):
    """Decides who comes in."""

    open: bool
    """Whether nobody is asked, and so only this machine may come."""

    def admit(self, credential: str | None) -> User:
        """Return who it is that sent this key or token.

        Raises Refused with a sentence for whoever sent it.
        """
        ...


class OpenDoor:
    """Lets everybody in as the one local user."""

    open = True

    def admit(self, credential: str | None) -> User:
        """Return the local user."""
        del credential
        return User(LOCAL)


class LockedDoor:
    """Lets in who has a key or a token; keys that were added or revoked count at once."""

    open = False

    def __init__(self, keys: Callable[[], Keys], tokens: Tokens | None) -> None:
        self._keys, self._tokens = keys, tokens
        self._seen: tuple[Keys, dict[str, str]] = (Keys(), {})
        """Digests of keys that were found good, while the keys are these: scrypt is slow on purpose."""

    def admit(self, credential: str | None) -> User:
        """Return whose key or token it is."""
        if not credential:
            raise Refused(WANTED)
        if len(credential) > _LONGEST_CREDENTIAL:
            raise Refused("That is too long for a key or a token.")
        if credential.startswith(f"{PREFIX}_"):
            return self._by_key(credential)
        if self._tokens is None:
            raise Refused("The key is not one of this server's.")
        return User(self._tokens.identity(credential), "token")

    def _by_key(self, key: str) -> User:
        try:
            keys = self._keys()
        except SettingsError as error:
            _log.error("Nobody is let in by key: %s", error)
            raise Refused("The server cannot read its keys; nobody is let in. Tell its operator.") from error
        if keys is not self._seen[0]:
            self._seen = (keys, {})
        good, digest = self._seen[1], hashlib.sha256(key.encode()).hexdigest()
        if digest not in good:
            found = keys.find(key)
            if found is None:
                raise Refused("The key is not one of this server's, or it was revoked.")
            good[digest] = found.user
        return User(good[digest], "key")


class KeysFile:
    """The keys in a file, read again whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, int, int], Keys] | None = None

    def __call__(self) -> Keys:
        """Return the keys as they stand.

        Raises SettingsError when the file cannot be read.
        """
        with self._lock:
            try:
                status = self._path.stat()
            except OSError as error:
                raise SettingsError(
                    f"The keys' file {str(self._path)!r} cannot be read: {error.strerror}."
                ) from error
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if self._read is None or self._read[0] != stamp:
                self._read = (stamp, read_keys(self._path))
            return self._read[1]


def door_from(settings: Settings) -> Door:
    """Return the door that the settings ask for; without keys, a keys' file or tokens it is open.

    Raises SettingsError when one of them is named and cannot be used.
    """
    tokens = tokens_from(settings)
    keys = _keys(settings)
    if keys is None and tokens is None:
        return OpenDoor()
    return LockedDoor(keys or Keys, tokens)


def _keys(settings: Settings) -> Callable[[], Keys] | None:
    if settings.keys is not None:
        given = parse_keys(settings.keys.get_secret_value(), origin="AGENT_GRAPH_KEYS")
        return lambda: given
    path = settings.keys_place
    if settings.keys_file is None and not _is_there(path):
        return None
    file = KeysFile(path)
    file()  # what cannot be read is told at the start, not to the first who asks
    return file


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:  # there is something, and it cannot be looked at: not a reason to let everybody in
        return True
    return True


def is_loopback(host: str) -> bool:
    """Whether an address, or the name in a Host header, means this machine itself."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
