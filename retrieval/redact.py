"""Take out of a document, before anything of it is stored, what must not be kept."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from retrieval.documents import Document, Section
from retrieval.loaders.extract import Unreadable
from retrieval.loaders.text import clean
from retrieval.split import text_version

Redact = Callable[[str], str]
"""Text in, text that may be stored out.

Called for the title, every heading and every stretch of text between headings. One with an attribute `version` (a
text that changes whenever it redacts differently) spares unchanged files from being read again.
"""


def redacted(document: Document, redact: Redact) -> Document:
    """Return the document as it may be stored; its places move along with the text.

    Raises Unreadable when the hook fails: what could not be redacted is not stored.
    """
    edges = sorted({0, len(document.text), *(section.start for section in document.sections)})
    names = {section.start: section.location for section in document.sections}
    texts, sections, length = list[str](), list[Section](), 0
    try:
        for start, end in pairwise(edges):
            text = clean(redact(document.text[start:end]))
            if start in names:
                sections.append(Section(length, length + len(text), clean(redact(names[start]))))
            texts.append(text)
            length += len(text)
        title = clean(redact(document.title))
    except Exception as error:
        raise Unreadable(f"the redaction failed ({type(error).__name__}), so it is not stored") from error
    made = replace(document, text="".join(texts), title=title, sections=tuple(sections))
    # a hook without a version may do anything the next time: only what it returned can be compared
    known = f"{document.version} {version(redact)}" if version(redact) else f"redacted {text_version(made)}"
    return replace(made, version=known)


def version(redact: Redact) -> str:
    """Return the version that a hook gives itself; empty when it gives none."""
    return str(getattr(redact, "version", "") or "")
