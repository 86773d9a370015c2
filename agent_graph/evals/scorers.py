"""Scores of one answer against the answers that count as right; plain comparisons of words, no model judges.

Texts are normalised as SQuAD does: lower case, punctuation and the articles a, an, the removed, white space
joined. With several right answers the best score counts.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from agent_graph.evidence import Answer, Evidence

FOUND = 0.5
"""Recall from which the right answer counts as found."""

SHORT_TOKENS = 5
"""Longest right answer, in tokens, of which it is asked whether it stands in a text word for word."""

FUNCTION_WORDS = frozenset(
    """about after all also and any are as at be been being but by can could did do does for from had has have he her
    his how i if in into is it its may more most of on one or other our she should so some such than that their them
    then there these they this those to was we were what when where which while who whom whose will with would you
    your""".split()  # noqa: SIM905
)
"""Words of a right answer that carry none of it; yes, no and numbers do."""

_PUNCTUATION = str.maketrans("", "", string.punctuation + "“”‘’–—…")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_MARKER = re.compile(r"\[E\d+(?:\.\d+)?\]")


class Scores(BaseModel):
    """How good one answer is; what does not apply to its question is None."""

    model_config = ConfigDict(frozen=True)

    abstained: bool
    """The answer says that something is missing and cites nothing: it offers no finding."""
    partial: bool
    """The answer says that something is missing and still cites something."""
    exact: bool | None = None
    """The normalised answer equals a normalised right answer."""
    f1: float | None = None
    """Harmonic mean of precision and recall of tokens, repeated tokens counted, as SQuAD's."""
    in_evidence: float | None = None
    """Recall of the right answer in everything the steps brought."""
    in_cited: float | None = None
    """Recall of the right answer in the passages and values that the answer cites."""
    in_answer: float | None = None
    """Recall of the right answer in the answer's text."""
    verbatim_cited: bool | None = None
    """A right answer of at most five tokens stands word for word in what is cited; None for longer ones."""
    verbatim_answer: bool | None = None
    """The same for the answer's text."""


def score(answer: Answer, answers: Sequence[str], evidence: Sequence[Evidence] = ()) -> Scores:
    """Score an answer against the right answers; none means that abstaining is right."""
    lacking = bool(answer.insufficient)
    abstained, partial = lacking and not answer.citations, lacking and bool(answer.citations)
    if not answers:
        return Scores(abstained=abstained, partial=partial)
    said, cited = _MARKER.sub(" ", answer.text), cited_text(answer)
    return Scores(
        abstained=abstained,
        partial=partial,
        exact=any(normalise(said) == normalise(gold) for gold in answers),
        f1=max(token_f1(said, gold) for gold in answers),
        in_evidence=recall(evidence_text(evidence), answers),
        in_cited=recall(cited, answers),
        in_answer=recall(said, answers),
        verbatim_cited=verbatim(cited, answers),
        verbatim_answer=verbatim(said, answers),
    )


def normalise(text: str) -> str:
    """Return the text in lower case without punctuation and articles, its white space joined."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def token_f1(text: str, gold: str) -> float:
    """Return SQuAD's F1 of two texts: 1 when both are empty after normalising, 0 when one is."""
    said, right = normalise(text).split(), normalise(gold).split()
    if not said or not right:
        return float(said == right)
    common = sum((Counter(said) & Counter(right)).values())
    return 2 * common / (len(said) + len(right))


def recall(text: str, answers: Sequence[str]) -> float:
    """Return the share of a right answer's content tokens that occur in the text, of the best right answer.

    Content tokens are the distinct normalised tokens without function words; all of them when only those are left.
    """
    found = set(normalise(text).split())
    return max(_share(_content(gold), found) for gold in answers)


def verbatim(text: str, answers: Sequence[str]) -> bool | None:
    """Whether a short right answer stands in the text as a run of whole tokens; None when none is short."""
    short = [gold for one in answers if (gold := normalise(one)) and len(gold.split()) <= SHORT_TOKENS]
    if not short:
        return None
    padded = f" {normalise(text)} "
    return any(f" {gold} " in padded for gold in short)


def cited_text(answer: Answer) -> str:
    """Return the passages an answer cites, each once, and the values where there is no passage."""
    texts = [one.source.text if one.source else one.quote for one in answer.citations]
    return "\n".join(dict.fromkeys(texts))


def evidence_text(evidence: Sequence[Evidence]) -> str:
    """Return all that the steps brought: passages, and values that have none."""
    texts = [text for one in evidence for text in ([source.text for source in one.sources] or [one.text])]
    return "\n".join(dict.fromkeys(texts))


def _content(gold: str) -> set[str]:
    tokens = set(normalise(gold).split())
    return tokens - FUNCTION_WORDS or tokens


def _share(tokens: set[str], found: set[str]) -> float:
    return len(tokens & found) / len(tokens) if tokens else 0.0
