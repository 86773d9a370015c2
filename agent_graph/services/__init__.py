"""The three roles as small HTTP services, and the client side with the signatures of the local roles.

    planner_app   POST /plan    PlanRequest  -> steps as they are written, then Written    RemotePlanner
    worker_app    POST /call    CallRequest  -> what the step does, then Called            RemoteWorker
    solver_app    POST /solve   SolveRequest -> text as it comes, then Solved              RemoteSolver
    each          GET  /ok      its role and mode, without a token

A reply is JSON lines: `{"event": ...}` as things happen and `{"done": ...}` or `{"error": "..."}` once, last;
an empty line is only a sign of life. A service keeps nothing between calls: plan, schedule, evidence and
checkpoints stay with the graph, so any service can die and be replaced.
"""

from agent_graph.services.apps import planner_app, solver_app, worker_app
from agent_graph.services.remote import RemotePlanner, RemoteSolver, RemoteWorker
from agent_graph.services.wire import Called, CallRequest

__all__ = [
    "CallRequest",
    "Called",
    "RemotePlanner",
    "RemoteSolver",
    "RemoteWorker",
    "planner_app",
    "solver_app",
    "worker_app",
]
