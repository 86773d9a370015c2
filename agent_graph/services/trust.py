"""Whom the client side believes: the certificates that an https:// address of a service is proven by."""

import ssl
from collections.abc import Iterator
from functools import lru_cache

from agent_graph.errors import SettingsError

_PASSING = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""What a service that is killed in the middle of a handshake looks like."""


@lru_cache(maxsize=8)
def trusted(ca: str | None) -> ssl.SSLContext:
    """Return what checks certificates against those in the file `ca`; None takes the system's.

    Kept, because reading certificates takes longer than a call on the same machine. Raises SettingsError for a
    file that holds none.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise SettingsError(
            f"AGENT_GRAPH_SERVICE_CA is not usable: {ca!r} cannot be read as certificates in PEM "
            f"({error.strerror or error})."
        ) from error


def distrust(error: BaseException) -> str:
    """Say why a connection that failed will not come about by trying again; empty when it may."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"shows a certificate that is not trusted here ({cause.verify_message}); set "
                "AGENT_GRAPH_SERVICE_CA to the file of the CA that signed it, and use a name in its address that "
                "the certificate is for"
            )
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, _PASSING):
            return (
                f"does not speak TLS as https:// says ({cause.reason}); write http://, or serve it with "
                "AGENT_GRAPH_SERVICE_CERT and AGENT_GRAPH_SERVICE_KEY"
            )
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
