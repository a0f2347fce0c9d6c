from hypothesis import given
from hypothesis import strategies as st

from gateway.core.span_ids import span_of, trace_of, try_span_of

ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def test_a_trace_of_our_own_is_found_by_the_exchange():
    assert trace_of(ID) == "01890a5dac96774bbcceb302099a8057"


@given(st.uuids(), st.integers(1, 50), st.text(max_size=40))
def test_spans_of_an_exchange_are_sixteen_digits_and_apart(exchange, number, what):
    found = [span_of(str(exchange)), try_span_of(str(exchange), number), span_of(str(exchange), f"guard/{what}")]
    assert all(len(each) == 16 and int(each, 16) for each in found)
    assert len(set(found)) == 3
    assert try_span_of(str(exchange), number) == found[1]
