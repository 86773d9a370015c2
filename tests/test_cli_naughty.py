"""What documents, people and models say never steers the terminal it is shown on."""

import json
import re
from pathlib import Path

import pytest
from cli_terminal import piped, terminal
from rich.console import Console

from agent_graph.cli import main
from agent_graph.cli.console import json_text, line, text
from agent_graph.testing import OpenAIServer

HERE = Path(__file__).parent
STRINGS = [
    json.loads(row)["s"] for row in (HERE / "naughty_strings.jsonl").read_text("utf-8").split("\n") if row
]
HOSTILE = {
    "colour": "\x1b[35;7mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",
    "clear": "\x1b[2J\x1b[H\x1bc",
    "csi": "\x9b31m\x9d0;owned\x9c",
    "bidi": "\u202eevil\u2066\u200f",
    "bell": "\a\b\r\v\f\x00\x7f",
    "markup": "[bold red on white]markup[/] [link=http://evil]x[/link] :smile:",
    "surrogate": "\ud800",
}
STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def test_nothing_said_steers_a_terminal() -> None:
    """As text, on one line and as JSON no character is left that a terminal would obey; JSON loses nothing."""
    for said in [*HOSTILE.values(), *STRINGS]:
        harmless(said)


def harmless(said: str) -> None:
    console = Console(width=200, markup=False)
    with console.capture() as shown:
        console.print(text(said))
    assert not STEERING.search(shown.get())
    assert not STEERING.search(line(said))
    assert "\n" not in line(said)
    assert not STEERING.search(json_text({"said": said}))
    assert json.loads(json_text({"said": said})) == {"said": said}


@pytest.mark.xdist_group("naughty")
def test_naughty_strings_through_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Documents made of them are ingested; searched for, planned and asked, none makes a traceback or an escape."""
    folder = tmp_path / "documents"
    folder.mkdir()
    for number, said in enumerate([*HOSTILE.values(), *STRINGS[:200]]):
        document = f"Note {number} of the harbour says: {said}"
        (folder / f"{number}.txt").write_text(document, "utf-8", "replace")
    assert main(["ingest", str(folder)]) == 0
    for said in [*HOSTILE.values(), *[said for said in STRINGS if said.strip()][:30]]:
        assert main(["ask", "--passages", "20", "--", f"{said} harbour?"]) == 0
    assert main(["search", "harbour note", "-k", "300"]) == 0
    captured = capsys.readouterr()
    for stream in (captured.out, captured.err):
        assert not STEERING.search(stream)
        assert "Traceback" not in stream
    assert "[bold red on white]markup[/]" in captured.out


def test_a_hostile_model_and_document_on_a_real_terminal(tmp_path: Path) -> None:
    """What a model streams and a document quotes reaches a terminal without its escape sequences."""
    hostile = "".join(said for said in HOSTILE.values() if said != HOSTILE["surrogate"])
    hostile = hostile.replace("\x00", "")  # a file with it is binary, an argument cannot hold it
    (tmp_path / "note.txt").write_text(
        f"The harbour {hostile} was deepened in 1894. " + "Ships came and went. " * 200, "utf-8"
    )
    assert piped(["ingest", str(tmp_path / "note.txt")]).returncode == 0
    replies = {
        "The plan that was run": f"It was {hostile} deepened in 1894 [E1.1].",
        "Question: ": f"Plan: {hostile}\n#E1 = search_documents(query={json.dumps('harbour ' + hostile)})  # {hostile}\n",
    }
    with (
        OpenAIServer(replies, models=[f"m{HOSTILE['title']}"]) as model,
        terminal(["ask", f"When? {hostile}"], OPENAI_BASE_URL=model.base_url) as screen,
    ):
        assert screen.ended() == 0
    shown = screen.seen.decode()
    assert "deepened in 1894" in shown
    assert "\x1b]" not in shown
    assert "\x1bc" not in shown
    assert "\x1b[2J" not in shown
    assert "\x1b[35" not in shown
    assert not re.search("[\x00\x07\x0b\x0c\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
