import pytest

from fairlead.apiserver.openapi import PROTOBUF, answer, v2, v3
from fairlead.http.server import Peer, Request

# As kubectl 1.20 sends it.
OLD = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
JSON = "application/json"


@pytest.mark.parametrize(
    ("target", "accept", "body", "media"),
    [
        ("/openapi/v2", OLD, v2.as_protobuf(), PROTOBUF),
        ("/openapi/v2?timeout=32s", f"{OLD}, {JSON}", v2.as_protobuf(), PROTOBUF),
        ("/openapi/v2", JSON, v2.as_json(), JSON),
        ("/openapi/v2", "", v2.as_json(), JSON),
        ("/openapi/v3", JSON, v3.index(), JSON),
        ("/openapi/v3/", JSON, v3.index(), JSON),
        ("/openapi/v3/api/v1?hash=AB", JSON, v3.document("api/v1"), JSON),
        ("/openapi/v3/apis/apps/v1", "*/*", v3.document("apis/apps/v1"), JSON),
    ],
)
def test_documents_come_in_the_form_asked_for(target: str, accept: str, body: bytes, media: str) -> None:
    response = answer(Request("GET", target, {"accept": accept} if accept else {}, Peer("127.0.0.1")))
    assert response is not None
    assert (response.status, response.body, response.content_type) == (200, body, media)


@pytest.mark.parametrize("path", ["/openapi", "/openapi/v1", "/openapi/v2/pods", "/openapi/v3/apis/apps/v2"])
def test_other_paths_are_not_ours(path: str) -> None:
    assert answer(Request("GET", path, {}, Peer("127.0.0.1"))) is None
