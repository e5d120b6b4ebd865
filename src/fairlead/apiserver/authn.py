"""Authentication: a client certificate, a ServiceAccount's token, or nobody."""

from fairlead.api.status import unauthorized
from fairlead.apiserver import websockets
from fairlead.apiserver.tokens import Tokens
from fairlead.apiserver.users import ANONYMOUS, AUTHENTICATED, User
from fairlead.http.server import Peer, Request

_by_certificate: dict[Peer, User] = {}


def authenticate(request: Request, tokens: Tokens) -> User:
    """Raises ApiError (401) for credentials that are given and wrong."""
    peer = request.peer
    if peer.common_name is not None:
        return _certified(peer)
    authorization = request.headers.get("authorization", "")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return tokens.verify(token.strip())
    if (offered := websockets.token(request)) is not None:
        return tokens.verify(offered)
    if authorization:
        raise unauthorized()
    return ANONYMOUS


def _certified(peer: Peer) -> User:
    key = Peer("", peer.common_name, peer.organizations)
    user = _by_certificate.get(key)
    if user is None:
        assert peer.common_name is not None
        user = _by_certificate[key] = User(peer.common_name, (*peer.organizations, AUTHENTICATED))
    return user
