"""What people of the operator plane may do: a role for each route, and who has come with which roles.

Every role may look (:data:`VIEWER`); what goes beyond that asks for a role of its own. A route that is not in the table
is refused to everybody, so that none is open because somebody forgot it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec
from aiohttp import web

from gateway.core.errors import PermissionDenied
from gateway.operator.audit import Actor

Role = Literal["viewer", "operator", "policy_editor", "mode_changer", "key_admin", "eraser"]
# As the configuration may write it: all of them.
ADMIN = "admin"
ROLES: tuple[Role, ...] = get_args(Role)
EVERY_ROLE: frozenset[Role] = frozenset(ROLES)
VIEWER: Role = "viewer"

Needed = Mapping[tuple[str, str], Role]
# By method and path, as the router writes it. What a GET asks for holds for HEAD.
NEEDED: Needed = {
    ("GET", "/"): "viewer",
    ("GET", "/openapi.json"): "viewer",
    ("GET", "/healthz"): "viewer",
    ("GET", "/readyz"): "viewer",
    ("GET", "/metrics"): "viewer",
    ("GET", "/api/status"): "viewer",
    ("GET", "/api/policies"): "viewer",
    ("GET", "/api/deployments"): "viewer",
    ("GET", "/api/exchanges"): "viewer",
    ("GET", "/api/exchanges/{id}"): "viewer",
    ("GET", "/api/tail"): "viewer",
    ("GET", "/api/sessions"): "viewer",
    ("GET", "/api/sessions/{id}"): "viewer",
    ("GET", "/api/latency"): "viewer",
    ("GET", "/api/spend"): "viewer",
    ("GET", "/api/spend/forecast"): "viewer",
    ("GET", "/api/alerts"): "viewer",
    ("GET", "/api/drift"): "viewer",
    ("GET", "/api/spend/estimates"): "viewer",
    ("GET", "/api/cache"): "viewer",
    ("GET", "/api/cache/explain/{id}"): "viewer",
    ("POST", "/api/cache/invalidate"): "operator",
    ("GET", "/api/keys"): "key_admin",
    ("POST", "/api/keys"): "key_admin",
    ("GET", "/api/keys/{id}"): "key_admin",
    ("PATCH", "/api/keys/{id}"): "key_admin",
    ("DELETE", "/api/keys/{id}"): "key_admin",
    ("POST", "/api/keys/{id}/revoke"): "key_admin",
    ("POST", "/api/keys/{id}/rotate"): "key_admin",
    ("GET", "/api/audit"): "operator",
    # What leaves in bulk, in whatever shape was asked for, and what is written.
    ("GET", "/api/export"): "operator",
    ("GET", "/api/sql"): "operator",
    ("POST", "/api/sql"): "operator",
    ("POST", "/api/exchanges/{id}/feedback"): "operator",
    ("POST", "/api/erase"): "eraser",
}


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Who has come to the operator plane.

    Attributes:
        name: As the audit table writes it: never a secret.
        roles: What they may do.
    """

    name: str
    roles: frozenset[Role] = EVERY_ROLE


_VISITOR = web.RequestKey("visitor", Visitor)


def roles_of(written: tuple[str, ...]) -> frozenset[Role]:
    """Make roles of the words for them; ``admin`` is all of them, and a word that is none counts for nothing."""
    return EVERY_ROLE if ADMIN in written else frozenset(role for role in ROLES if role in written)


def check_role(visitor: Visitor, needed: Needed, method: str, path: str) -> None:
    """Check that a visitor may use a route.

    Args:
        visitor: Who has come.
        needed: The role that each route asks for.
        method: Of the request.
        path: As the router writes it.

    Raises:
        PermissionDenied: They lack the role, or nobody has it.
    """
    role = needed.get(("GET" if method == "HEAD" else method, path))
    if role is None:
        raise PermissionDenied("No role may do this.")
    if role not in visitor.roles and not (role == VIEWER and visitor.roles):
        raise PermissionDenied(f"This needs the role {role}.")


def welcome(request: web.Request, visitor: Visitor) -> None:
    """Keep who has come with a request."""
    request[_VISITOR] = visitor


def actor_of(request: web.Request) -> Actor:
    """Say who makes a change, for the audit table: the visitor, as what the route asks for."""
    visitor, resource = visitor_of(request), request.match_info.route.resource
    return Actor(who=visitor.name, role=NEEDED.get((request.method, resource.canonical if resource else ""), ""))


def visitor_of(request: web.Request) -> Visitor:
    """Say who has come with a request that was let in."""
    return request[_VISITOR]
