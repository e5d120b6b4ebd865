"""Questions about who one is and what one may do: reviews that are answered and never stored."""

from typing import Any

from fairlead.api.status import ApiError, bad_request, not_acceptable
from fairlead.apiserver import negotiation
from fairlead.apiserver.answers import partial
from fairlead.apiserver.authz import Attributes
from fairlead.apiserver.call import Call
from fairlead.apiserver.users import User, user_info
from fairlead.http.server import Response

Json = dict[str, Any]


async def create(call: Call) -> Response:
    """A review has no columns, so no Table. Raises ApiError (406)."""
    if call.form.shape == "table":
        raise not_acceptable(negotiation.ACCEPTED)
    review = negotiation.decode(call.request, call.resource, call.warnings)
    review["status"] = REVIEWS[call.resource.plural](call, review.get("spec") or {})
    review["metadata"].setdefault("creationTimestamp", None)
    answer = partial(review, call.form.version) if call.form.shape == "partial" else review
    return Response(201, negotiation.render(answer, call.form), call.form.media)


def _token(call: Call, spec: Json) -> Json:
    try:
        user = call.api.tokens.verify(
            spec.get("token", ""), *([tuple(spec["audiences"])] if spec.get("audiences") else [])
        )
    except ApiError:
        return {"user": {}, "error": "invalid bearer token"}
    return {"authenticated": True, "user": user_info(user), "audiences": spec.get("audiences") or []}


def _self_subject(call: Call, _: Json) -> Json:
    return {"userInfo": user_info(call.user)}


def _self_access(call: Call, spec: Json) -> Json:
    return _access(call, call.user, spec)


def _subject_access(call: Call, spec: Json) -> Json:
    if not spec.get("user") and not spec.get("groups"):
        raise bad_request("spec.user: at least one of user or group must be specified")
    return _access(call, User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", "")), spec)


def _access(call: Call, user: User, spec: Json) -> Json:
    if resource := spec.get("resourceAttributes"):
        fields = ("verb", "group", "resource", "subresource", "namespace", "name")
        asked = Attributes(**{field: resource.get(field, "") for field in fields})
    elif path := spec.get("nonResourceAttributes"):
        asked = Attributes(verb=path.get("verb", ""), path=path.get("path", ""))
    else:
        raise bad_request("spec: one of resourceAttributes or nonResourceAttributes must be given")
    return {"allowed": call.api.authorizer.allows(user, asked)}


def _self_rules(call: Call, spec: Json) -> Json:
    namespace = spec.get("namespace", "")
    resources, paths = [], []
    if "system:masters" in call.user.groups:
        resources.append({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
        paths.append({"verbs": ["*"], "nonResourceURLs": ["*"]})
    for where, rule in call.api.authorizer.grants(call.user):
        if where not in (None, namespace):
            continue
        if rule.non_resource_urls:
            paths.append({"verbs": list(rule.verbs), "nonResourceURLs": list(rule.non_resource_urls)})
        else:
            found = {"verbs": list(rule.verbs), "apiGroups": list(rule.api_groups), "resources": list(rule.resources)}
            if rule.resource_names:
                found["resourceNames"] = list(rule.resource_names)
            resources.append(found)
    return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}


REVIEWS = {
    "tokenreviews": _token,
    "selfsubjectreviews": _self_subject,
    "selfsubjectaccessreviews": _self_access,
    "subjectaccessreviews": _subject_access,
    "selfsubjectrulesreviews": _self_rules,
}
