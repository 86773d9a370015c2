"""Every error retrieval raises on purpose; each message is one sentence that says what to do.

RetrievalError
├── PlaceUnusable, OSError            the folder or server cannot be used at all
│   ├── PlaceBusy                     another process owns the folder
│   ├── PlaceDamaged                  Chroma cannot read what it stored
│   └── ServerBusy, ConnectionError   the server is out of reach or overloaded; asking again may help
├── EmbeddingMismatch, ValueError     the collection was made with other embeddings
├── EmbeddingsFailed, ValueError      the embedding model returned something that is no vectors
├── CollectionForeign, ValueError     the collection was not made by this package, or by another version of it
├── BadRequest, ValueError            a query, filter, name or setting that cannot work
├── DocumentMissing, FileNotFoundError  a path to ingest that is not there
├── EngineMissing, ImportError        an ingest was to run on Ray, which is not installed
├── EngineFailed, RuntimeError        Ray cannot be reached, or its actors keep dying; what was ingested is kept
├── NotWritable, RuntimeError         a knowledge that only reads was asked to change
└── KnowledgeClosed, RuntimeError     used after close()
"""


class RetrievalError(Exception):
    """Base of everything retrieval raises on purpose."""


class PlaceUnusable(RetrievalError, OSError):
    """The folder or the server cannot be used."""


class PlaceBusy(PlaceUnusable):
    """Another process owns the folder."""


class PlaceDamaged(PlaceUnusable):
    """Chroma reports that it cannot read or write what it stored."""


class ServerBusy(PlaceUnusable, ConnectionError):
    """The server is out of reach, restarting or overloaded; asking again may help."""


class EmbeddingMismatch(RetrievalError, ValueError):
    """The collection holds vectors of another embedding model or dimension."""


class EmbeddingsFailed(RetrievalError, ValueError):
    """The embedding model returned too few vectors, or vectors that are no numbers."""


class CollectionForeign(RetrievalError, ValueError):
    """The collection was made by another program, or by another version of this one."""


class BadRequest(RetrievalError, ValueError):
    """A query, filter, name or setting that cannot work."""


class DocumentMissing(RetrievalError, FileNotFoundError):
    """A path to ingest that is not there."""


class EngineMissing(RetrievalError, ImportError):
    """An ingest was to run on Ray, which is not installed."""


class EngineFailed(RetrievalError, RuntimeError):
    """Ray cannot be reached or started, or its actors keep dying; what was ingested is kept."""


class NotWritable(RetrievalError, RuntimeError):
    """A knowledge that was opened to read, or that lies in somebody else's store, was asked to change."""


class KnowledgeClosed(RetrievalError, RuntimeError):
    """A knowledge was used after it was closed."""
