"""Letters: eml by the standard library, msg by oxmsg; attachments are read like files of their own."""

import email.policy
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from io import BytesIO
from typing import Any

from retrieval.loaders.extract import Extract, Parts, Unreadable
from retrieval.loaders.html import as_markdown
from retrieval.loaders.text import clean, decode_as

Attached = Callable[[bytes, str], Extract]
"""Reads an attachment, given its bytes and its name."""

_HEADERS = ("Subject", "From", "To", "Cc", "Bcc", "Date")
_MAX_ATTACHMENTS = 50


def eml(raw: bytes, attached: Attached) -> Extract:
    """Read an internet message: its headers, its text (the plain version when there is one), its attachments."""
    message = BytesParser(policy=email.policy.default).parsebytes(raw)
    headers = [(name, _header(message, name)) for name in _HEADERS]
    body = message.get_body(("plain", "html"))
    text = _text(body) if body is not None else ""
    if body is not None and not text.strip():
        other = message.get_body(("html",))
        text = _text(other) if other is not None else ""
    files = ((_name(part), _payload(part)) for part in message.iter_attachments())
    return _letter(headers, text, files, attached)


def msg(raw: bytes, attached: Attached) -> Extract:
    """Read an Outlook message."""
    from oxmsg import Message

    try:
        message: Any = Message.load(BytesIO(raw))
        to = ", ".join(f"{one.name} <{one.email_address}>" for one in message.recipients)
        sent = str(message.sent_date.replace(microsecond=0)) if message.sent_date else ""
        headers = [("Subject", message.subject), ("From", message.sender), ("To", to), ("Date", sent)]
        text = message.body or (as_markdown(message.html_body)[0] if message.html_body else "")
        files = [(one.file_name or "attachment", one.file_bytes or b"") for one in message.attachments]
    except Exception as error:
        # the parser of other people's files raises anything
        raise Unreadable(f"not a readable Outlook message ({type(error).__name__})") from error
    return _letter(
        [(name, clean(value or "")) for name, value in headers], clean(text), iter(files), attached
    )


def _letter(
    headers: list[tuple[str, str]], text: str, files: Iterator[tuple[str, bytes]], attached: Attached
) -> Extract:
    given = [(name, " ".join(value.split())) for name, value in headers]
    head = "\n".join(f"{name}: {value}" for name, value in given if value)
    parts = Parts()
    parts.add("\n\n".join(filter(None, [head, text.strip()])), "message")
    for number, (name, raw) in enumerate(files):
        if number < _MAX_ATTACHMENTS:
            _attach(parts, clean(name), raw, attached)
    return parts.extract("email", dict(given).get("Subject", ""))


def _attach(parts: Parts, name: str, raw: bytes, attached: Attached) -> None:
    try:
        extract = attached(raw, name)
    except Unreadable as error:
        parts.add(f"Attachment {name} ({error})", f"attachment {name}")
    else:
        parts.add(f"Attachment {name}:\n\n{extract.text}", f"attachment {name}")


def _header(message: EmailMessage, name: str) -> str:
    try:
        return clean(", ".join(str(value) for value in message.get_all(name, [])))
    except (ValueError, TypeError, AttributeError, IndexError, KeyError):
        return ""  # the parser of headers gives up on some malformed ones


def _text(part: Any) -> str:
    raw = _payload(part)
    text = decode_as(raw, part.get_content_charset()) if raw.strip() else ""
    return as_markdown(text)[0] if part.get_content_subtype() == "html" else text


def _payload(part: Any) -> bytes:
    if part.get_content_type() == "message/rfc822":
        return b"".join(bytes(inner) for inner in part.get_payload())
    return bytes(part.get_payload(decode=True) or b"")


def _name(part: Any) -> str:
    kept = part.get_filename()
    return str(kept or ("message.eml" if part.get_content_type() == "message/rfc822" else "attachment"))
