"""Kubernetes' protobuf envelope (`application/vnd.kubernetes.protobuf`) to JSON objects and back. Pure.

`k8s\\0`, then runtime.Unknown{typeMeta{apiVersion, kind}, raw}. Driven by the schema table, which has the numbers and
types of fields. A field that the table does not know is skipped, as protobuf wants it.
"""

from fairlead.api.protobuf.decoding import decode
from fairlead.api.protobuf.encoding import encode
from fairlead.api.protobuf.wire import ProtobufError

__all__ = ["ProtobufError", "decode", "encode"]
