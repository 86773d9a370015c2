"""HTML to text as a person sees it: headings, lists and tables kept; scripts, menus and addresses of links not."""

import re
from typing import Any

from retrieval.loaders.extract import Extract, one_line
from retrieval.loaders.text import clean, decode_as, first_heading, headed

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_UNSEEN = (
    "script",
    "style",
    "noscript",
    "template",
    "svg",
    "iframe",
    "object",
    "canvas",
    "head",
    "nav",
    "map",
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_LONG_CELL = 400
"""Characters of a table cell beyond which the table only arranges the page."""
_MENU = 0.3
"""Share of a page's words in links above which it is cleared of menus, if nothing else is lost."""
_COVERED = 0.95
"""Share of the words outside links that the cleared text must keep."""


def page(raw: bytes) -> Extract:
    """Read an HTML file."""
    declared = _META_CHARSET.search(raw[:4096])
    markup = decode_as(raw, declared[1].decode("ascii") if declared else None)
    text, title = as_markdown(markup, menus=False)
    sections = headed(text)
    return Extract(text, "html", title or first_heading(sections), sections)


def as_markdown(markup: str, *, menus: bool = True) -> tuple[str, str]:
    """Return what a person sees of HTML, as Markdown without emphasis and links, and its title.

    Without `menus`, a page full of links is cut down to its main part, if that keeps the other text.
    """
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(markup, "lxml")
    title = one_line(clean(soup.title.get_text(" "))) if soup.title else ""
    _prune(soup)
    text = _markdown(soup)
    if not menus:
        text = _main_part(markup, soup, text) or text
    return text, title


def _prune(soup: Any) -> None:
    for element in soup.find_all(_UNSEEN):
        element.decompose()
    for element in soup.find_all(style=_HIDDEN) + soup.find_all(hidden=True):
        if not element.decomposed:
            element.decompose()
    for element in soup.find_all(attrs={"role": "navigation"}):
        if not element.decomposed:
            element.decompose()
    for table in soup.find_all("table"):
        if table.decomposed:
            continue
        if _arranges(table):
            for element in [*_own(table, ["thead", "tbody", "tr", "td"]), table]:
                element.name = "div"
        else:
            for inner in table.find_all("table"):
                inner.replace_with(" " + "; ".join(row.get_text(" ") for row in inner.find_all("tr")) + " ")


def _arranges(table: Any) -> bool:
    """Tell a table that lays out a page from one that holds data."""
    if _own(table, ["th"]):
        return False
    rows = [len(row.find_all("td", recursive=False)) for row in _own(table, ["tr"])]
    return max(rows, default=0) < 2 or any(len(cell.get_text()) > _LONG_CELL for cell in _own(table, ["td"]))


def _own(table: Any, names: list[str]) -> list[Any]:
    return [element for element in table.find_all(names) if element.find_parent("table") is table]


def _markdown(soup: Any) -> str:
    from markdownify import ATX, MarkdownConverter

    converter = MarkdownConverter(
        heading_style=ATX,
        bullets="-",
        strip=["a", "b", "strong", "i", "em", "u", "s", "del", "sub", "sup", "code", "kbd", "samp", "img"],
        table_infer_header=True,
        escape_asterisks=False,
        escape_underscores=False,
    )
    for image in soup.find_all("img"):
        image.replace_with(image.get("alt") or "")
    for power in soup.find_all("sup"):
        if power.get_text().strip()[:1].isalnum():
            power.insert(0, "^")
    text = clean(str(converter.convert_soup(soup)).replace("\xa0", " "))
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _main_part(markup: str, soup: Any, whole: str) -> str:
    linked = sum(len(_WORD.findall(link.get_text(" "))) for link in soup.find_all("a"))
    if linked <= _MENU * max(1, len(_WORD.findall(whole))):
        return ""
    import trafilatura

    main = trafilatura.extract(
        markup, output_format="markdown", include_comments=False, include_tables=True, favor_recall=True
    )
    if not main:
        return ""
    for link in soup.find_all("a"):
        link.decompose()
    wanted = set(_WORD.findall(soup.get_text(" ").lower()))
    kept = wanted & set(_WORD.findall(main.lower()))
    return clean(main).strip() if len(kept) >= _COVERED * len(wanted) else ""
