-- The way of a request: its site, its location, what the location asks for, an endpoint, a location that proxies.

local addresses = require("fairlead.addresses")
local balance = require("fairlead.balance")
local body = require("fairlead.body")
local canary = require("fairlead.canary")
local errors = require("fairlead.errors")
local mirror = require("fairlead.mirror")
local patterns = require("fairlead.patterns")
local settings = require("fairlead.settings")
local sites = require("fairlead.sites")
local stash = require("fairlead.stash")
local steps = require("fairlead.steps")
local store = require("fairlead.store")
local straight = require("fairlead.straight")
local evaluated = require("fairlead.template").evaluated

local _M = {}

-- Of a list that each proxy on the way has lengthened.
local function first_of(list)
    return list:match("^%s*([^,%s]*)")
end

local NOT_FOUND = { options = {}, missing = true, name = "upstream-default-backend" }

-- 308 keeps the method and the body (RFC 9110, 15.4.9). As ingress-nginx: to the host without a port, for behind a Service
-- the listener's own port is nobody's business, and without a slash at the end.
local function redirect_to_https(var, location, current)
    local host, uri, options = var.host, var.request_uri, location.options
    if current.use_forwarded_headers and var.http_x_forwarded_host then
        host = first_of(var.http_x_forwarded_host):gsub(":%d+$", "")
    end
    if options.port_in_redirects or current.port_in_redirects then
        host = host .. ":" .. current.https_port
    end
    if not options.keep_slash and uri:sub(-1) == "/" then
        uri = uri:sub(1, -2)
    end
    return ngx.redirect("https://" .. host .. uri, current.redirect_code)
end

-- The administrator turns away everybody who comes from these ranges, with these programs, by these pages.
local function is_blocked(var, current)
    return current.blocked_ranges and addresses.within(current.blocked_ranges, var.binary_remote_addr)
        or current.blocked_agents and patterns.matches(current.blocked_agents, var.http_user_agent)
        or current.blocked_referers and patterns.matches(current.blocked_referers, var.http_referer)
end

local function scheme_of(var, current)
    if current.use_forwarded_headers then
        local told = var.http_x_forwarded_proto
        if told then
            return first_of(told)
        end
    end
    return var.scheme
end

-- What others before us say of the client, where they are believed.
local function take_forwarded(var, current)
    if var.http_x_forwarded_proto then
        var.fl_scheme = first_of(var.http_x_forwarded_proto)
    end
    if var.http_x_forwarded_port then
        var.fl_port = first_of(var.http_x_forwarded_port)
    elseif var.fl_scheme ~= var.scheme then
        var.fl_port = var.fl_scheme == "https" and "443" or "80"
    end
    if var.http_x_forwarded_host then
        var.fl_host = first_of(var.http_x_forwarded_host)
        var.fl_forwarded_host = var.fl_host
    end
    if current.full_forwarded_for and var.http_x_forwarded_for then
        var.fl_forwarded_for = var.http_x_forwarded_for .. ", " .. var.realip_remote_addr
    end
end

local function unavailable(ctx, location, status)
    if errors.covers(location, status) then
        ctx.error_status = status
        return stash.exec("@error", ctx)
    end
    return ngx.exit(status)
end

function _M.rewrite()
    straight.forget()
    store.catch_up()
    local var, ctx, current = ngx.var, ngx.ctx, settings.get()
    if current.blocks and is_blocked(var, current) then
        ctx.location = NOT_FOUND
        return ngx.exit(403)
    end
    local site = sites.find(var.host)
    if site and site.redirect_to then
        ctx.location = NOT_FOUND
        return ngx.redirect(var.scheme .. "://" .. site.redirect_to .. var.request_uri, current.redirect_code)
    end
    local location = site and sites.locate(site, var.uri) or NOT_FOUND
    ctx.location = location
    if current.use_forwarded_headers then
        take_forwarded(var, current)
    end
    if location.https and scheme_of(var, current) == "http" and not sites.starts_with_any(var.uri, current.exempt) then
        return redirect_to_https(var, location, current)
    end
    if location.steps then
        for _, step in ipairs(location.steps) do
            step(ctx, location)
        end
    end
    if current.external and not location.missing and not location.judges then
        steps.global(ctx, location)
    end
    if location.missing then
        return unavailable(ctx, location, 404)
    end
    local key, balancing = location.backend, location.options
    if location.alternatives then
        local alternative = canary.choose(location)
        if alternative then
            key, balancing = alternative.backend, alternative.options or balancing
            if location.options.affinity and not balancing.affinity then
                balancing = location.options
            end
            ctx.canary = alternative.name
        end
    end
    local backend = balance.backend(key)
    local peer = balance.pick(backend, ctx, location, balancing, key)
    if not peer then
        return unavailable(ctx, location, 503)
    end
    ctx.backend, ctx.peer, ctx.backend_key, ctx.balancing = backend, peer, key, balancing
    if current.log then
        var.proxy_upstream_name = location.name
        if ctx.canary then
            var.proxy_alternative_upstream_name = ctx.canary
        end
    end
    if current.set_headers then
        local found = store.get("m:" .. current.set_headers)
        for _, pair in ipairs(found and found.headers or {}) do
            ngx.req.set_header(pair[1], evaluated(pair[2], location))
        end
    end
    local profile = location.profile
    local reading = body.check(location, location.grpc)
    if location.options.mirror then
        mirror.prepare(ctx, location)
    end
    if location.grpc then
        return stash.exec(profile .. (reading or ""), ctx)
    elseif reading then
        return stash.exec(reading, ctx)
    elseif profile then
        return stash.exec(profile, ctx)
    elseif location.changed or current.use_forwarded_headers then
        return stash.exec("@http", ctx)
    end
end

return _M
