"""The wire protocols of exec, attach and port-forward, without sockets: bytes in, events out; calls in, bytes out."""
