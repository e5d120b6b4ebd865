-- Basic authentication (RFC 7617) against hashes of htpasswd: crypt(3)'s, APR1, {SHA}, {SSHA}, {PLAIN}.

local bit = require("bit")
local ffi = require("ffi")
local lrucache = require("resty.lrucache")

local store = require("fairlead.store")

ffi.cdef([[ char *crypt(const char *key, const char *setting); ]])
local loaded, libcrypt = pcall(ffi.load, "crypt.so.1")
if not loaded then
    loaded, libcrypt = pcall(ffi.load, "crypt")
end

local md5 = ngx.md5_bin
local known = lrucache.new(1000) -- right answers, so that a slow hash is computed once
local _M = {}
local ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

-- Compares in a time that does not depend on where they differ.
local function same(a, b)
    if #a ~= #b then
        return false
    end
    local difference = 0
    for i = 1, #a do
        difference = bit.bor(difference, bit.bxor(a:byte(i), b:byte(i)))
    end
    return difference == 0
end

local function encoded(value, count)
    local found = {}
    for i = 1, count do
        local at = bit.band(value, 0x3f) + 1
        found[i] = ALPHABET:sub(at, at)
        value = bit.rshift(value, 6)
    end
    return table.concat(found)
end

-- Apache's MD5 with 1,000 rounds.
local function apr1(password, salt)
    local final = md5(password .. salt .. password)
    local text = password .. "$apr1$" .. salt
    local left = #password
    while left > 0 do
        text = text .. final:sub(1, math.min(16, left))
        left = left - 16
    end
    local size = #password
    while size > 0 do
        text = text .. (bit.band(size, 1) == 1 and "\0" or password:sub(1, 1))
        size = bit.rshift(size, 1)
    end
    final = md5(text)
    for i = 0, 999 do
        local round = bit.band(i, 1) == 1 and password or final
        if i % 3 ~= 0 then
            round = round .. salt
        end
        if i % 7 ~= 0 then
            round = round .. password
        end
        final = md5(round .. (bit.band(i, 1) == 1 and final or password))
    end
    local byte = function(n) return final:byte(n + 1) end
    local function group(a, b, c)
        return encoded(bit.bor(bit.lshift(byte(a), 16), bit.lshift(byte(b), 8), byte(c)), 4)
    end
    return "$apr1$" .. salt .. "$" .. group(0, 6, 12) .. group(1, 7, 13) .. group(2, 8, 14) .. group(3, 9, 15)
        .. group(4, 10, 5) .. encoded(byte(11), 2)
end

local function matches(password, hash)
    if hash:sub(1, 6) == "$apr1$" then
        return same(apr1(password, hash:match("^%$apr1%$([^$]*)")), hash)
    elseif hash:sub(1, 5) == "{SHA}" then
        return same(ngx.encode_base64(ngx.sha1_bin(password)), hash:sub(6))
    elseif hash:sub(1, 6) == "{SSHA}" then
        local raw = ngx.decode_base64(hash:sub(7)) or ""
        return #raw > 20 and same(ngx.sha1_bin(password .. raw:sub(21)), raw:sub(1, 20))
    elseif hash:sub(1, 7) == "{PLAIN}" then
        return same(password, hash:sub(8))
    elseif loaded and #hash > 2 then
        local found = libcrypt.crypt(password, hash)
        return found ~= nil and same(ffi.string(found), hash)
    end
    return false
end

-- Whether the request's Authorization is right; nil where the users are not known.
function _M.allows(secret)
    local list = store.get(secret)
    if not list then
        return nil
    end
    local given = (ngx.var.http_authorization or ""):match("^[Bb]asic%s+(%S+)")
    local pair = given and ngx.decode_base64(given)
    local name, password = (pair or ""):match("^([^:]*):(.*)$")
    local hash = name and list.users[name]
    if not hash or password:find("\0", 1, true) then
        return false
    end
    local key = ngx.sha1_bin(secret .. "\0" .. list.version .. "\0" .. given)
    if known:get(key) then
        return true
    end
    if matches(password, hash) then
        known:set(key, true, 300)
        return true
    end
    return false
end

return _M
