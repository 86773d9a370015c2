"""One collection per tenant: which one is asked for anew at every search, never taken from the search itself."""

import asyncio
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence

from retrieval.documents import Filters, Hit
from retrieval.errors import KnowledgeClosed
from retrieval.knowledge import Knowledge

MOST_OPEN = 256
"""Collections kept open; the one that was not used for longest gives way."""


class Tenants:
    """Searches the collection of whoever it is that asks, and no other."""

    def __init__(
        self, open_collection: Callable[[str], Knowledge], collection_of_caller: Callable[[], str]
    ) -> None:
        """Take how a collection is opened, and what names the one of the caller."""
        self._open, self._of_caller = open_collection, collection_of_caller
        self._held: OrderedDict[str, Knowledge] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = False

    def mine(self) -> Knowledge:
        """Return the caller's collection, opened when it is not yet; blocks meanwhile."""
        return self._opened(self._of_caller())

    async def asearch(
        self, query: str, *, k: int = 6, filters: Filters | None = None, diversity: float = 0.0
    ) -> Sequence[Hit]:
        """Search the caller's collection; raises as `Knowledge.search` does."""
        knowledge = await asyncio.to_thread(self.mine)
        return await knowledge.asearch(query, k=k, filters=filters, diversity=diversity)

    def for_planning(self) -> Knowledge | None:
        """Return what of the caller's collection may be shown to a planner."""
        return self.mine().for_planning()

    def close(self) -> None:
        """Close every collection; a search under way keeps its own open until it ends."""
        with self._lock:
            self._closed = True
            self._held.clear()

    def _opened(self, collection: str) -> Knowledge:
        with self._lock:
            if self._closed:
                raise KnowledgeClosed("The collections of the tenants are closed; open them again.")
            held = self._held.pop(collection, None)
            if held is None:
                held = self._open(collection)
                weakref.finalize(held, held.store.close)  # whoever still searches it keeps it open
            self._held[collection] = held
            if len(self._held) > MOST_OPEN:
                self._held.popitem(last=False)
            return held
