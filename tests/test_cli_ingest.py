"""Ingesting from the command line: every file accounted for, and Ctrl-C leaves only whole documents."""

import json
from pathlib import Path

import pytest
from cli_terminal import piped, terminal

from agent_graph.cli import main


def test_every_file_is_accounted_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ingested, unchanged, updated and skipped with the reason: nothing passes in silence."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "good.txt").write_text("The harbour was deepened in 1894.")
    (folder / "empty.txt").write_text("")
    (folder / "picture.bin").write_bytes(b"\x00\x01")
    assert main(["ingest", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "ingested" in shown
    assert "binary, not text" in shown
    assert "1 ingested, 2 skipped" in shown
    (folder / "good.txt").write_text("The harbour was deepened in 1895.")
    assert main(["ingest", str(folder), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["counts"] == {"ingested": 0, "updated": 1, "unchanged": 0, "skipped": 2}
    assert {Path(one["document"]).name: one["status"] for one in report["documents"]} == {
        "good.txt": "updated",
        "empty.txt": "skipped",
        "picture.bin": "skipped",
    }


def test_nothing_to_ingest_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty folder, or one in which nothing can be read, ends with 1."""
    assert main(["ingest", str(tmp_path)]) == 1
    assert "no files to ingest" in capsys.readouterr().out


def test_collections_are_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is ingested into one collection is not found in another."""
    (tmp_path / "a.txt").write_text("Apples are red.")
    (tmp_path / "b.txt").write_text("Bears are brown.")
    assert main(["ingest", str(tmp_path / "a.txt"), "-c", "fruit"]) == 0
    assert main(["ingest", str(tmp_path / "b.txt"), "-c", "animals"]) == 0
    capsys.readouterr()
    assert main(["search", "apples", "-c", "animals", "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert [hit["text"] for hit in hits] == ["Bears are brown."]


def test_ctrl_c_keeps_whole_documents(tmp_path: Path) -> None:
    """Stopped in the middle, the collection opens, holds only whole documents, and the rest can follow."""
    folder = tmp_path / "many"
    folder.mkdir()
    sentence = "Ship {} of the line carried {} barrels of herring to the harbour in stormy weather. "
    for number in range(400):
        text = "".join(sentence.format(number, barrel) for barrel in range(60))
        (folder / f"{number:03}.txt").write_text(text)
    with terminal(["ingest", str(folder)]) as screen:
        screen.until(r"[1-9]\d*/400")
        screen.process.send_signal(2)
        assert screen.ended() == 130
    assert "whole and kept" in screen.seen.decode()
    ended = piped(["ingest", str(folder), "--json"])
    assert ended.returncode == 0, ended.stderr
    counts = json.loads(ended.stdout)["counts"]
    assert counts["unchanged"] > 0
    assert counts["ingested"] > 0
    assert counts["updated"] == counts["skipped"] == 0
