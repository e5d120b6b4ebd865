-- Consistent hashing: each endpoint has many points on a ring, a key belongs to the next one.

local md5 = ngx.md5_bin
local byte, floor = string.byte, math.floor

local POINTS = 160 -- of one endpoint, as ketama's

local _M = {}

-- Alike texts must not lie beside each other, as they would by a checksum.
local function place_of(text)
    local a, b, c, d = byte(md5(text), 1, 4)
    return ((a * 256 + b) * 256 + c) * 256 + d
end

function _M.ring(names)
    local points, owner = {}, {}
    for i, name in ipairs(names) do
        for point = 1, POINTS do
            local at = place_of(name .. "\0" .. point)
            if not owner[at] then
                owner[at] = i
                points[#points + 1] = at
            end
        end
    end
    table.sort(points)
    return { points = points, owner = owner }
end

-- The number of the endpoint that a key belongs to.
function _M.find(ring, key)
    local points = ring.points
    local low, high, at = 1, #points, place_of(key)
    if high == 0 then
        return nil
    end
    while low <= high do
        local middle = floor((low + high) / 2)
        if points[middle] < at then
            low = middle + 1
        else
            high = middle - 1
        end
    end
    return ring.owner[points[low] or points[1]]
end

return _M
