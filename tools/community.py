"""langchain_community, imported late, once, and without its sunset notice.

The notice is for whoever chooses the package; whoever runs a plan can do nothing about it.
"""

import importlib
import threading
import warnings
from typing import Any

_LOCK = threading.Lock()
"""Warning filters belong to the whole process: two first calls at once would restore each other's."""


def load(module: str, name: str) -> Any:
    """Return `name` from `langchain_community.<module>`."""
    with _LOCK, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*langchain-community.*", category=DeprecationWarning)
        return getattr(importlib.import_module(f"langchain_community.{module}"), name)
