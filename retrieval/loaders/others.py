"""Formats that need a heavy library, and formats that a user's own function reads."""

from importlib import import_module

from retrieval.loaders.extract import Extract, Unreadable
from retrieval.loaders.text import clean, first_heading, headed

_MEDIA_TYPES = {".doc": "application/msword", ".ppt": "application/vnd.ms-powerpoint"}


def old_office(raw: bytes, suffix: str) -> Extract:
    """Read Word and PowerPoint files from before 2007 with kreuzberg, where that is installed."""
    try:
        import kreuzberg
    except ImportError:
        raise Unreadable(
            "an office file from before 2007: save it in today's format, or pip install 'agent-graph[documents]'"
        ) from None
    media = _MEDIA_TYPES.get(suffix, "application/msword")
    text = clean(kreuzberg.extract_bytes_sync(raw, media).content).strip()
    sections = headed(text)
    return Extract(text, "slides" if suffix == ".ppt" else "word", first_heading(sections), sections)


def own(raw: bytes, name: str, where: str) -> Extract:
    """Read a file with the function at "module:function": bytes and name in, text in Markdown out."""
    module, _, function = where.partition(":")
    text = clean(str(getattr(import_module(module), function)(raw, name))).strip()
    sections = headed(text)
    return Extract(text, "text", first_heading(sections), sections)
