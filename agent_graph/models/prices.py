"""Money per call, from the tables that the genai-prices library ships."""

from functools import lru_cache


def price(model: str, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> float | None:
    """Return US dollars for one call, or None when the model "provider:name" has no known price."""
    if not _known(model):
        return None
    from genai_prices import Usage, calc_price

    provider, _, name = model.partition(":")
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached_tokens)
    return float(calc_price(usage, name, provider_id=provider).total_price)


@lru_cache(maxsize=256)
def _known(model: str) -> bool:
    from genai_prices import Usage, calc_price

    provider, _, name = model.partition(":")
    try:
        calc_price(Usage(input_tokens=1, output_tokens=1), name, provider_id=provider)
    except LookupError:
        return False
    return bool(name)
