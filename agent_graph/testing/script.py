"""What a stand-in says next: a list in order, a reply per substring of the prompt, or a function."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from langchain_core.messages import AIMessage, BaseMessage

from agent_graph.errors import UserError


class ScriptUsedUp(UserError):
    """A stand-in was asked once more than its script has replies, or for something not in it."""


def _dropped() -> Exception:
    return ConnectionError("the connection was dropped in the middle of the reply")


@dataclass(frozen=True)
class Drop:
    """A reply that breaks off after `after` characters with a connection error."""

    text: str
    """The whole reply, of which only the beginning arrives."""
    after: int = 0
    """Characters that arrive."""
    error: Exception | None = None
    """What ScriptedModel raises; None: a built-in ConnectionError. A server just cuts the connection."""

    @property
    def begun(self) -> str:
        """The characters that arrive."""
        return self.text[: self.after]

    @property
    def reason(self) -> Exception:
        """The error to raise after them."""
        return self.error or _dropped()


@dataclass(frozen=True)
class Stall:
    """A reply that falls silent after `after` characters until the caller gives up."""

    text: str
    """The whole reply, of which only the beginning arrives."""
    after: int = 0
    """Characters that arrive."""

    @property
    def begun(self) -> str:
        """The characters that arrive."""
        return self.text[: self.after]


Reply = str | AIMessage | Exception | Drop | Stall
"""What a script may hold: a text, a message (tool calls, usage), an error to raise, a broken stream."""

AskedT = TypeVar("AskedT")
ReplyT = TypeVar("ReplyT")

Replies = Sequence[ReplyT] | Mapping[str, ReplyT | Sequence[ReplyT]] | Callable[[AskedT], ReplyT]
"""A list (in order), a mapping (the first key that occurs in the prompt), or a function of the call."""


class Script(Generic[AskedT, ReplyT]):
    """Hands out replies one call at a time, to any number of threads and tasks.

    In a mapping a single reply serves every call that matches; a list is used up in order. The key ""
    occurs in every prompt: as the last one it answers what no other key does.
    """

    def __init__(self, replies: Replies[ReplyT, AskedT]) -> None:
        if isinstance(replies, str):
            raise TypeError(f"A script is a list of replies: write [{replies[:40]!r}].")
        self._replies = replies
        self._calls = 0
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()

    def reply(self, asked: AskedT, *, prompt: str, last: str, key: str | None = None) -> ReplyT:
        """Return the reply to a call.

        `prompt` is searched for a mapping's keys, unless `key` is one of them; `last` is quoted when
        there is no reply.

        Raises ScriptUsedUp when there is none.
        """
        with self._lock:
            self._calls += 1
            call = self._calls
            if not callable(self._replies):
                return self._written(f"call {call} was: {last[:200]!r}", prompt, key)
        # Outside the lock: a function may ask the same model again.
        return self._replies(asked)

    def _written(self, call: str, prompt: str, key: str | None) -> ReplyT:
        assert not callable(self._replies)
        if not isinstance(self._replies, Mapping):
            return self._in_order("", self._replies, "script", call)
        found = (
            key if key in self._replies else next((word for word in self._replies if word in prompt), None)
        )
        if found is None:
            keys = ", ".join(map(repr, self._replies))
            raise ScriptUsedUp(f"the script has no reply: none of {keys} occurs in the prompt; {call}")
        reply = self._replies[found]
        if isinstance(reply, list | tuple):
            return self._in_order(found, reply, f"script for {found!r}", call)
        return reply  # type: ignore[return-value]  # not a list: one reply for every call

    def _in_order(self, key: str, replies: Sequence[ReplyT], subject: str, call: str) -> ReplyT:
        used = self._used.get(key, 0)
        if used >= len(replies):
            count = f"{len(replies)} {'reply' if len(replies) == 1 else 'replies'}"
            raise ScriptUsedUp(f"the {subject} of {count} is used up; {call}")
        self._used[key] = used + 1
        return replies[used]


def prompt_text(messages: Sequence[BaseMessage]) -> str:
    """Join the text of all messages, one below the other."""
    return "\n".join(str(message.text) for message in messages)


def as_message(reply: Any) -> AIMessage:
    """Turn a text or a message into a message of its own, so that no caller can change the script.

    Raises TypeError for anything else.
    """
    if isinstance(reply, str):
        return AIMessage(content=reply)
    if isinstance(reply, AIMessage):
        return reply.model_copy(deep=True)
    raise TypeError(
        f"A script holds texts, AIMessages, exceptions, Drop and Stall, not {type(reply).__name__}."
    )
