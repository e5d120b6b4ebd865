-- The way of a request: its site, its location, what the location asks for, an endpoint.

local balance = require("fairlead.balance")
local settings = require("fairlead.settings")
local sites = require("fairlead.sites")
local stash = require("fairlead.stash")
local store = require("fairlead.store")

local _M = {}
local NOT_FOUND = { options = {}, missing = true, name = "upstream-default-backend" }

-- 308 keeps the method and the body (RFC 9110, 15.4.9).
local function redirect_to_https(location)
    local host = ngx.var.host
    local port = settings.get().https_port
    if port ~= 443 then
        host = host .. ":" .. port
    end
    return ngx.redirect("https://" .. host .. ngx.var.request_uri, settings.get().redirect_code)
end

local function scheme_seen(current)
    return current.use_forwarded_headers and ngx.var.http_x_forwarded_proto or ngx.var.scheme
end

function _M.rewrite()
    store.catch_up()
    local var, ctx = ngx.var, ngx.ctx
    local site = sites.find(var.host)
    local location = site and (sites.locate(site, var.uri) or site.default) or NOT_FOUND
    ctx.location = location
    var.proxy_upstream_name = location.name
    local current = settings.get()
    if location.https and scheme_seen(current) == "http" and not sites.is_exempt(var.uri, current) then
        return redirect_to_https(location)
    end
    if location.steps then
        for _, step in ipairs(location.steps) do
            step(ctx, location)
        end
    end
    if location.missing then
        return ngx.exit(404)
    end
    local backend = balance.backend(location.backend)
    local peer = balance.pick(backend, ctx, location)
    if not peer then
        return ngx.exit(503)
    end
    ctx.backend, ctx.peer = backend, peer
    if var.https == "on" then
        if location.site.certificate then
            var.fl_hsts = current.hsts
        end
    end
    if location.profile then
        return stash.exec(location.profile, ctx)
    end
end

return _M
