-- Sessions that stay with their endpoint, by a cookie. What it says is a digest, so that it tells nobody addresses.

local hashing = require("fairlead.hashing")

local _M = {}
local SALT = "fairlead"

local function name_of(peer)
    return peer[1] .. ":" .. peer[2]
end

-- Of a backend: its ring, and its endpoints by their digests.
local function prepared(backend)
    if not backend.ring then
        local names, by_digest = {}, {}
        for i, peer in ipairs(backend.endpoints) do
            names[i] = name_of(peer)
            by_digest[ngx.md5(SALT .. names[i])] = peer
        end
        backend.ring, backend.by_digest = hashing.ring(names), by_digest
    end
    return backend
end

function _M.cookie(affinity)
    local value = ngx.var["cookie_" .. (affinity.name or "INGRESSCOOKIE")]
    if not value then
        return nil
    end
    return value:match("^([^|]*)|?(.*)$")
end

local function backend_digest(key)
    return ngx.md5(SALT .. key)
end

-- Whether the client's session is one of this backend.
function _M.belongs(affinity, key)
    local _, digest = _M.cookie(affinity)
    return digest == backend_digest(key)
end

local function chosen(affinity, backend, value)
    if affinity.persistent then
        return backend.by_digest[value]
    end
    local at = hashing.find(backend.ring, value)
    return at and backend.endpoints[at]
end

-- Where the same client's next requests are to go.
local function fresh(affinity, backend, failed)
    for _ = 1, 20 do
        local value
        if affinity.persistent then
            value = ngx.md5(SALT .. name_of(backend.endpoints[math.random(#backend.endpoints)]))
        else
            value = ngx.now() .. "." .. ngx.worker.pid() .. "." .. math.random(999999)
        end
        local peer = chosen(affinity, backend, value)
        if peer and not (failed and failed[peer]) then
            return peer, value
        end
    end
    return backend.endpoints[1], nil
end

-- Browsers that take SameSite=None for Strict (https://www.chromium.org/updates/same-site/incompatible-clients).
local function takes_none(agent)
    if not agent then
        return true
    end
    if agent:find("%(iP.+; CPU .*OS 12[_%d]*.*%) AppleWebKit/") then
        return false
    elseif agent:find("%(Macintosh;.*Mac OS X 10_14[_%d]*.*%) AppleWebKit/") and agent:find("Version/.* Safari/")
        and not agent:find("Chrom") then
        return false
    end
    local version = tonumber(agent:match("Chrom[^ /]+/(%d+)"))
    return not (version and version >= 51 and version < 67)
end

local function set_cookie(affinity, location, key, value)
    local secure = affinity.secure
    if secure == nil then
        secure = ngx.var.https == "on"
    end
    local parts = { (affinity.name or "INGRESSCOOKIE") .. "=" .. value .. "|" .. backend_digest(key) }
    if affinity.expires then
        parts[#parts + 1] = "Expires=" .. ngx.cookie_time(ngx.time() + affinity.expires)
    end
    if affinity.max_age then
        parts[#parts + 1] = "Max-Age=" .. affinity.max_age
    end
    if affinity.domain and affinity.domain ~= "" then
        parts[#parts + 1] = "Domain=" .. affinity.domain
    end
    local path = affinity.path
    if not path or path == "" then
        path = location.options.regex and "/" or location.path
    end
    parts[#parts + 1] = "Path=" .. path
    if secure then
        parts[#parts + 1] = "Secure"
    end
    parts[#parts + 1] = "HttpOnly"
    local samesite = affinity.samesite
    if samesite and samesite ~= ""
        and not (samesite == "None" and affinity.conditional and not takes_none(ngx.var.http_user_agent)) then
        parts[#parts + 1] = "SameSite=" .. samesite
    end
    return table.concat(parts, "; ")
end

-- The endpoint of the client's session, or of a new one; `failed`: those that have failed for this request.
function _M.pick(affinity, backend, key, ctx, location, failed)
    prepared(backend)
    local value = _M.cookie(affinity)
    local peer = value and chosen(affinity, backend, value)
    if peer and not (failed and affinity.change_on_failure) then
        return peer
    end
    peer, value = fresh(affinity, backend, failed)
    if value then
        ctx.session_cookie = set_cookie(affinity, location, key, value)
    end
    return peer
end

return _M
