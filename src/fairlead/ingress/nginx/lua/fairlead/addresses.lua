-- Whether an address is in one of several ranges ("ADDRESS/BITS").

local bit = require("bit")
local byte, sub, floor = string.byte, string.sub, math.floor

local _M = {}

local function bytes_of_v4(text)
    local a, b, c, d = text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
    return a and string.char(tonumber(a), tonumber(b), tonumber(c), tonumber(d))
end

local function groups_of(text)
    local found = {}
    for group in text:gmatch("[^:]+") do
        local v4 = group:find(".", 1, true) and bytes_of_v4(group)
        if v4 then
            found[#found + 1] = v4
        else
            local number = tonumber(group, 16)
            found[#found + 1] = string.char(floor(number / 256), number % 256)
        end
    end
    return table.concat(found)
end

local function bytes_of_v6(text)
    local head, tail = text:match("^(.-)::(.*)$")
    if not head then
        return groups_of(text)
    end
    head, tail = groups_of(head), groups_of(tail)
    return head .. string.rep("\0", 16 - #head - #tail) .. tail
end

-- Ranges made ready: {bytes, whole bytes, mask of the next byte}.
function _M.prepare(ranges)
    local found = {}
    for i, text in ipairs(ranges) do
        local address, bits = text:match("^(.-)/(%d+)$")
        bits = tonumber(bits)
        local bytes = address:find(":", 1, true) and bytes_of_v6(address) or bytes_of_v4(address)
        found[i] = { bytes, floor(bits / 8), bit.band(0xff, bit.lshift(0xff, 8 - bits % 8)) }
    end
    return found
end

-- `address` as $binary_remote_addr has it.
function _M.within(ranges, address)
    for _, range in ipairs(ranges) do
        local bytes, whole, mask = range[1], range[2], range[3]
        if #bytes == #address and sub(bytes, 1, whole) == sub(address, 1, whole) then
            if mask == 0 or whole == #bytes
                or bit.band(byte(bytes, whole + 1), mask) == bit.band(byte(address, whole + 1), mask) then
                return true
            end
        end
    end
    return false
end

return _M
