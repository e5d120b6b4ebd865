-- What a location does with a request before it goes on, made ready once when the location is read: a location that asks
-- for nothing has no steps.

local addresses = require("fairlead.addresses")
local basic = require("fairlead.basic")
local client_tls = require("fairlead.client_tls")
local cors = require("fairlead.cors")
local external = require("fairlead.external")
local limits = require("fairlead.limits")
local settings = require("fairlead.settings")
local sites = require("fairlead.sites")
local store = require("fairlead.store")
local template = require("fairlead.template")

local _M = {}

local function app_root(root)
    return function()
        if ngx.var.uri == "/" then
            return ngx.redirect(ngx.var.scheme .. "://" .. (ngx.var.http_host or ngx.var.host) .. root, 302)
        end
    end
end

local function redirect(wanted, relative)
    return function(_, location)
        local url = template.render(wanted.url, location)
        if relative and url:sub(1, 1) == "/" then
            ngx.header["Location"] = url
            return ngx.exit(wanted.code)
        end
        if url:find("[\r\n]") then
            return ngx.exit(400)
        end
        return ngx.redirect(url, wanted.code)
    end
end

local function in_ranges(allow, deny)
    local client = ngx.var.binary_remote_addr
    if deny and addresses.within(deny, client) then
        return false
    end
    return not allow or addresses.within(allow, client)
end

local function ask_name(realm)
    ngx.header["WWW-Authenticate"] = 'Basic realm="' .. (realm or "") .. '"'
    return ngx.exit(401)
end

-- Sources, users and the external judge: all of them, or any (`satisfy`).
local function access(options)
    local allow = options.allow and addresses.prepare(options.allow)
    local deny = options.deny and addresses.prepare(options.deny)
    local users, judge, any = options.basic, options.external, options.satisfy_any
    return function(ctx, location)
        local wanted = judge
        if not wanted and options.global_auth ~= false then
            wanted = settings.get().external
        end
        local exempt = (wanted or users) and sites.starts_with_any(ngx.var.uri, settings.get().no_auth)
        if allow or deny then
            local fits = in_ranges(allow, deny)
            if fits and any then
                return
            elseif not fits and not any then
                return ngx.exit(403)
            elseif not fits and not users and not wanted then
                return ngx.exit(403)
            end
        end
        if exempt then
            return
        end
        if users then
            local right = basic.allows(users.secret)
            if right == nil then
                return ngx.exit(503)
            elseif right then
                ngx.req.set_header("Authorization", nil)
                if any then
                    return
                end
            elseif not (any and wanted) then
                return ask_name(users.realm)
            end
        end
        if wanted then
            local right, status = external.check(wanted, ctx, location)
            if not right then
                return ngx.exit(status)
            end
        end
    end
end

local function rewrite(parts)
    return function(_, location)
        local uri = ngx.var.uri
        local captures = ngx.re.match(uri, location.path, "joi")
        if not captures then
            return
        end
        local target, args = template.render(parts, location, captures), nil
        local mark = target:find("?", 1, true)
        if mark then
            target, args = target:sub(1, mark - 1), target:sub(mark + 1)
        end
        if target:sub(1, 1) ~= "/" then
            target = "/" .. target
        end
        if target:find("%c") then
            return ngx.exit(400)
        end
        if args and args ~= "" then
            local own = ngx.var.args
            ngx.req.set_uri_args(own and (args .. "&" .. own) or args)
        end
        ngx.req.set_uri(target)
    end
end

local function upstream_headers(options)
    return function(_, location)
        local var = ngx.var
        if options.vhost then
            var.fl_host = template.render(options.vhost, location)
        end
        if options.connection and options.connection ~= "" then
            var.fl_connection = options.connection
        end
        if options.prefix and options.prefix ~= "" then
            ngx.req.set_header("X-Forwarded-Prefix", options.prefix)
        end
        if options.tls_name then
            var.fl_tls_name = options.tls_name
        end
        if options.tls_secret and options.tls_secret ~= "" then
            local pair = store.get("c:" .. options.tls_secret)
            if not pair then
                return ngx.exit(503)
            end
            var.fl_tls_certificate = "data:" .. pair.certificate
            var.fl_tls_key = "data:" .. pair.key
        end
    end
end

local function add(steps, step)
    steps[#steps + 1] = step
end

-- In the order in which nginx's phases would do it.
function _M.of(location, site)
    local options = location.options
    local steps = {}
    if options.denied then
        return { function() return ngx.exit(503) end }
    end
    if site.client_tls then
        add(steps, function(_, here) client_tls.check(site.client_tls, here) end)
    end
    if options.app_root and options.app_root ~= "" then
        add(steps, app_root(options.app_root))
    end
    if options.cors then
        add(steps, cors.step(options.cors))
    end
    if options.redirect then
        add(steps, redirect(options.redirect, options.relative))
    end
    if options.limits then
        add(steps, limits.step(options.limits))
    end
    if options.allow or options.deny or options.basic or options.external then
        add(steps, access(options))
    end
    if options.vhost or options.connection or options.prefix or options.tls_name or options.tls_secret then
        add(steps, upstream_headers(options))
    end
    if options.log == false then
        add(steps, function() ngx.var.fl_log = "0" end)
    end
    if options.rewrite then
        add(steps, rewrite(options.rewrite))
    end
    return #steps > 0 and steps or nil
end

-- For locations without steps of their own, where the administrator asks somebody about all requests.
_M.global = access({})

return _M
