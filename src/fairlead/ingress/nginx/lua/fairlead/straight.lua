-- The straight way: a request without a body to a location that asks for nothing but an endpoint.
--
-- Most requests are such ones, and what the Lua module does around our code costs more than the code. So they enter Lua by
-- phases that make no coroutine (set, balancer, log), have no ngx.ctx, and few variables of nginx are asked for. What is
-- known of a request waits here by the address of its structure, which is its own until it has been logged.

local base = require("resty.core.base")
local ffi = require("ffi")

local balance = require("fairlead.balance")
local settings = require("fairlead.settings")
local sites = require("fairlead.sites")
local store = require("fairlead.store")

ffi.cdef([[
    int RAND_bytes(unsigned char *buffer, int size);
    void *ngx_http_lua_ffi_get_req_ssl_pointer(void *r, const char **err);
    unsigned char *ngx_hex_dump(unsigned char *to, unsigned char *from, size_t size);
]])

local C = ffi.C
local get_request, cast, pointer = base.get_request, ffi.cast, ffi.typeof("uintptr_t")
local problem = ffi.new("const char *[1]")
local sub = string.sub

local LEAD = "" -- what leads a request on to the other locations
local SHEET, DIGITS = 2048, 32 -- bytes of random that are fetched at once; digits of an id, as in nginx's $request_id

local _M = {}
local going = {} -- request → what is known of it: location, peer, since when it is asked, which have failed
local spare, spare_count = {}, 0 -- such tables, for the next requests

local sheet, sheet_at = "", 1

-- An id of a request, cut from a sheet of random digits: fetching them for each costs as much as all of our Lua.
local function id()
    if sheet_at > #sheet - DIGITS + 1 then
        local bytes, digits = ffi.new("unsigned char[?]", SHEET), ffi.new("unsigned char[?]", 2 * SHEET)
        if C.RAND_bytes(bytes, SHEET) ~= 1 then
            return LEAD -- nginx's own is used
        end
        C.ngx_hex_dump(digits, bytes, SHEET)
        sheet, sheet_at = ffi.string(digits, 2 * SHEET), 1
    end
    local at = sheet_at
    sheet_at = at + DIGITS
    local digits = sub(sheet, at, at + DIGITS - 1)
    return digits
end

local function is_secure()
    local secure = C.ngx_http_lua_ffi_get_req_ssl_pointer(get_request(), problem) ~= nil
    return secure
end

-- Which request this is.
function _M.request()
    local number = tonumber(cast(pointer, get_request()))
    return number
end

local request_of = _M.request

local function remember(request, location, peer)
    local known
    if spare_count > 0 then
        known, spare_count = spare[spare_count], spare_count - 1
    else
        known = { location = false, peer = false, since = false, failed = false }
    end
    known.location, known.peer, known.since, known.failed = location, peer, false, false
    going[request] = known
end

-- The log phase: what is known. The next request may use the table.
function _M.leave(request)
    local known = going[request]
    if known then
        going[request] = nil
        spare_count = spare_count + 1
        spare[spare_count] = known
    end
    return known
end

-- Who comes from here to another location goes on as if he had never been here.
function _M.forget()
    _M.leave(request_of())
end

-- The set phase. The request's id, or nothing where it takes another way.
function _M.enter()
    store.catch_up()
    local request, var, current = request_of(), ngx.var, settings.get()
    _M.leave(request)
    local site = current.straight and sites.find(var.host)
    local location = site and (site.only or site.straight and sites.locate(site, var.uri))
    if not location or not location.straight then
        return LEAD
    end
    if location.https or location.secure then
        local secure = is_secure()
        if location.https and not secure then
            return LEAD
        elseif secure and current.hsts ~= "" then
            var.fl_hsts = current.hsts
        end
    end
    local peer = balance.next_of(location)
    if not peer then
        return LEAD
    end
    remember(request, location, peer)
    if current.log then
        var.proxy_upstream_name = location.name
    end
    local made = id()
    return made
end

-- The balancer phase. False for who takes another way.
function _M.balance()
    local known = going[request_of()]
    if not known then
        return false
    end
    local location = known.location
    if known.since then -- and it has failed
        known.failed = known.failed or {}
        known.failed[known.peer] = true
        known.peer = balance.untried(balance.of(location), known.failed) or known.peer
    else
        known.since = ngx.now()
        if settings.anonymous then
            ngx.header["Server"] = nil -- what the endpoint calls itself nginx drops
        end
        balance.allow(location.options, balance.of(location))
    end
    balance.lead(known.peer, location.options)
    return true
end

return _M
