-- Asks somebody else whether a request may go on (`auth-url`), as nginx's auth_request does.

local balance = require("fairlead.balance")
local store = require("fairlead.store")
local template = require("fairlead.template")

local cache = ngx.shared.fl_auth
local METHODS = {
    GET = ngx.HTTP_GET, HEAD = ngx.HTTP_HEAD, POST = ngx.HTTP_POST, PUT = ngx.HTTP_PUT, PATCH = ngx.HTTP_PATCH,
    DELETE = ngx.HTTP_DELETE, OPTIONS = ngx.HTTP_OPTIONS,
}
local EMPTY = {}
local _M = {}

local function lowered(headers)
    local found = {}
    for name, value in pairs(headers) do
        found[name:lower()] = type(value) == "table" and value[1] or value
    end
    return found
end

-- What of an answer goes on: to the pod, and to the client.
local function kept_of(external, answer)
    local headers, given = {}, lowered(answer.header)
    for _, name in ipairs(external.response_headers or EMPTY) do
        headers[name] = given[name:lower()]
    end
    headers["WWW-Authenticate"] = given["www-authenticate"]
    return { status = answer.status, headers = headers, cookies = answer.header["Set-Cookie"] }
end

local function seconds_of(external, status)
    local any
    for _, pair in ipairs(external.cache_seconds or EMPTY) do
        if pair[1] == status then
            return pair[2]
        elseif pair[1] == 0 then
            any = pair[2]
        end
    end
    return any
end

local function ask(external, location)
    local backend = balance.backend(external.backend)
    local peer = balance.pick(backend)
    if not peer then
        return { status = 503, header = {} }
    end
    local var = ngx.var
    local set = external.set_headers_from and store.get("m:" .. external.set_headers_from)
    local redirect = external.request_redirect and template.render(external.request_redirect, location)
    return ngx.location.capture("/_fairlead/auth/" .. external.scheme, {
        method = METHODS[external.method or "GET"],
        ctx = { location = { options = EMPTY }, backend = backend, peer = peer, set_headers = set and set.headers },
        vars = {
            fl_sub_uri = template.render(external.uri, location),
            fl_sub_host = external.host,
            fl_sub_original = var.scheme .. "://" .. (var.http_host or "") .. var.request_uri,
            fl_sub_redirect = redirect ~= "" and redirect or var.request_uri,
            fl_sub_method = ngx.req.get_method(),
        },
    })
end

local function answer_of(external, location)
    local key = external.cache_key and template.render(external.cache_key, location)
    if not key or key == "" then
        return kept_of(external, ask(external, location))
    end
    key = location.namespace .. "/" .. location.ingress .. "\0" .. location.site.host .. "\0" .. ngx.sha1_bin(key)
    local known = cache:get(key)
    if known then
        local status, rest = known:match("^(%d+)\n(.*)$")
        return { status = tonumber(status), headers = ngx.decode_args(rest) or {} }
    end
    local kept = kept_of(external, ask(external, location))
    local seconds = seconds_of(external, kept.status)
    if seconds then
        cache:set(key, kept.status .. "\n" .. ngx.encode_args(kept.headers), seconds)
    end
    return kept
end

local function signin(external, location)
    local url = template.render(external.signin, location)
    local separator = url:find("?", 1, true) and "&" or "?"
    if url:find("[?&]" .. (external.redirect_param or "rd"):gsub("%p", "%%%0") .. "=") then
        return ngx.redirect(url, 302)
    end
    local var = ngx.var
    local back = var.scheme .. "://" .. (var.http_host or "") .. ngx.escape_uri(var.request_uri)
    return ngx.redirect(url .. separator .. (external.redirect_param or "rd") .. "=" .. back, 302)
end

-- In the question itself.
function _M.rewrite()
    for _, pair in ipairs(ngx.ctx.set_headers or EMPTY) do
        ngx.req.set_header(pair[1], pair[2])
    end
end

-- Returns where the request may go on.
function _M.check(external, ctx, location)
    local answer = answer_of(external, location)
    local status = answer.status
    if status >= 200 and status < 300 then
        for _, name in ipairs(external.response_headers or EMPTY) do
            ngx.req.set_header(name, answer.headers[name]) -- nil takes away what a client has made up
        end
        if answer.cookies then
            ctx.auth_cookies = answer.cookies
        end
        return true
    end
    if answer.cookies and (external.always_set_cookie or status == 401) then
        ngx.header["Set-Cookie"] = answer.cookies
    end
    if status == 401 and external.signin then
        return signin(external, location)
    end
    if status == 401 then
        ngx.header["WWW-Authenticate"] = answer.headers["WWW-Authenticate"]
        return false, 401
    elseif status == 403 then
        return false, 403
    end
    return false, 500 -- as ngx_http_auth_request_module, whatever else it was
end

return _M
