"""Acting as somebody else, for those whom RBAC lets (`kubectl --as`)."""

from urllib.parse import unquote

from fairlead.api.status import bad_request
from fairlead.apiserver.authz import Attributes, Authorizer
from fairlead.apiserver.users import AUTHENTICATED, UNAUTHENTICATED, User, service_account_user
from fairlead.http.server import Request

USER, GROUP, UID, EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"
ACCOUNT = "system:serviceaccount:"
AUTHENTICATION = "authentication.k8s.io"


def act_as(request: Request, user: User, authorizer: Authorizer) -> User:
    """Whom the request is made for: the user, where it names nobody else. Raises ApiError (400, 403)."""
    headers = request.headers
    if USER not in headers:
        if GROUP in headers or UID in headers or any(name.startswith(EXTRA) for name in headers):
            raise bad_request("requested impersonation of groups, a uid or extra fields without impersonating a user")
        return user
    name = headers[USER]
    groups = tuple(group.strip() for group in headers.get(GROUP, "").split(",") if group.strip())
    uid = headers.get(UID, "")
    extra = tuple(
        (unquote(key.removeprefix(EXTRA)), tuple(each.strip() for each in value.split(",")))
        for key, value in sorted(headers.items())
        if key.startswith(EXTRA)
    )
    for asked in _asked(name, groups, uid, extra):
        authorizer.check(user, asked)
    if name.startswith(ACCOUNT) and not groups:
        namespace, _, account = name.removeprefix(ACCOUNT).partition(":")
        return service_account_user(namespace, account, uid, extra)
    if name != "system:anonymous" and not {AUTHENTICATED, UNAUTHENTICATED} & set(groups):
        groups = (*groups, AUTHENTICATED)
    elif name == "system:anonymous" and not groups:
        groups = (UNAUTHENTICATED,)
    return User(name, groups, uid, extra)


def _asked(
    name: str, groups: tuple[str, ...], uid: str, extra: tuple[tuple[str, tuple[str, ...]], ...]
) -> list[Attributes]:
    if name.startswith(ACCOUNT):
        namespace, _, account = name.removeprefix(ACCOUNT).partition(":")
        asked = [Attributes("impersonate", resource="serviceaccounts", namespace=namespace, name=account)]
    else:
        asked = [Attributes("impersonate", resource="users", name=name)]
    asked += [Attributes("impersonate", resource="groups", name=group) for group in groups]
    if uid:
        asked.append(Attributes("impersonate", AUTHENTICATION, "uids", name=uid))
    for key, values in extra:
        asked += [Attributes("impersonate", AUTHENTICATION, "userextras", key, name=value) for value in values]
    return asked
