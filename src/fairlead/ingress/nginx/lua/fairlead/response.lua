-- What is changed of an answer on its way to the client.

local cors = require("fairlead.cors")
local settings = require("fairlead.settings")
local store = require("fairlead.store")
local template = require("fairlead.template")

local _M = {}

local function escape_pattern(text)
    return (text:gsub("%p", "%%%0"))
end

-- Location and Refresh, as nginx's proxy_redirect: a text at their beginning is replaced.
local function redirects(from, to)
    return function(_, location)
        local value = ngx.header["Location"]
        if not value or type(value) == "table" then
            return
        end
        if from == "default" then
            return
        end
        if value:sub(1, #from) == from then
            ngx.header["Location"] = template.render(to, location) .. value:sub(#from + 1)
        end
    end
end

local function cookies(attribute, pair)
    local pattern = "(;%s*" .. attribute .. "=)" .. escape_pattern(pair[1])
    local replacement = "%1" .. pair[2]:gsub("%%", "%%%%")
    local function changed(value)
        return (value:gsub(pattern, replacement))
    end
    return function()
        local value = ngx.header["Set-Cookie"]
        if type(value) == "table" then
            for i, each in ipairs(value) do
                value[i] = changed(each)
            end
            ngx.header["Set-Cookie"] = value
        elseif value then
            ngx.header["Set-Cookie"] = changed(value)
        end
    end
end

local function any_case(word)
    return (word:gsub("%a", function(letter) return "[" .. letter:lower() .. letter:upper() .. "]" end))
end

local function custom_headers(key)
    return function()
        local found = store.get("m:" .. key)
        for _, pair in ipairs(found and found.headers or {}) do
            ngx.header[pair[1]] = pair[2]
        end
    end
end

-- Made ready once, with the location.
function _M.filters_of(options)
    local filters = {}
    if options.cors then
        filters[#filters + 1] = cors.filter(options.cors)
    end
    if options.redirect_from and options.redirect_to then
        filters[#filters + 1] = redirects(options.redirect_from, options.redirect_to)
    end
    if options.cookie_domain then
        filters[#filters + 1] = cookies(any_case("domain"), options.cookie_domain)
    end
    if options.cookie_path then
        filters[#filters + 1] = cookies(any_case("path"), options.cookie_path)
    end
    if options.headers_from then
        filters[#filters + 1] = custom_headers(options.headers_from)
    end
    return #filters > 0 and filters or nil
end

local function add_cookie(value)
    local known = ngx.header["Set-Cookie"]
    local all = type(known) == "table" and known or { known }
    for _, each in ipairs(type(value) == "table" and value or { value }) do
        all[#all + 1] = each
    end
    ngx.header["Set-Cookie"] = all
end

function _M.filter()
    if settings.anonymous then
        ngx.header["Server"] = nil
    end
    local ctx = ngx.ctx
    local location = ctx.location
    if not location then
        return
    end
    local current = settings.get()
    if location.secure and ngx.var.https == "on" and current.hsts ~= "" then
        ngx.header["Strict-Transport-Security"] = current.hsts
    end
    local added = current.add_headers
    if added then
        local found = store.get("m:" .. added)
        for _, pair in ipairs(found and found.headers or {}) do
            ngx.header[pair[1]] = template.evaluated(pair[2], location)
        end
    end
    if location.filters then
        for _, filter in ipairs(location.filters) do
            filter(ctx, location)
        end
    end
    if ctx.session_cookie then
        add_cookie(ctx.session_cookie)
        ctx.session_cookie = nil
    end
    if ctx.auth_cookies then
        add_cookie(ctx.auth_cookies)
        ctx.auth_cookies = nil
    end
end

return _M
