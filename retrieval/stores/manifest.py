"""What the ids of passages tell: which versions of documents are there, and which of them are whole."""

import re
from collections.abc import Iterable
from typing import NamedTuple

_ID = re.compile(r"(?P<version>[0-9a-f]{20}-(?P<count>[0-9a-f]+))-[0-9a-f]+")


class Version(NamedTuple):
    """The passages of one version of a document, as far as they are there."""

    ids: list[str]
    whole: bool


def versions(ids: Iterable[str]) -> list[Version]:
    """Return the versions that ids belong to, in order of their first id.

    An id that `passage_id` did not make is a version of its own.
    """
    grouped: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for key in ids:
        match = _ID.fullmatch(key)
        version = match["version"] if match else key
        counts[version] = int(match["count"], 16) if match else 1
        grouped.setdefault(version, []).append(key)
    return [Version(held, len(held) == counts[version]) for version, held in grouped.items()]


def opening_of(key: str) -> tuple[str, int]:
    """Return the id of the first passage of the same version, and how many passages the version has."""
    match = _ID.fullmatch(key)
    return (f"{match['version']}-0", int(match["count"], 16)) if match else (key, 1)
