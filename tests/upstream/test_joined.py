from gateway.core.call import Call
from gateway.core.exchange import Labels
from gateway.core.span_ids import try_span_of
from gateway.upstream.dispatch import FORWARDED
from gateway.upstream.joined import join_trace
from gateway.wire import passthrough
from tests.support.incoming import incoming
from tests.support.sinks import ListReply


def test_a_head_that_names_another_span_is_not_sent_again():
    asked = incoming("POST", "/v1/chat/completions", headers={b"traceparent": b"the caller's"})
    asked.memo[FORWARDED], asked.memo["dialect"] = "encoded", "known"
    call = Call(asked, ListReply(), None, passthrough.DIALECT)
    join_trace(call, Labels(trace_id="1" * 32, span_id="2" * 16, trace_flags=1), "an-id", 2)
    assert call.incoming.headers[b"traceparent"] == f"00-{'1' * 32}-{try_span_of('an-id', 2)}-01".encode()
    assert call.incoming.memo == {"dialect": "known"}
    # Who reads the next request of this head finds it as it was.
    assert (asked.memo[FORWARDED], asked.headers[b"traceparent"]) == ("encoded", b"the caller's")
