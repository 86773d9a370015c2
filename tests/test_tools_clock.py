"""The clock: one moment, read in many places."""

from datetime import UTC, datetime

import pytest

from tools.clock import make_clock
from tools.errors import ToolRefusal

MOMENT = datetime(2024, 2, 29, 23, 30, 5, 999, tzinfo=UTC)


async def test_it_tells_date_time_and_weekday_of_a_zone() -> None:
    """The same moment has another date and weekday further east."""
    clock = make_clock(now=lambda: MOMENT)
    assert await clock.ainvoke({"timezone": "Asia/Tokyo"}) == {
        "iso": "2024-03-01T08:30:05+09:00",
        "date": "2024-03-01",
        "time": "08:30:05",
        "weekday": "Friday",
        "timezone": "Asia/Tokyo",
        "unix": 1709249405,
    }
    assert (await clock.ainvoke({}))["iso"] == "2024-02-29T23:30:05+00:00"


@pytest.mark.parametrize("name", ["america/new_york", "America/New York", " AMERICA/NEW_YORK "])
def test_a_zone_is_found_however_it_is_written(name: str) -> None:
    """Capitals and blanks do not matter."""
    assert make_clock(now=lambda: MOMENT).invoke({"timezone": name})["timezone"] == "America/New_York"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Paris", "Europe/Paris"),
        ("Europe/Pariss", "Europe/Paris"),
        ("../../etc/passwd", "names are like"),
        ("", ""),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest(name: str, near: str) -> None:
    """The refusal names what may have been meant; no text becomes a path."""
    with pytest.raises(ToolRefusal) as refused:
        make_clock().invoke({"timezone": name})
    assert near in str(refused.value)


def test_without_being_told_otherwise_it_reads_the_real_time() -> None:
    """The default time source moves with the system's clock."""
    before = datetime.now(UTC).timestamp()
    assert int(before) <= make_clock().invoke({})["unix"] <= datetime.now(UTC).timestamp()
