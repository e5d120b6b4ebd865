-- Cross-origin requests (https://fetch.spec.whatwg.org/#http-cors-protocol).

local _M = {}

-- Whether an origin may ask, and whether every other may, too. A "*" in a name stands for one label.
local function allowed(origins, origin)
    for _, each in ipairs(origins) do
        if each == "*" then
            return true, true
        end
    end
    for _, each in ipairs(origins) do
        if each == origin then
            return true, false
        end
        local scheme, rest = each:match("^([^:]+://)%*(%..+)$")
        if scheme and origin:sub(1, #scheme) == scheme and origin:sub(-#rest) == rest
            and origin:sub(#scheme + 1, -#rest - 1):find("^[%w-]+$") then
            return true
        end
    end
    return false
end

-- The headers of an answer, nil where the origin has no right.
local function headers_of(cors)
    local origin = ngx.var.http_origin
    local origins = cors.origins or { "*" }
    local fits, star = allowed(origins, origin or "")
    if not fits then
        return nil
    end
    local credentials = cors.credentials ~= false
    local found = {
        ["Access-Control-Allow-Origin"] = star and "*" or origin,
        ["Access-Control-Allow-Credentials"] = credentials and "true" or nil,
        ["Access-Control-Allow-Methods"] = cors.methods or "GET, PUT, POST, DELETE, PATCH, OPTIONS",
        ["Access-Control-Allow-Headers"] = cors.headers
            or "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization",
        ["Access-Control-Max-Age"] = cors.max_age or 1728000,
        ["Access-Control-Expose-Headers"] = cors.expose,
    }
    return found, not star
end

-- A question beforehand is answered here.
function _M.step(cors)
    return function()
        if ngx.req.get_method() ~= "OPTIONS" then
            return
        end
        local headers, varies = headers_of(cors)
        for name, value in pairs(headers or {}) do
            ngx.header[name] = value
        end
        if varies then
            ngx.header["Vary"] = "Origin"
        end
        ngx.header["Content-Type"] = "text/plain charset=UTF-8"
        ngx.header["Content-Length"] = 0
        return ngx.exit(204)
    end
end

function _M.filter(cors)
    return function()
        local headers, varies = headers_of(cors)
        for name, value in pairs(headers or {}) do
            ngx.header[name] = value
        end
        if varies then
            ngx.header["Vary"] = "Origin"
        end
    end
end

return _M
