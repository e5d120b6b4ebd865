-- The limit of a request's body. One that tells its length is judged by it. Else nginx reads the body in a location whose
-- limit is the next larger one there is, and then its length is known.

local settings = require("fairlead.settings")
local stash = require("fairlead.stash")

-- As in plan/profiles.py.
local LIMITS = {}
for bits = 16, 34, 2 do
    LIMITS[#LIMITS + 1] = 2 ^ bits
end

local _M = {}

local function class_of(limit)
    for i, size in ipairs(LIMITS) do
        if size >= limit then
            return i - 1
        end
    end
    return #LIMITS - 1
end

-- Returns the location to go by, where the body must be read first.
function _M.check(location, is_grpc)
    local limit = location.options.body_size or settings.get().body_size
    if limit == 0 then
        return nil
    end
    local var = ngx.var
    local length = var.content_length
    if length and length ~= "" then
        if tonumber(length) > limit then
            return ngx.exit(413)
        end
        return nil
    end
    if var.http_transfer_encoding or var.server_protocol == "HTTP/2.0" then
        return is_grpc and "_" .. class_of(limit) or "@body_" .. class_of(limit)
    end
    return nil
end

local function size_of_file(path)
    local file = io.open(path, "rb")
    if not file then
        return 0
    end
    local size = file:seek("end")
    file:close()
    return size
end

-- In that location.
function _M.rewrite()
    local ctx = stash.take()
    ngx.req.read_body()
    local data = ngx.req.get_body_data()
    local path = not data and ngx.req.get_body_file()
    local size = data and #data or path and size_of_file(path) or 0
    local location = ctx.location
    if size > (location.options.body_size or settings.get().body_size) then
        return ngx.exit(413)
    end
    return stash.exec(location.profile or "@http", ctx)
end

return _M
