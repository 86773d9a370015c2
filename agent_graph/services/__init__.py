"""The three roles as small HTTP services, and the client side with the signatures of the local roles.

    planner_app   POST /plan    PlanCall     -> steps as they are written, then Written    RemotePlanner
    worker_app    POST /call    CallRequest  -> what the step does, then Called, which     RemoteWorker
                                             may be a question for a person
                  GET  /tools                -> Offered
    solver_app    POST /solve   SolveRequest -> text as it comes, then Solved              RemoteSolver
    each          GET  /ok, /ready, /metrics, without a token

A reply is JSON lines: `{"event": ...}` as things happen and `{"done": ...}`, `{"late": "..."}` or
`{"error": "..."}` once, last; an empty line is only a sign of life. A service keeps nothing between calls: plan,
schedule, evidence and checkpoints stay with the graph, so any service can die and be replaced.

With a token both sides prove that they know it (`proof`). The client side calls the replica with the fewest calls
under way whose circuit is closed (`replicas`, `circuit`), and another one when a replica is lost (`client`): always
when nothing had been sent, and once for a call that does not write.
"""

from agent_graph.services.apps import planner_app, solver_app, worker_app
from agent_graph.services.cards import ToolCard, cards_of, catalog_of
from agent_graph.services.offered import ask_tools
from agent_graph.services.remote import RemotePlanner, RemoteSolver, RemoteWorker
from agent_graph.services.wire import Called, CallRequest, Offered, PlanCall

__all__ = [
    "CallRequest",
    "Called",
    "Offered",
    "PlanCall",
    "RemotePlanner",
    "RemoteSolver",
    "RemoteWorker",
    "ToolCard",
    "ask_tools",
    "cards_of",
    "catalog_of",
    "planner_app",
    "solver_app",
    "worker_app",
]
