"""What a collection of Chroma is, wherever it lies: in a folder or on a server."""

from contextlib import AbstractContextManager

from retrieval.stores.chroma import ChromaCollection
from retrieval.stores.place import Place


class Placed:
    """The part of a store that its collection and its place answer."""

    embeds = True

    def __init__(self, place: Place, collection: ChromaCollection) -> None:
        self._place, self._collection = place, collection

    @property
    def name(self) -> str:
        """Name of the collection."""
        return self._collection.name

    @property
    def where(self) -> str:
        """The folder, or the address of the server."""
        return self._place.where

    @property
    def embedding(self) -> str:
        """Name of the embedding model."""
        return self._collection.embedding

    @property
    def trusted(self) -> bool:
        """Whether its text may reach a planner."""
        return self._collection.trusted

    @property
    def writing(self) -> AbstractContextManager[object]:
        """Held while a document is written; other processes may write to a server beside us."""
        return self._place.writing

    def close(self) -> None:
        """Let go of the place; the last one in the process gives up the folder or the connection."""
        self._place.release()
