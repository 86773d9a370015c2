"""Every name we emit, in one place: the GenAI semantic conventions are still in development."""

TRACER = "agent_graph"

INVOKE_AGENT = "invoke_agent"
PLAN = "plan"
EXECUTE_TOOL = "execute_tool"
SOLVE = "solve"
SERVE = "serve"

OPERATION = "gen_ai.operation.name"
MODEL = "gen_ai.request.model"
TOOL = "gen_ai.tool.name"

ROLE = "agent_graph.role"
STEP = "agent_graph.step"
STATUS = "agent_graph.status"
OUTCOME = "agent_graph.outcome"

DURATION = "gen_ai.client.operation.duration"
TOKENS = "gen_ai.client.token.usage"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105  # an attribute name, not a secret

CALL_DURATION = "agent_graph.role.call.duration"
CALLS_UNDER_WAY = "agent_graph.role.calls_under_way"
