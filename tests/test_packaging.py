"""The package as a stranger gets it: whole, light to import, and unmistakably ours."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import agent_graph
import retrieval
import tools

ROOT = Path(__file__).parent.parent


def imported_by(statement: str) -> set[str]:
    """Return the modules a fresh interpreter has loaded after one statement."""
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("package", ["agent_graph", "tools", "retrieval"])
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    """Opening a library is left to the moment it is used."""
    loaded = imported_by(f"import {package}")
    assert not loaded & {
        "chromadb",
        "wordllama",
        "langchain_community",
        "trafilatura",
        "pypdfium2",
        "openai",
        "langgraph",
    }


def test_building_an_agent_without_documents_loads_no_index() -> None:
    """Chroma and the embedding model are only loaded for knowledge."""
    loaded = imported_by("from agent_graph import build_agent; build_agent(models='extractive', tools=[])")
    assert not loaded & {"chromadb", "wordllama", "langchain_community", "trafilatura", "pypdfium2", "openai"}


def test_the_public_names_are_sorted_and_there() -> None:
    """`__all__` is complete, in order, and every name loads."""
    assert agent_graph.__all__ == sorted(agent_graph.__all__)
    assert all(getattr(agent_graph, name) is not None for name in agent_graph.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = agent_graph.nothing


def test_the_three_packages_lie_side_by_side() -> None:
    """`tools` and `retrieval` are common names: the imported ones are ours."""
    homes = {Path(str(package.__file__)).parent.parent for package in (agent_graph, tools, retrieval)}
    assert len(homes) == 1


def test_the_wheel_holds_all_three_packages_and_what_they_need(tmp_path: Path) -> None:
    """A plain install has the tools, the page and the demo's document, and none of the tests."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for needed in (
        "agent_graph/graph.py",
        "agent_graph/py.typed",
        "agent_graph/samples/state_of_the_union.txt",
        "agent_graph/explain/report.css",
        "agent_graph/web/static/index.html",
        "agent_graph/web/static/page.css",
        "agent_graph/web/static/page.js",
        "tools/catalog.py",
        "retrieval/knowledge.py",
    ):
        assert needed in names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        "agent_graph",
        "tools",
        "retrieval",
    }
