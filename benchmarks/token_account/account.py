"""What a run's model calls cost: tokens in, out and cached, and money at a cache discount."""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage
from tokenizers import Tokenizer

VOCABULARY = "tokenizers/l2_supercat_tokenizer_config.json"
OUTPUT_PRICE = 4.0
"""A written token costs so many read ones."""


class Exchange(NamedTuple):
    """One call of a model: what it read, message by message, and what it wrote."""

    prompt: tuple[str, ...]
    reply: str


class Bill(NamedTuple):
    """Tokens of one run."""

    read: int
    written: int
    cached: int
    """Of those read, the beginning shared with the run's previous call."""
    cached_warm: int
    """The same, when the previous run's prompts are in the cache as well."""
    calls: int

    @property
    def tokens(self) -> int:
        """All tokens, read and written."""
        return self.read + self.written

    def money(self, discount: float, *, warm: bool = False) -> float:
        """Return the price, in prices of one uncached token read."""
        cached = self.cached_warm if warm else self.cached
        return self.read - discount * cached + OUTPUT_PRICE * self.written


class Accountant:
    """Counts runs in the order they come; each finds the prompts of the one before it in a warm cache."""

    def __init__(self) -> None:
        self._encode = _encoder()
        self._before: list[list[int]] = []

    def tokens(self, *texts: str) -> list[int]:
        """Cut texts into tokens, with the vocabulary in the wordllama wheel."""
        return [token for text in texts for token in self._encode(text)]

    def bill(self, exchanges: Sequence[Exchange]) -> Bill:
        """Count one run."""
        prompts = [self.tokens(*one.prompt) for one in exchanges]
        cold = [0, *(_shared(one, before) for before, one in pairwise(prompts))]
        warm = [
            max([here, *(_shared(prompt, before) for before in self._before)])
            for here, prompt in zip(cold, prompts, strict=True)
        ]
        self._before = prompts
        written = sum(len(self._encode(one.reply)) for one in exchanges)
        return Bill(sum(map(len, prompts)), written, sum(cold), sum(warm), len(prompts))


def _encoder() -> Callable[[str], tuple[int, ...]]:
    vocabulary = Tokenizer.from_file(str(files("wordllama").joinpath(VOCABULARY)))

    @lru_cache(10_000)
    def encode(text: str) -> tuple[int, ...]:
        return tuple(vocabulary.encode(text, add_special_tokens=False).ids)

    return encode


def prompt_of(messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]] = ()) -> tuple[str, ...]:
    """Return what a model reads: the schemas of its tools as compact JSON, then the messages with their roles."""
    schemas = [json.dumps(list(tools), separators=(",", ":"))] if tools else []
    return (*schemas, *(f"{message.type}: {message_text(message)}" for message in messages))


def message_text(message: BaseMessage) -> str:
    """Return a message's text; a tool call is the JSON object that open models write for one."""
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    written = [
        json.dumps({"name": call["name"], "arguments": call["args"]}, ensure_ascii=False) for call in calls
    ]
    return "\n".join([*([message.text] if message.text else []), *written])


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two prompts begin with in common."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
