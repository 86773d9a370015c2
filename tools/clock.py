"""The clock: what time it is somewhere, from a time source one can replace."""

import difflib
import functools
import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool

from tools.errors import ToolRefusal


def _now() -> datetime:
    return datetime.now(UTC)


def read_clock(timezone: str, now: datetime) -> dict[str, Any]:
    """Return the moment `now` as that time zone's clocks show it; `unix` is in seconds.

    Raises ToolRefusal for an unknown zone, naming the nearest ones.
    """
    zone = _zone(timezone)
    local = now.astimezone(zone)
    return {
        "iso": local.isoformat(timespec="seconds"),
        "date": local.date().isoformat(),
        "time": local.time().isoformat(timespec="seconds"),
        "weekday": local.strftime("%A"),
        "timezone": str(zone),
        "unix": int(local.timestamp()),
    }


def make_clock(*, now: Callable[[], datetime] = _now) -> BaseTool:
    """Return the `clock` tool; `now` gives the current moment, with its time zone."""

    # Not a coroutine: listing the time zones reads folders, which would hold up the event loop.
    def clock(timezone: str = "UTC") -> dict[str, Any]:
        return read_clock(timezone, now())

    return StructuredTool.from_function(
        func=clock,
        name="clock",
        description="Tells today's date, the time and the weekday in a time zone such as Europe/Paris.",
        metadata={
            "effects": "reads",
            "idempotent": True,
            "returns": {
                "type": "object",
                "properties": {
                    "iso": {"type": "string"},
                    "date": {"type": "string", "format": "date"},
                    "time": {"type": "string"},
                    "weekday": {"type": "string"},
                    "timezone": {"type": "string"},
                    "unix": {"type": "integer"},
                },
                "required": ["iso", "date", "time", "weekday", "timezone", "unix"],
            },
            "examples": ['clock(timezone="Asia/Tokyo")'],
        },
    )


def _zone(name: str) -> zoneinfo.ZoneInfo:
    wanted = name.strip().replace(" ", "_").lower()
    known = _zones()
    if wanted in known:  # looked up in the list, so that no text from a plan becomes a path
        return zoneinfo.ZoneInfo(known[wanted])
    raise ToolRefusal(f"{name!r} is no time zone; {_hint(wanted, known)}.")


@functools.cache
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in zoneinfo.available_timezones()}


def _hint(wanted: str, known: dict[str, str]) -> str:
    if not known:
        return "this machine has no time zone data, install the package tzdata"
    cities = {name.rsplit("/", 1)[-1]: name for name in known if "/" in name}
    near = [cities[city] for city in difflib.get_close_matches(wanted.rsplit("/", 1)[-1], cities, n=2)]
    near += difflib.get_close_matches(wanted, known, n=2)
    names = list(dict.fromkeys(known[name] for name in near)) or ["UTC", "Europe/Paris", "America/New_York"]
    return f"near to it: {', '.join(names)}" if near else f"names are like {', '.join(names)}"
