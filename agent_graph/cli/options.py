"""Options that several commands share, said once."""

from typing import Annotated, Literal

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]
Collection = Annotated[
    str | None,
    typer.Option(
        "--collection",
        "-c",
        help="Collection to use instead of the configured one; several, by commas, are searched as one.",
    ),
]
Passages = Annotated[int, typer.Option("-k", "--passages", min=1, max=50, help="Passages a search brings.")]

Prune = Annotated[
    bool, typer.Option("--prune", help="Take out documents of these folders whose files have vanished.")
]
Force = Annotated[bool, typer.Option("--force", help="Prune even if that takes out most of them.")]
Urls = Annotated[bool, typer.Option("--urls", help="Fetch web addresses, in public networks only.")]
Redact = Annotated[
    bool, typer.Option("--redact", help="Take keys, tokens and passwords out before anything is stored.")
]


def _asked(text: str) -> str:
    if not text.strip():
        raise typer.BadParameter("it is empty; ask in a sentence, in quotes")
    return text


Question = Annotated[
    str, typer.Argument(help="The question, in quotes.", show_default=False, callback=_asked)
]
ApprovalPolicy = Literal["side_effects", "always", "never"]
"""The same words as Context.approval, here without importing it."""
Approval = Annotated[
    ApprovalPolicy, typer.Option("--approval", help="When a person is asked before a plan runs.")
]
