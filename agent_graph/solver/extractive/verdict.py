"""Verdicts on things set side by side: which one wins, whether something holds of both, which one fits."""

import re
from collections.abc import Sequence

from agent_graph.solver.extractive.definition import definition
from agent_graph.solver.extractive.outcome import Outcome, Run
from agent_graph.solver.extractive.quotes import Page, passages_of
from agent_graph.solver.extractive.sides import Side, sides_of
from agent_graph.solver.extractive.subject import mentions, name_stems, passages_about
from agent_graph.solver.extractive.weighed import Weighed, from_country, lived, measured, tied
from agent_graph.solver.extractive.wording import plain
from retrieval import sentences
from retrieval.sentences import ScoredSentence
from tools.question import Comparison, Listing, Order, Scale, comparison, listing

_LIVED_LONGER = re.compile(r"\b(?:lived?|lives)\b.*\b(?:long(?:er|est)?|short(?:er|est)?)\b", re.IGNORECASE)
_SHORTER = re.compile(r"\bshort(?:er|est)\b", re.IGNORECASE)
_SAME_COUNTRY = re.compile(
    r"\b(?:same|share\w*)\b.*\b(?:country|nationality|nation|citizenship)\b", re.IGNORECASE
)
_SAME = re.compile(r"\b(?:same|share\w*|different)\b", re.IGNORECASE)
_CHOOSES = re.compile(
    r"\b(?:both|types?|kinds?|sorts?|forms?|of|the|an?|in|from|which|who|what|is|are|was|were|has|have|had|did|does|do)\b",
    re.IGNORECASE,
)
_FEW_LINES = 2
"""Sentences at the beginning of a passage that say what its subject is."""
_SAYS_KIND = re.compile(
    r"(?:are|were|is|was)\b(?!.*(?<!-)\b(?:\w+ed|born|found|made|held|known)\b)", re.IGNORECASE
)
"""Asks what things are, not what they did or what became of them: then a definition without the word says no."""
_MARGIN = 0.12
"""Share of the criterion's weight by which one candidate's best sentence must beat the other's."""
_LEAST_TRAIT = 0.5
"""Share of the criterion's weight that the winner's best sentence must hold."""


def verdict(run: Run) -> Outcome | None:
    """Return the answer to a question that compares, with the values it rests on, or what is missing for one.

    None when the question compares nothing, or nothing that values tell: quotes then have to do.
    """
    asked = listing(run.question) or comparison(run.question)
    if asked is None:
        return None
    court = _Court(run)
    sides = sides_of(asked.candidates, run.lineage, court.page)
    if isinstance(asked, Listing):
        return court.winner(sides, asked.criterion, asked.order, asked.scale)
    return court.decide(asked, sides)


