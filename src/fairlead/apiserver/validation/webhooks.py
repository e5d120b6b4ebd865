"""Configurations of admission webhooks (pkg/apis/admissionregistration/validation)."""

from typing import Any
from urllib.parse import urlsplit

from fairlead.api.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from fairlead.apiserver.validation import names
from fairlead.apiserver.validation.workload import label_selector

Json = dict[str, Any]

REVIEW_VERSIONS = ("v1", "v1beta1")
OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
CHOICES = {
    "failurePolicy": ("Fail", "Ignore"),
    "matchPolicy": ("Equivalent", "Exact"),
    "sideEffects": ("None", "NoneOnDryRun"),
    "reinvocationPolicy": ("IfNeeded", "Never"),
}
SCOPES = ("*", "Cluster", "Namespaced")
LONGEST_WAIT = 30  # seconds


def validate_webhooks(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, webhook in enumerate(obj.get("webhooks") or ()):
        path = f"webhooks[{index}]"
        errors += _webhook(webhook, path)
        name = webhook.get("name", "")
        if name and name in seen:
            errors.append(duplicate(f"{path}.name", name))
        seen.add(name)
    return errors


def _webhook(webhook: Json, path: str) -> list[FieldError]:
    errors = _name(webhook.get("name", ""), f"{path}.name")
    for index, rule in enumerate(webhook.get("rules") or ()):
        errors += _rule(rule, f"{path}.rules[{index}]")
    errors += _review_versions(webhook.get("admissionReviewVersions") or [], f"{path}.admissionReviewVersions")
    for field, choices in CHOICES.items():
        value = webhook.get(field)
        if value is not None and value not in choices:
            errors.append(not_supported(f"{path}.{field}", value, choices))
    if webhook.get("sideEffects") is None:
        errors.append(required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun"))
    seconds = webhook.get("timeoutSeconds", LONGEST_WAIT)
    if not 1 <= seconds <= LONGEST_WAIT:
        errors.append(invalid(f"{path}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds"))
    for field in ("namespaceSelector", "objectSelector"):
        errors += label_selector(webhook.get(field) or {}, f"{path}.{field}")
    if webhook.get("matchConditions"):
        errors.append(forbidden(f"{path}.matchConditions", "expressions of CEL are not evaluated by this server"))
    return errors + _client(webhook.get("clientConfig") or {}, f"{path}.clientConfig")


def _name(name: str, path: str) -> list[FieldError]:
    if not name:
        return [required(path)]
    errors = [invalid(path, name, problem) for problem in names.subdomain(name)]
    if not errors and name.count(".") < 2:
        errors.append(invalid(path, name, "should be a domain with at least three segments separated by dots"))
    return errors


def _review_versions(versions: list[str], path: str) -> list[FieldError]:
    if not versions:
        return [required(path, f"must specify one of {', '.join(REVIEW_VERSIONS)}")]
    errors: list[FieldError] = []
    for index, version in enumerate(versions):
        if version in versions[:index]:
            errors.append(invalid(f"{path}[{index}]", version, "duplicate version"))
        errors += [invalid(f"{path}[{index}]", version, problem) for problem in names.label_1035(version)]
    if not errors and not set(versions) & set(REVIEW_VERSIONS):
        errors.append(invalid(path, versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}"))
    return errors


def _rule(rule: Json, path: str) -> list[FieldError]:
    errors = _any_or_some(rule.get("operations") or [], f"{path}.operations", "operations")
    for index, operation in enumerate(rule.get("operations") or ()):
        if operation not in OPERATIONS:
            errors.append(not_supported(f"{path}.operations[{index}]", operation, OPERATIONS))
    errors += _any_or_some(rule.get("apiGroups") or [], f"{path}.apiGroups", "API groups")
    errors += _any_or_some(rule.get("apiVersions") or [], f"{path}.apiVersions", "API versions")
    errors += _given(rule.get("apiVersions") or [], f"{path}.apiVersions")
    errors += _resources(rule.get("resources") or [], f"{path}.resources")
    if (scope := rule.get("scope")) is not None and scope not in SCOPES:
        errors.append(not_supported(f"{path}.scope", scope, SCOPES))
    return errors


def _any_or_some(values: list[str], path: str, what: str) -> list[FieldError]:
    if not values:
        return [required(path)]
    if "*" in values and len(values) > 1:
        return [invalid(path, values, f"if '*' is present, must not specify other {what}")]
    return []


def _given(values: list[str], path: str) -> list[FieldError]:
    return [required(f"{path}[{index}]") for index, value in enumerate(values) if not value]


def _resources(values: list[str], path: str) -> list[FieldError]:
    """`pods`, `pods/*`, `*/scale`, `*/*`: nothing is said twice."""
    if not values:
        return [required(path)]
    errors = _given(values, path)
    if "*/*" in values and len(values) > 1:
        errors.append(invalid(path, values, "if '*/*' is present, must not specify other resources"))
    if "*" in values and any("/" not in value for value in values if value != "*"):
        why = "if '*' is present, must not specify other resources without subresources"
        errors.append(invalid(path, values, why))
    for index, value in enumerate(values):
        resource, _, subresource = value.partition("/")
        for wider in (f"{resource}/*", f"*/{subresource}"):
            if subresource and value not in (wider, "*/*") and wider in values:
                why = f"if '{wider}' is present, must not specify {value}"
                errors.append(invalid(f"{path}[{index}]", value, why))
    return errors


def _client(client: Json, path: str) -> list[FieldError]:
    """A caBundle that is no certificate is found when the webhook is called: manifests have placeholders there."""
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        return [required(path, "exactly one of url or service is required")]
    return _url(url, f"{path}.url") if service is None else _service(service, f"{path}.service")


def _url(url: Any, path: str) -> list[FieldError]:
    form = "; desired format: https://host[/path]"
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return [required(path, f"url must be a valid URL: {error}{form}")]
    errors = []
    if parts.scheme != "https":
        errors.append(invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{form}"))
    if not parts.netloc:
        errors.append(invalid(path, parts.netloc, f"host must be specified{form}"))
    if parts.username is not None:
        errors.append(invalid(path, parts.username, "user information is not permitted in the URL"))
    if parts.fragment:
        errors.append(invalid(path, parts.fragment, "fragments are not permitted in the URL"))
    if parts.query:
        errors.append(invalid(path, parts.query, "query parameters are not permitted in the URL"))
    return errors


def _service(service: Json, path: str) -> list[FieldError]:
    errors = []
    if not service.get("name"):
        errors.append(required(f"{path}.name", "service name is required"))
    if not service.get("namespace"):
        errors.append(required(f"{path}.namespace", "service namespace is required"))
    if names.port_number(service.get("port", 443)):
        errors.append(invalid(f"{path}.port", service["port"], "port is not valid: " + names.PORT))
    given = service.get("path") or "/"
    if not given.startswith("/"):
        errors.append(invalid(f"{path}.path", given, "must start with a '/'"))
    return errors
