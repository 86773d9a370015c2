"""What Chroma and its transport raise, as errors that say what to do; and asking a server again."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar, cast

from retrieval.errors import PlaceDamaged, PlaceUnusable, ServerBusy

T = TypeVar("T")

_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_LITTLE_SPACE = 2**20
_FIRST_WAIT_S = 0.4
_LONGEST_WAIT_S = 5.0


def asked_again(question: Callable[[], T], *, where: str, retries: int) -> T:
    """Return the answer of a server, asked up to `retries` times more while it is out of reach or overloaded.

    Only for questions that may be asked twice: those to Chroma all may, since ids are fingerprints of content.
    """
    if not retries:
        return _translating(question, where)
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    attempts = Retrying(
        stop=stop_after_attempt(retries + 1),
        wait=wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
        retry=retry_if_exception_type(ServerBusy),
        reraise=True,
    )
    return cast("T", attempts(_translating, question, where))


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what Chroma and its transport raise into our errors; NotFoundError and mistakes of ours pass."""
    import httpx
    from chromadb.errors import AuthorizationError, ChromaAuthError, ChromaError, InternalError

    try:
        yield
    except httpx.HTTPError as error:
        raise ServerBusy(
            f"The Chroma server at {where} did not answer ({error or type(error).__name__}). "
            "Check that it is running and reachable."
        ) from error
    except (AuthorizationError, ChromaAuthError) as error:
        raise _refused(where) from error
    except InternalError as error:
        raise _damaged(where, error) from error
    except ChromaError:
        raise
    except Exception as error:
        status = _status(error)
        if status in (401, 403):
            raise _refused(where) from error
        if status in _TRANSIENT:
            raise ServerBusy(
                f"What answers at {where} is overloaded or restarting (status {status}). Try again in a while."
            ) from error
        if status == 413:
            raise PlaceUnusable(
                f"The server at {where} refuses requests of this size (status 413). Raise the body limit of the "
                "proxy before it to 40 MiB."
            ) from error
        raise


def _translating(question: Callable[[], T], where: str) -> T:
    with translated(where):
        return question()


def _status(error: Exception) -> int:
    # Chroma's client raises a bare Exception for an answer that is not Chroma's, with the status in its context
    import httpx

    context = error.__context__
    return context.response.status_code if isinstance(context, httpx.HTTPStatusError) else 0


def _refused(where: str) -> PlaceUnusable:
    return PlaceUnusable(f"The server at {where} refused the token. Pass the right one as token=.")


def _damaged(where: str, error: Exception) -> PlaceUnusable:
    if "://" in where:
        return PlaceDamaged(
            f"The Chroma server at {where} cannot work with what it stored ({error}). Stop it and open its folder "
            "once without it: a damaged index is found and rebuilt from the stored passages."
        )
    with suppress(OSError):
        if shutil.disk_usage(where).free < _LITTLE_SPACE:
            return PlaceUnusable(f"The disk of {where} is full ({error}). Free some space and open it again.")
    return PlaceDamaged(
        f"Chroma cannot work with what is stored in {where} ({error}). Check that the disk is writable and has "
        "space, then open the folder again: a damaged index is found and rebuilt from the stored passages."
    )