class _Court:
    """One question over all passages of its run."""

    def __init__(self, run: Run) -> None:
        self.page = Page(passages_of(run.lineage.evidence.values()))
        self._question = run.question
        self._quotes = run.quotes

    def decide(self, compared: Comparison, sides: Sequence[Side]) -> Outcome | None:
        if compared.order is not None and compared.scale is not None:
            yes_no = compared.yes_no
            return self.winner(sides, compared.criterion, compared.order, compared.scale, yes_no=yes_no)
        if not compared.yes_no:
            return self._fitting(compared.criterion, sides)
        if _SAME_COUNTRY.search(compared.criterion):
            return self._same_country(sides)
        return None if _SAME.search(compared.criterion) else self._holds_of_all(compared.criterion, sides)

    def winner(
        self, sides: Sequence[Side], criterion: str, order: Order, scale: Scale, *, yes_no: bool = False
    ) -> Outcome:
        """Name the side with most or least of what is compared; say what is known when a value is missing or shared."""
        if _LIVED_LONGER.search(criterion):
            order = "least" if _SHORTER.search(criterion) else "most"
            found = [lived(side, self.page) for side in sides]
        else:
            found = [measured(side, scale, self.page) for side in sides]
        known = [one for one in found if one is not None]
        ranked = sorted(known, key=lambda one: one.key, reverse=order == "most")
        if len(known) < len(sides) or tied(ranked[0].key, ranked[1].key):
            return self._open(sides, known)
        first = ranked[0].side is sides[0]
        return self._said(("Yes" if first else "No") if yes_no else plain(ranked[0].side.name), ranked)

    def _same_country(self, sides: Sequence[Side]) -> Outcome:
        found = [one for side in sides if (one := from_country(side, self.page)) is not None]
        weighed = [one for _, one in found]
        if len(found) < len(sides):
            return self._open(sides, weighed)
        shared = frozenset.intersection(*(countries for countries, _ in found))
        return self._said("Yes" if shared else "No", weighed)

    def _holds_of_all(self, criterion: str, sides: Sequence[Side]) -> Outcome | None:
        """Whether what each one is said to be holds the words of the criterion."""
        wanted = frozenset(sentences.content_stems(_CHOOSES.sub(" ", criterion)))
        if not wanted or any(stem[:1].isdigit() for stem in wanted):
            return None
        told = {side.name: self._opening(side, wanted) for side in sides}
        if unknown := [name for name, one in told.items() if one is None]:
            return self._unknown(unknown)
        known = [one for one in told.values() if one is not None]
        lacking = [
            one for one in known if not wanted <= frozenset(sentences.content_stems(one.sentence.text))
        ]
        denied = any(definition(self.page, one.passage) for one in lacking)
        if lacking and not (denied and _SAYS_KIND.match(self._question)):
            return None
        return self._worded("No" if lacking else "Yes", known)

    def _opening(self, side: Side, wanted: frozenset[str]) -> ScoredSentence | None:
        """The one of the first sentences on a side that holds most of the words."""
        for place in passages_about(side.subject, self.page)[:1] if side.subject else []:
            rows = self.page.field.sentences[place][:_FEW_LINES]
            held = [len(wanted & {*sentences.content_stems(row.text)}) for row in rows]
            best = held.index(max(held))
            return ScoredSentence(rows[best], place, best, 1.0, 1.0)
        return None

    def _fitting(self, criterion: str, sides: Sequence[Side]) -> Outcome | None:
        """The one of several of which a sentence says what the question asks."""
        query = self.page.field.query(_CHOOSES.sub(" ", criterion))
        best = [self._best(side, query) for side in sides]
        order = sorted(range(len(sides)), key=lambda n: -best[n][0])
        (top, one), (next_top, _) = best[order[0]], best[order[1]]
        if one is None or top < _LEAST_TRAIT or top - next_top < _MARGIN:
            return None
        return self._worded(plain(sides[order[0]].name), [one])

    def _best(self, side: Side, query: sentences.Query) -> tuple[float, ScoredSentence | None]:
        """The sentence about a side that says most of a criterion, and the share of its weight it says."""
        asked = {term: weight for term, weight in query.weight.items() if term not in name_stems(side.name)}
        about = passages_about(side.name, self.page)
        found: tuple[float, ScoredSentence | None] = (0.0, None)
        for place, rows in enumerate(self.page.field.sentences):
            for number, row in enumerate(rows):
                if place in about or mentions(row.text, side.name):
                    stems = frozenset(sentences.content_stems(row.text))
                    share = sum(weight for term, weight in asked.items() if term in stems) / query.total
                    if share > found[0]:
                        found = share, ScoredSentence(row, place, number, share, share)
        return found

    def _open(self, sides: Sequence[Side], known: Sequence[Weighed]) -> Outcome:
        """Say which values are there when they do not decide; a doubtful one is not said alone."""
        unknown = [side.name for side in sides if all(one.side is not side for one in known)]
        sure = [one for one in known if one.certain(self.page)]
        missing = self._unknown(unknown)
        if not sure:
            return missing
        told = self._worded(
            "; ".join(one.said for one in sure), [quote for one in sure for quote in one.quotes]
        )
        return missing._replace(text=told.text)

    def _unknown(self, names: Sequence[str]) -> Outcome:
        told = (
            f"Nothing to compare by was found for {' and '.join(names)}."
            if names
            else "They cannot be told apart."
        )
        return Outcome("", self._question, told)

    def _said(self, lead: str, weighed: Sequence[Weighed]) -> Outcome:
        pairs = "; ".join(one.said for one in weighed)
        return self._worded(f"{lead} — {pairs}", [quote for one in weighed for quote in one.quotes])

    def _worded(self, lead: str, chosen: Sequence[ScoredSentence]) -> Outcome:
        quoted = [self._quotes.sentence(self.page.passages[one.passage], one) for one in chosen]
        if " [E" not in lead:
            markers = dict.fromkeys(self.page.passages[one.passage].marker for one in chosen)
            lead = f"{lead} {''.join(f'[{marker}]' for marker in markers)}"
        return Outcome(" ".join([f"{lead}.", *filter(None, quoted)]))
