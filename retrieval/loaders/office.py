"""What office files have in common: zip archives and OLE containers, opened with care."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from retrieval.loaders.extract import Unreadable

MAX_UNPACKED = 512 * 2**20
"""Bytes an archive may unpack to."""
_MAX_RATIO = 200
"""How many times its size an archive may unpack to, once that is more than a few megabytes."""
_SMALL = 16 * 2**20
_MAX_ENTRIES = 10_000


@contextmanager
def archive(raw: bytes, *, of: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive that is not a bomb; Python's reader holds every entry to the size it declares.

    Raises Unreadable for anything else, naming what it should have been by `of`.
    """
    try:
        opened = zipfile.ZipFile(BytesIO(raw))
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as error:
        raise Unreadable(f"not a readable {of}") from error
    with opened:
        entries = opened.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        if len(entries) > _MAX_ENTRIES or unpacked > MAX_UNPACKED:
            raise Unreadable(f"too large: it unpacks to {unpacked:,} bytes in {len(entries):,} files")
        if unpacked > _SMALL and unpacked > _MAX_RATIO * len(raw):
            raise Unreadable(f"too large: {len(raw):,} bytes unpack to {unpacked:,}, as in a zip bomb")
        if any(entry.flag_bits & 1 for entry in entries):
            raise Unreadable("protected by a password")
        yield opened


def ole_streams(raw: bytes) -> set[str]:
    """Return the names of the top streams in an OLE container, as old office files are.

    Raises Unreadable when it is broken.
    """
    import olefile

    try:
        with olefile.OleFileIO(BytesIO(raw)) as container:
            return {str(path[0]) for path in container.listdir(streams=True, storages=True)}
    except Exception as error:
        # the parser of other people's files raises anything
        raise Unreadable("not a readable office file") from error
