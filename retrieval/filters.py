"""What a filter may say, and whether a passage passes it."""

from collections.abc import Mapping

from retrieval.documents import FIELDS, Filters, Passage
from retrieval.errors import BadRequest


def checked_filters(filters: Filters | None) -> Filters | None:
    """Return filters that can be applied, None for empty ones; raises BadRequest for others."""
    if not isinstance(filters or {}, Mapping):
        raise BadRequest(f"filters must be a mapping of {', '.join(FIELDS)}, not a {type(filters).__name__}.")
    for field, wanted in (filters or {}).items():
        if field not in FIELDS:
            raise BadRequest(f"There is no filter {field!r}; filter by {', '.join(FIELDS)}.")
        several = [wanted] if isinstance(wanted, str) else wanted
        if (
            not isinstance(several, list | tuple | set | frozenset)
            or not several
            or not all(isinstance(value, str) for value in several)
        ):
            raise BadRequest(f"The filter {field!r} must be a text or a list of texts, not {wanted!r}.")
    return filters or None


def passes(passage: Passage, filters: Filters | None) -> bool:
    """Whether every field named has one of the values wanted."""
    return all(
        getattr(passage, field) in ([wanted] if isinstance(wanted, str) else wanted)
        for field, wanted in (filters or {}).items()
    )
