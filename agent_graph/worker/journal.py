"""Which steps may already have acted: a mark that is kept before a writing step's tool is called.

The mark is the result of a LangGraph task, so it survives a crash exactly like evidence does. It holds
the token of the attempt that made it: a resumed run that finds another attempt's mark, and no evidence,
knows that the step may or may not have acted.
"""

import uuid
from typing import NamedTuple


class Attempt(NamedTuple):
    """One life of a run: from its start, or from a resume, to its end or crash."""

    token: str

    @classmethod
    def new(cls) -> "Attempt":
        """Return a fresh attempt with a token no other has."""
        return cls(uuid.uuid4().hex)

    def is_mine(self, mark: str) -> bool:
        """Whether the mark was made in this attempt, so that the step has not acted before."""
        return mark == self.token


UNKNOWN = (
    "The run was interrupted while this step may have acted; its outcome is unknown and it was not repeated."
)
"""Error of a writing step that had started before a crash."""
