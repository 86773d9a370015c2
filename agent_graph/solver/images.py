"""Images in evidence and questions: sent to a model that takes them, named to one that does not.

They come as LangChain's content blocks of both generations, OpenAI's and Anthropic's, MCP's image content,
data URLs inside text, or bare base64 of a known format. Whatever is not sent is said, with the reason.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.language_models import BaseChatModel

FORMATS = {
    "image/png": b"\x89PNG",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}
"""The formats that models take, and how their files begin."""

MOST = 8
"""Images in one prompt."""

MOST_BYTES = 5_000_000
"""Of one image: what the strictest of the large providers takes."""

_BEGINNINGS = {
    "image/png": "iVBORw0KGgo",
    "image/jpeg": "/9j/",
    "image/gif": "R0lGOD",
    "image/webp": "UklGR",
}
_LEAST_BASE64 = 100
_BLOCK_KEYS = frozenset(
    [
        "type",
        "id",
        "index",
        "extras",
        "source",
        "source_type",
        "url",
        "base64",
        "data",
        "mime_type",
        "mimeType",
        "annotations",
        "detail",
        "_meta",
    ]
)
_DATA_URL = re.compile(
    r"data:(?P<mime>[\w.+-]{1,40}/[\w.+-]{1,80})?(?:;[\w=.-]{1,60}){0,4};base64,\s?(?P<data>[A-Za-z0-9+/=_-]{16,})",
    re.IGNORECASE,
)
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")


class Image(NamedTuple):
    """One image: its content as base64, or its address."""

    mime: str
    base64: str = ""
    url: str = ""
    refusal: str = ""
    """Why no model can take it; empty when it can be sent."""

    @property
    def size(self) -> int:
        """Bytes of the content; 0 when only the address is known."""
        return len(self.base64) * 3 // 4

    @property
    def block(self) -> dict[str, Any]:
        """LangChain's content block, without the random id that its constructor adds."""
        if self.url:
            return {"type": "image", "url": self.url}
        return {"type": "image", "base64": self.base64, "mime_type": self.mime}

    def __str__(self) -> str:
        kind = self.mime.removeprefix("image/")
        if self.url:
            return f"image at {self.url[:200]}"
        return f"{kind} image, {_readable(self.size)}" if kind else f"image, {_readable(self.size)}"


class Gallery:
    """Collects the images of one prompt and leaves in the text what each of them is called."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._numbers: dict[Image, int] = {}

    def blocks(self, text: str) -> list[dict[str, Any]]:
        """Return the images that the text speaks of as content blocks, each after a line that names it."""
        spoken = [(image, n) for image, n in self._numbers.items() if f"(image {n} below:" in text]
        return [
            block for image, n in spoken for block in ({"type": "text", "text": f"image {n}:"}, image.block)
        ]

    def without_images(self, value: Any) -> Any:
        """Return the value with every image in it replaced by a few words about it."""
        if isinstance(value, str):
            return self._in_text(value)
        if isinstance(value, list):
            return [self.without_images(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        image = _of_block(value)
        if image is not None:
            return self._name(image)
        return {key: self.without_images(item) for key, item in value.items()}

    def _in_text(self, text: str) -> str:
        if len(text) < _LEAST_BASE64:
            return text
        mime = next((mime for mime, begin in _BEGINNINGS.items() if text.startswith(begin)), "")
        if mime and _BASE64.fullmatch(text):
            return self._name(_checked(mime, text))
        if ";base64," not in text:
            return text
        return _DATA_URL.sub(lambda match: self._data(match["mime"] or "", match["data"]), text)

    def _data(self, mime: str, data: str) -> str:
        if mime.lower().startswith("image/"):
            return self._name(_checked(mime.lower(), data))
        return f"({mime or 'data'}, {_readable(len(data) * 3 // 4)}, not shown)"

    def _name(self, image: Image) -> str:
        if image.refusal:
            return f"({image}, not shown: {image.refusal})"
        if not self._shown:
            return f"({image}, not shown: the model takes none)"
        if image not in self._numbers and len(self._numbers) == MOST:
            return f"({image}, not shown: only {MOST} images are)"
        number = self._numbers.setdefault(image, len(self._numbers) + 1)
        return f"(image {number} below: {image})"


def take_images(models: Iterable[BaseChatModel]) -> bool:
    """Whether every one of these models says in its profile that it takes images; false when there is none."""
    profiles = [model.profile or {} for model in models]
    return bool(profiles) and all(profile.get("image_inputs") for profile in profiles)


def text_of(content: str | Sequence[str | Mapping[str, Any]], gallery: Gallery) -> str:
    """Return a message's content as text, with a few words in the place of each image."""
    if isinstance(content, str):
        return gallery.without_images(content)  # type: ignore[no-any-return]
    return "\n".join(filter(None, (_part(part, gallery) for part in content)))


def _part(part: str | Mapping[str, Any], gallery: Gallery) -> str:
    plain = gallery.without_images(part)
    if isinstance(plain, str):
        return plain
    return str(plain["text"]) if "text" in plain else f"({plain.get('type', 'unknown')} content, not shown)"


def _of_block(block: Mapping[str, Any]) -> Image | None:
    """Read an image block of any provider; None when the mapping is none."""
    kind = block.get("type")
    if kind == "image_url":
        inner = block.get("image_url")
        return _at(inner.get("url") if isinstance(inner, Mapping) else inner)
    if kind == "input_image":
        return _at(block.get("image_url"))
    if kind != "image" or not _BLOCK_KEYS.issuperset(block):
        return None
    inner = block["source"] if isinstance(block.get("source"), Mapping) else block
    data = next((inner[key] for key in ("base64", "data") if isinstance(inner.get(key), str)), None)
    if data is None:
        return _at(inner.get("url"))
    mime = next((inner[key] for key in ("mime_type", "mimeType", "media_type") if inner.get(key)), "")
    inside = _DATA_URL.fullmatch(data)
    return _checked(
        str(mime).lower() or (inside["mime"] if inside else ""), inside["data"] if inside else data
    )


def _at(url: Any) -> Image | None:
    if not isinstance(url, str):
        return None
    inside = _DATA_URL.fullmatch(url)
    if inside:
        return _checked((inside["mime"] or "").lower(), inside["data"])
    if re.match(r"https?://[^\s<>\"']+$", url):
        return Image("", url=url)
    return Image("", url=url.split(":")[0][:20], refusal="only web addresses are sent")


def _checked(mime: str, data: str) -> Image:
    packed = "".join(data.split()) if any(map(str.isspace, data[:200])) else data
    image = Image("image/jpeg" if mime == "image/jpg" else mime, packed)
    return image._replace(base64=packed, refusal=next(_refusals(image), ""))


def _refusals(image: Image) -> Iterator[str]:
    if image.size > MOST_BYTES:
        yield f"larger than {_readable(MOST_BYTES)}"
    try:
        beginning = base64.b64decode(image.base64[:64], validate=True)
    except (binascii.Error, ValueError):
        yield "it cannot be read"
        return
    if image.mime not in FORMATS:
        yield "models do not take this format"
    elif not beginning.startswith(FORMATS[image.mime]):
        yield "it is not what it says it is"


def _readable(size: int) -> str:
    if size >= 1_000_000:
        return f"{size / 1_000_000:.1f} MB"
    return f"{size / 1000:.0f} kB" if size >= 1000 else f"{size} bytes"
