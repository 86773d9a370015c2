"""`agent-graph keys`: who may use the server."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent_graph.cli.options import AsJson

if TYPE_CHECKING:
    from pathlib import Path

    from agent_graph.gateway.keys import Keys

app = typer.Typer(
    help="Make, list and revoke the keys of the server's users.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("new")
def new(
    user: Annotated[
        str, typer.Argument(help="Whose key it is: their name on the server.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once: only its hash is kept."""
    from agent_graph.cli import console
    from agent_graph.gateway.keys import Keys, new_key, write_keys

    key, kept = new_key(user)
    path, keys = _kept()
    write_keys(path, Keys(keys=(*keys.keys, kept)))
    if as_json:
        console.print_json({"key": key, "id": kept.id, "user": kept.user, "file": str(path)})
        return
    typer.echo(key)
    typer.echo(f"This is {user}'s key; it is not shown again. Its hash is in {path}.", err=True)


@app.command("list")
def listed(as_json: AsJson = False) -> None:
    """List the keys by id, user and day."""
    from agent_graph.cli import console

    path, keys = _kept()
    if as_json:
        told = [kept.model_dump(include={"id", "user", "created"}) for kept in keys.keys]
        console.print_json({"file": str(path), "keys": told})
        return
    for kept in keys.keys:
        typer.echo(console.line(f"{kept.id}  {kept.created}  {kept.user}"))
    if not keys.keys:
        typer.echo("There are no keys. Make one with: agent-graph keys new USER", err=True)


@app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as listed.", show_default=False)],
) -> None:
    """Take a key back; a running server refuses it at once."""
    from agent_graph.gateway.keys import write_keys

    path, keys = _kept()
    write_keys(path, keys.without(name))
    typer.echo(f"The key {name} opens nothing any more.", err=True)


def _kept() -> "tuple[Path, Keys]":
    from agent_graph.gateway.keys import Keys, read_keys
    from agent_graph.settings import read_settings

    path = read_settings().keys_place
    return path, read_keys(path) if path.exists() else Keys()
