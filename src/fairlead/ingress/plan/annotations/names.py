"""Every annotation that is read, or that has nothing to act on here."""

from fairlead.ingress.plan.annotations.refused import REFUSED, WITHOUT_EFFECT

READ = frozenset({
    "affinity", "affinity-canary-behavior", "affinity-mode", "allowlist-source-range", "app-root",
    "auth-always-set-cookie", "auth-cache-duration", "auth-cache-key", "auth-method", "auth-proxy-set-headers",
    "auth-realm", "auth-request-redirect", "auth-response-headers", "auth-secret", "auth-secret-type",
    "auth-signin", "auth-signin-redirect-param", "auth-tls-error-page", "auth-tls-match-cn",
    "auth-tls-pass-certificate-to-upstream", "auth-tls-secret", "auth-tls-verify-client", "auth-tls-verify-depth",
    "auth-type", "auth-url", "backend-protocol", "canary", "canary-by-cookie", "canary-by-header",
    "canary-by-header-pattern", "canary-by-header-value", "canary-weight", "canary-weight-total",
    "connection-proxy-header", "cors-allow-credentials", "cors-allow-headers", "cors-allow-methods",
    "cors-allow-origin", "cors-expose-headers", "cors-max-age", "custom-headers", "custom-http-errors",
    "default-backend", "denylist-source-range", "enable-access-log", "enable-cors", "enable-global-auth",
    "force-ssl-redirect", "from-to-www-redirect", "limit-allowlist", "limit-burst-multiplier", "limit-connections",
    "limit-rate", "limit-rate-after", "limit-rpm", "limit-rps", "limit-whitelist", "load-balance", "mirror-host",
    "mirror-request-body", "mirror-target", "permanent-redirect", "permanent-redirect-code",
    "preserve-trailing-slash", "proxy-body-size", "proxy-buffer-size", "proxy-buffering", "proxy-connect-timeout",
    "proxy-cookie-domain", "proxy-cookie-path", "proxy-http-version", "proxy-next-upstream",
    "proxy-next-upstream-tries", "proxy-read-timeout", "proxy-redirect-from",
    "proxy-redirect-to", "proxy-request-buffering", "proxy-send-timeout", "proxy-ssl-name", "proxy-ssl-secret",
    "proxy-ssl-server-name", "proxy-ssl-verify", "relative-redirects", "rewrite-target", "satisfy", "server-alias",
    "service-upstream", "session-cookie-change-on-failure", "session-cookie-conditional-samesite-none",
    "session-cookie-domain", "session-cookie-expires", "session-cookie-max-age", "session-cookie-name",
    "session-cookie-path", "session-cookie-samesite", "session-cookie-secure", "ssl-ciphers",
    "ssl-passthrough", "ssl-redirect",
    "temporal-redirect", "temporal-redirect-code", "upstream-hash-by", "upstream-hash-by-subset",
    "upstream-hash-by-subset-size", "upstream-vhost", "use-port-in-redirects", "use-regex", "whitelist-source-range",
    "x-forwarded-prefix",
})  # fmt: skip
KNOWN = READ | frozenset(WITHOUT_EFFECT)

__all__ = ["KNOWN", "READ", "REFUSED", "WITHOUT_EFFECT"]
