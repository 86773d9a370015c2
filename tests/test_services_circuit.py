"""The circuit of a replica and the choice among replicas: pure, on a clock that a test holds."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from agent_graph.services.circuit import OPEN_S, THRESHOLD, Circuit
from agent_graph.services.replicas import Replicas
from agent_graph.testing import FakeClock

HAPPENINGS = st.lists(st.sampled_from(["call", "answer", "finish", "lose", "withdraw", "wait"]), max_size=60)


@given(HAPPENINGS)
def test_a_circuit_opens_only_after_losses_in_a_row_and_lets_one_call_try(happenings: Sequence[str]) -> None:
    """Whatever happens: closed below THRESHOLD losses in a row, nothing while open, then one call at a time."""
    circuit, now, row, trying = Circuit(), 0.0, 0, False
    for happening in happenings:
        opened, open_until = circuit.opened is not None, (circuit.opened or 0.0) + OPEN_S
        assert opened == (row >= THRESHOLD)
        assert circuit.lets_through(now) == (not opened or (now >= open_until and not trying))
        if happening == "wait":
            now += OPEN_S / 2
        elif happening == "call" and circuit.lets_through(now):
            circuit, trying = circuit.begin(), opened
        elif happening == "answer":
            circuit, row, trying = circuit.answer(), min(row, THRESHOLD - 1), False
        elif happening == "finish":
            circuit, row, trying = Circuit(), 0, False
        elif happening == "lose":
            circuit, row, trying = circuit.lose(now), row + 1, False
        elif happening == "withdraw":
            circuit, trying = circuit.withdraw(), False


def test_a_replica_that_answers_again_is_lost_again_at_the_first_loss() -> None:
    """An answer closes the circuit for others at once; only a whole call makes the replica good again."""
    circuit = Circuit()
    for _ in range(THRESHOLD):
        circuit = circuit.lose(0.0)
    circuit = circuit.begin().answer()
    assert circuit.lets_through(OPEN_S)
    assert not circuit.lose(OPEN_S).lets_through(OPEN_S)


def test_each_call_goes_to_the_replica_with_the_fewest_under_way() -> None:
    """Equals take turns; a busy replica gets nothing while another is free."""
    replicas = Replicas(["a", "b", "c"])
    taken = [replicas.take() for _ in range(7)]
    assert [one.url for one in taken if one] == ["a", "b", "c", "a", "b", "c", "a"]
    assert taken[1] is not None
    assert taken[4] is not None
    for one in (taken[1], taken[4]):
        with replicas.call(one):
            pass
    again = [replicas.take() for _ in range(2)]
    assert [one.url for one in again if one] == ["b", "b"]


def test_a_replica_whose_circuit_is_open_is_left_out_until_it_may_try() -> None:
    """With one of two away, the other gets every call; after OPEN_S one call tries the first, and only one."""
    clock = FakeClock()
    replicas = Replicas(["a", "b"], clock)
    for _ in range(THRESHOLD):
        taken = replicas.take(avoid=["b"])
        assert taken is not None
        with replicas.call(taken):
            pass
        replicas.lost(taken)
    others = [replicas.take() for _ in range(3)]
    assert {one.url for one in others if one} == {"b"}
    assert replicas.take(avoid=["b"]) is None
    clock.advance(OPEN_S)
    trying = replicas.take(avoid=["b"])
    assert trying is not None
    assert replicas.take(avoid=["b"]) is None
    with replicas.call(trying):  # its caller goes away without an answer
        pass
    assert replicas.take(avoid=["b"]) is not None
