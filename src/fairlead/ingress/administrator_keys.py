"""Keys of ingress-nginx's ConfigMap that are refused, and those that have nothing to act on here."""

_SNIPPET = "nginx.conf is made from typed settings only"
_TRACING = "nginx of Debian has no OpenTelemetry module"
_WAF = "there is no web application firewall here"

REFUSED = {
    "main-snippet": _SNIPPET,
    "http-snippet": _SNIPPET,
    "server-snippet": _SNIPPET,
    "location-snippet": _SNIPPET,
    "stream-snippet": _SNIPPET,
    "global-auth-snippet": _SNIPPET,
    "allow-snippet-annotations": "snippets are never taken",
    "enable-modsecurity": _WAF,
    "enable-owasp-modsecurity-crs": _WAF,
    "modsecurity-snippet": _WAF,
    "enable-opentelemetry": _TRACING,
    "enable-opentracing": _TRACING,
    "enable-brotli": "nginx of Debian has no Brotli module here: use-gzip",
    "enable-ocsp": "OCSP answers are not stapled",
    "ssl-dh-param": "the curves of TLS 1.2 and 1.3 are used",
    "bind-address": "--listen",
    "worker-processes": "--workers",
    "enable-syslog": "logs go to standard output",
    "ssl-reject-handshake": "names without a host are shown the default certificate",
}
IGNORED = frozenset({
    "access-log-params", "access-log-path", "allow-backend-server-header", "annotation-value-word-blocklist",
    "annotations-risk-level", "brotli-level",
    "brotli-min-length", "brotli-types", "debug-connections", "default-type", "disable-ipv6", "disable-ipv6-dns",
    "enable-access-log-for-default-backend", "enable-aio-write", "enable-auth-access-log", "enable-multi-accept",
    "error-log-path", "forwarded-for-proxy-protocol-header", "generate-request-id", "geoip2-autoreload-in-minutes",
    "global-allowed-response-headers", "grpc-buffer-size-kb", "gzip-disable", "hide-headers",
    "http-access-log-path", "http2-max-field-size", "http2-max-header-size", "http2-max-requests",
    "limit-conn-zone-variable", "limit-rate", "limit-rate-after", "log-format-stream", "lua-shared-dicts",
    "map-hash-bucket-size", "max-worker-open-files", "nginx-status-ipv4-whitelist", "nginx-status-ipv6-whitelist",
    "proxy-add-original-uri-header", "proxy-buffers-number", "proxy-busy-buffers-size", "proxy-cookie-domain",
    "proxy-cookie-path", "proxy-headers-hash-bucket-size", "proxy-headers-hash-max-size",
    "proxy-max-temp-file-size", "proxy-next-upstream-timeout", "proxy-protocol-header-timeout",
    "proxy-redirect-from", "proxy-redirect-to", "proxy-ssl-location-only", "proxy-stream-next-upstream",
    "proxy-stream-next-upstream-timeout", "proxy-stream-next-upstream-tries", "proxy-stream-responses",
    "proxy-stream-timeout", "relative-redirects", "reuse-port", "server-name-hash-bucket-size",
    "server-name-hash-max-size", "skip-access-log-urls", "ssl-ecdh-curve", "ssl-session-cache-size",
    "ssl-session-ticket-key", "stream-access-log-path", "syslog-host", "syslog-port", "upstream-keepalive-time",
    "use-geoip", "use-geoip2", "use-http3", "variables-hash-bucket-size", "variables-hash-max-size",
    "worker-cpu-affinity", "worker-serial-reloads", "enable-dynamic-tls-records", "enable-vts-status",
    "ssl-early-data", "disable-proxy-intercept-errors", "preserve-trailing-slash", "opentelemetry-config",
    "opentelemetry-operation-name", "opentelemetry-trust-incoming-span", "otel-max-export-batch-size",
    "otel-max-queuesize", "otel-sampler", "otel-sampler-parent-based", "otel-sampler-ratio",
    "otel-schedule-delay-millis", "otel-service-name", "otlp-collector-host", "otlp-collector-port",
})  # fmt: skip
