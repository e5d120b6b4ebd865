"""PURE: typed objects, codecs (JSON, YAML, protobuf) and the resource table. Imports nothing of ours."""
