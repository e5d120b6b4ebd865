"""OpenAPI of the kinds served, from the schema table: what kubectl validates and explains with."""

from fairlead.apiserver.openapi import v2, v3
from fairlead.http.server import Request, Response

PROTOBUF = (
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"  # with "@", as it is asked for, it is no MIME type
)


def answer(request: Request) -> Response | None:
    """`/openapi/v2`, `/openapi/v3`, `/openapi/v3/apis/apps/v1`; None for anything else."""
    accept = request.headers.get("accept", "")
    match request.path.strip("/").split("/", 2):
        case ["openapi", "v2"]:
            if "com.github.proto-openapi.spec.v2" in accept:
                return Response(200, v2.as_protobuf(), PROTOBUF)
            return Response(200, v2.as_json())
        case ["openapi", "v3"]:
            return Response(200, v3.index())
        case ["openapi", "v3", group_version]:
            document = v3.document(group_version)
            return None if document is None else Response(200, document)
    return None
