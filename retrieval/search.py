"""From queries to hits: candidates by meaning and by words, fused, linked, without near-duplicates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from retrieval.config import Config
from retrieval.documents import Filters, Hit, Passage
from retrieval.filters import passes
from retrieval.ranking.bm25 import bm25
from retrieval.ranking.diversify import diversified
from retrieval.ranking.duplicates import collapsed
from retrieval.ranking.fuse import convex
from retrieval.ranking.links import linked, mentions
from retrieval.ranking.rerank import Reranker, reranked
from retrieval.stores.store import Asked, Offer, Store
from retrieval.terms import terms

_NAMING = 5
"""The best hits whose mentions are followed."""
_JUST_BELOW = 0.999


@dataclass(frozen=True, kw_only=True)
class Search:
    """The way from queries to hits, over any store."""

    store: Store
    config: Config
    dense_weight: float
    reranker: Reranker | None = None

    def hits(
        self, asked: Sequence[Asked], most: Sequence[int], filters: Filters | None, diversity: float
    ) -> list[list[Hit]]:
        """Return the hits of each query, at most so many of each, best first."""
        deep = self.config.rerank_candidates if self.reranker or diversity else 0
        limits = [max(limit, deep) for limit in most]
        offers = self.store.offer(asked, max(self.config.candidates, *limits), filters)
        rankings = self._linked(
            [self._fused(one, offer) for one, offer in zip(asked, offers, strict=True)], filters
        )
        if self.config.collapse:
            rankings = collapsed(rankings, limits)
        return [
            self._chosen(one.text, ranking[:limit], end, diversity)
            for one, ranking, limit, end in zip(asked, rankings, limits, most, strict=True)
        ]

    def _fused(self, asked: Asked, offer: Offer) -> list[Hit]:
        texts = {
            key: offer.terms.get(key) or _weighted_terms(passage.title, passage.text)
            for key, passage in offer.passages.items()
        }
        lexical = bm25(asked.terms, texts)
        fused = convex(offer.dense, lexical, dense_weight=self.dense_weight)
        return [
            Hit(offer.passages[key], score, offer.dense.get(key), lexical.get(key))
            for key, score in fused.items()
        ]

    def _linked(self, rankings: list[list[Hit]], filters: Filters | None) -> list[list[Hit]]:
        weight = self.config.link_weight
        if not weight:
            return rankings
        naming = [[(hit, mentions(hit.passage.text)) for hit in ranking[:_NAMING]] for ranking in rankings]
        titled = self.store.titled({key for row in naming for _, keys in row for key in keys})
        reached = [
            linked([(hit.passage.document, hit.score, keys) for hit, keys in row], titled, _best_ids(ranking))
            for row, ranking in zip(naming, rankings, strict=True)
        ]
        passages = {hit.passage.id: hit.passage for ranking in rankings for hit in ranking}
        absent = {key for strength in reached for key in strength if key not in passages}
        if absent:
            passages |= self.store.passages(absent)
        fitting = {key: passage for key, passage in passages.items() if passes(passage, filters)}
        return [
            _raised(ranking, {key: strength[key] for key in strength if key in fitting}, fitting, weight)
            for ranking, strength in zip(rankings, reached, strict=True)
        ]

    def _chosen(self, query: str, hits: list[Hit], most: int, diversity: float) -> list[Hit]:
        if self.reranker is not None:
            hits = reranked(self.reranker, query, hits)
        if diversity:
            vectors = self.store.vectors([hit.passage.id for hit in hits])
            return diversified(hits, vectors, diversity, most)
        return hits[:most]


def _best_ids(ranking: Sequence[Hit]) -> dict[str, str]:
    """Return the id of the best hit of each document."""
    return {hit.passage.document: hit.passage.id for hit in reversed(ranking)}


def _raised(
    ranking: Sequence[Hit], strength: Mapping[str, float], passages: Mapping[str, Passage], weight: float
) -> list[Hit]:
    """Return the hits with those that are mentioned moved up, and those found by mention alone.

    The best direct hit stays first: a question of one hop is answered there.
    """
    if not strength:
        return list(ranking)
    top = ranking[0]
    held = {hit.passage.id for hit in ranking}
    others = [*ranking[1:], *(Hit(passages[key], 0.0) for key in strength if key not in held)]
    if not others:
        return [top]
    raised = [hit.score + weight * strength.get(hit.passage.id, 0.0) for hit in others]
    scale = min(1.0, _JUST_BELOW * top.score / (max(raised) or 1.0))
    moved = [
        Hit(hit.passage, scale * score, hit.dense, hit.lexical, strength.get(hit.passage.id))
        for hit, score in zip(others, raised, strict=True)
    ]
    return [top, *sorted(moved, key=lambda hit: (-hit.score, hit.passage.id))]


@lru_cache(maxsize=8192)
def _weighted_terms(title: str, text: str) -> tuple[str, ...]:
    # a word in the title counts twice
    return (*terms(title) * 2, *terms(text))
