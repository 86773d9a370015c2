"""From what a caller names to one chain of chat models per role."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

from langchain_core.language_models import BaseChatModel

from agent_graph.errors import SettingsError
from agent_graph.models.chain import ModelChain, NamedModel
from agent_graph.usage import Role

OneModel = str | BaseChatModel
ModelSpec = OneModel | Sequence[OneModel] | Mapping[str, OneModel | Sequence[OneModel] | None] | None
"""A model, a fallback list of models, or either of them per role; None for extractive mode."""

EXTRACTIVE = "extractive"
"""Names extractive mode where a model name is asked for."""

EXTRACTIVE_MODE = "extractive mode"
"""What a person is told when no model works."""

ROLES: tuple[Role, ...] = get_args(Role)


class Models(NamedTuple):
    """The chain of each role; None where the role works in extractive mode."""

    planner: ModelChain | None
    worker: ModelChain | None
    solver: ModelChain | None

    @property
    def mode(self) -> str:
        """What a person is told: the planner's first model, or "extractive mode"."""
        return self.planner.name if self.planner else EXTRACTIVE_MODE


def choose(spec: ModelSpec, *, base_url: str | None = None, api_key: str | None = None) -> Models:
    """Build the chain of every role from "provider:name" strings or ready chat models.

    A mapping names roles (`planner`, `worker`, `solver`); a role it leaves out takes the planner's.
    "extractive" stands for no model. Raises SettingsError for an unknown role or provider, a missing
    package or key.
    """
    if not isinstance(spec, Mapping):
        chain = [_named(one, base_url, api_key) for one in _listed(spec)]
        return Models(*(_chain(role, chain) for role in ROLES))
    unknown = set(spec) - set(ROLES)
    if unknown:
        raise SettingsError(
            f"Unknown role {sorted(unknown)[0]!r} in models; the roles are {', '.join(ROLES)}."
        )
    default = spec.get("planner")
    return Models(
        *(
            _chain(role, [_named(one, base_url, api_key) for one in _listed(spec.get(role, default))])
            for role in ROLES
        )
    )


def _chain(role: Role, models: Sequence[NamedModel]) -> ModelChain | None:
    return ModelChain(role, tuple(models)) if models else None


def _listed(spec: OneModel | Sequence[OneModel] | None) -> list[OneModel]:
    if spec is None:
        return []
    if isinstance(spec, str):
        names = [name.strip() for name in spec.split(",") if name.strip()]
        return [name for name in names if name != EXTRACTIVE]
    return [spec] if isinstance(spec, BaseChatModel) else list(spec)


def _named(spec: OneModel, base_url: str | None, api_key: str | None) -> NamedModel:
    if isinstance(spec, BaseChatModel):
        return NamedModel(_name_of(spec), spec)
    provider, _, name = spec.partition(":")
    if not name:
        raise SettingsError(
            f"{spec!r} is not a model name; write it as provider:name, for example openai:gpt-5-mini."
        )
    return NamedModel(spec, _built(spec, provider, base_url, api_key))


def _name_of(model: BaseChatModel) -> str:
    """Return "provider:name" as the model reports itself to tracers."""
    reported = model._get_ls_params()
    name = reported.get("ls_model_name") or type(model).__name__
    return f"{reported['ls_provider']}:{name}" if reported.get("ls_provider") else name


def _built(spec: str, provider: str, base_url: str | None, api_key: str | None) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    # The chain retries and bounds each call itself: the client's own retries would hide time and faults.
    options: dict[str, object] = {"max_retries": 0}
    if provider == "openai":
        # Usage is missing from streams of compatible servers unless asked for.
        options["stream_usage"] = True
        if base_url:
            options["base_url"] = base_url
            api_key = api_key or "unused"  # local servers want none, the client insists on one
        if api_key:
            options["api_key"] = api_key
    try:
        return init_chat_model(spec, **options)  # type: ignore[call-overload, no-any-return]
    except ImportError as error:
        package = str(error.name or f"langchain-{provider}").replace("_", "-")
        raise SettingsError(
            f"The model {spec!r} needs the package {package!r}. Install it with: pip install {package}"
        ) from error
    except ValueError as error:
        raise SettingsError(f"The model {spec!r} cannot be used: {error}") from error
    except Exception as error:
        if "api_key" in str(error):
            raise SettingsError(
                f"The model {spec!r} has no API key. Set {provider.upper()}_API_KEY, "
                "or OPENAI_BASE_URL for a server that needs none."
            ) from error
        raise
