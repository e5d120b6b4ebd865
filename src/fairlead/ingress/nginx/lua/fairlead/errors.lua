-- Error pages of a backend (`custom-http-errors`): the request is asked again of it, with what went wrong in headers.

local balance = require("fairlead.balance")
local settings = require("fairlead.settings")
local stash = require("fairlead.stash")

local _M = {}

function _M.backend_of(location)
    local key = location.options.error_backend
    if key and key ~= "" then
        return key
    end
    return settings.get().default_backend
end

-- Whether a status has a page here. A default backend of the Ingress's own also answers where nobody else is there.
function _M.covers(location, status)
    if status == 503 and (location.options.error_backend or "") ~= "" then
        return true
    end
    for _, code in ipairs(location.error_codes or {}) do
        if code == status then
            return true
        end
    end
    return false
end

-- The location of nginx.conf that proxies to the backend. Without one the status is all that is said.
function _M.rewrite()
    local ctx = stash.take(true)
    local location = ctx.location
    local status = ctx.error_status or tonumber((ngx.var.upstream_status or ""):match("(%d+)%s*$")) or 500
    local key = location and _M.backend_of(location)
    local backend = key and balance.backend(key)
    local peer = balance.pick(backend)
    if not peer then
        return ngx.exit(status)
    end
    local set = ngx.req.set_header
    set("X-Code", status)
    set("X-Format", ngx.var.http_accept)
    set("X-Original-URI", ngx.var.request_uri)
    set("X-Namespace", location.namespace)
    set("X-Ingress-Name", location.ingress)
    set("X-Service-Name", location.service)
    set("X-Service-Port", location.port)
    ngx.req.set_uri("/")
    ctx.backend, ctx.peer, ctx.failed = backend, peer, nil
    ctx.location = { options = {}, label = location.label, site = location.site, error_codes = {} }
end

return _M
