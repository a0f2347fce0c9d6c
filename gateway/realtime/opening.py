"""How a session comes to be: the provider is asked first, and the client is answered as the provider has answered."""

from __future__ import annotations

from gateway.core.call import Call
from gateway.core.errors import ClientGone, NotAvailable
from gateway.core.exchange import Request
from gateway.core.ports import Switching
from gateway.course import Course
from gateway.realtime.ending import CLIENT_GONE, Leg
from gateway.realtime.judging import check_ready
from gateway.realtime.key_watch import KeyWatch
from gateway.realtime.rooms import Rooms
from gateway.realtime.session import Session
from gateway.wire import websocket
from gateway.wire.headers import answer_headers


async def converse(call: Call, request: Request, course: Course, rooms: Rooms) -> None:
    """Serve a session to its end.

    Args:
        call: The exchange; a limit's share is taken.
        request: The handshake.
        course: Where it goes, under which rules.
        rooms: As said.

    Raises:
        GatewayError: There will be no session, and the client has been told nothing yet.
    """
    check_ready(course.guard)
    reply = call.reply
    if not isinstance(reply, Switching):
        raise NotAvailable("Sessions need a connection of their own.")
    leg = call.attempt = Leg(rooms.journal.now_ns)
    answered = await rooms.dispatcher.open(course.deployment, request, call.incoming, course.principal.consumed)
    leg.answered(answered.status, answered.headers)
    if call.reply.gone:
        if answered.line is not None:
            answered.line.close()
        raise ClientGone(CLIENT_GONE)
    record = rooms.journal.record(call)
    provider = answered.line
    if call.lease is not None:
        rooms.ledger.tell(call, leg, call.lease)
    headers = answer_headers({n: v for n, v in leg.headers.items() if not n.startswith(b"sec-websocket-")})
    headers += rooms.head.lines(record, rooms.journal.overhead_ms(call), attempts=1)
    if provider is None:
        leg.end()
        rooms.ledger.release(call)
        call.answer = answered.body
        call.filed = True
        rooms.journal.close(call, answered.status, "upstream_error", answered.body)
        reply.send(answered.status, headers, answered.body)
        return
    protocol = answered.headers.get(b"sec-websocket-protocol")
    if protocol is not None:
        headers += b"sec-websocket-protocol: %b\r\n" % protocol
    accept = websocket.accepted(call.incoming.headers[b"sec-websocket-key"])
    client = reply.switch(b"sec-websocket-accept: %b\r\n%b" % (accept, headers))
    session = Session(call, request, course, rooms, leg)
    watch = KeyWatch(rooms.courses.identity, call.incoming, session.stop)
    watch.start(course.principal)
    try:
        await session.run(client, provider)
    finally:
        watch.stop()
