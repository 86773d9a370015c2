"""What an OpenAI-compatible server can do wrong, as values to put among its replies."""

from dataclasses import dataclass
from typing import Literal

from langchain_core.messages import AIMessage

from agent_graph.testing.script import Drop, Reply, Stall

FaultKind = Literal["status", "broken_json", "empty", "refusal", "wrong_content_type", "length"]
"""How a reply is wrong; Drop and Stall are faults too, and both stand-ins take them."""

_TEXT = "This reply never reaches its end, because the script says so."


@dataclass(frozen=True)
class Fault:
    """One wrong reply; make it with a constructor below."""

    kind: FaultKind
    text: str = ""
    """What the reply says, where it says something."""
    code: int = 200
    """The HTTP status."""
    retry_after: float | None = None
    """Seconds, sent as the Retry-After header."""

    @classmethod
    def status(cls, code: int, *, retry_after: float | None = None, text: str = "") -> "Fault":
        """Return an HTTP error in OpenAI's error shape."""
        return cls("status", text or f"The script answers with status {code}.", code, retry_after)

    @classmethod
    def broken_json(cls) -> "Fault":
        """Return status 200 and JSON that is cut off, as one body or as one event of a stream."""
        return cls("broken_json")

    @classmethod
    def empty(cls) -> "Fault":
        """Return a well-formed reply with no text."""
        return cls("empty")

    @classmethod
    def refusal(cls, text: str) -> "Fault":
        """Return a reply in which the model declines, with the reason in `refusal`."""
        return cls("refusal", text)

    @classmethod
    def wrong_content_type(cls) -> "Fault":
        """Return status 200 and a page of HTML, as a proxy in the way does."""
        return cls("wrong_content_type")

    @classmethod
    def length(cls, text: str) -> "Fault":
        """Return a reply that ran into its token limit (finish_reason "length")."""
        return cls("length", text)

    @staticmethod
    def stall(after_chars: int = 0, text: str = _TEXT) -> Stall:
        """Return a reply that falls silent after some characters, with the connection held open."""
        return Stall(text, after=after_chars)

    @staticmethod
    def drop(after_chars: int = 0, text: str = _TEXT) -> Drop:
        """Return a reply whose connection is cut after some characters."""
        return Drop(text, after=after_chars)

    @property
    def message(self) -> AIMessage | None:
        """The message, for faults that arrive as a well-formed reply."""
        if self.kind == "refusal":
            return AIMessage(content="", additional_kwargs={"refusal": self.text})
        if self.kind in ("empty", "length"):
            finish = "length" if self.kind == "length" else "stop"
            return AIMessage(content=self.text, response_metadata={"finish_reason": finish})
        return None


ServerReply = Reply | Fault
"""What an OpenAIServer's script may hold."""
