-- Decodes MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), as far as the controller writes it: nil,
-- booleans, integers up to 2^53, floats of 64 bits, strings, bytes, arrays and maps.

local byte, sub = string.byte, string.sub
local ffi = require("ffi")

local decode
local double = ffi.new("union { double number; uint8_t bytes[8]; }")

local function unsigned(text, at, width)
    local value = 0
    for i = at, at + width - 1 do
        value = value * 256 + byte(text, i)
    end
    return value
end

local function signed(text, at, width)
    local value = unsigned(text, at, width)
    local limit = 2 ^ (8 * width - 1)
    return value >= limit and value - 2 * limit or value
end

local function string_of(text, at, size)
    return sub(text, at, at + size - 1), at + size
end

local function array_of(text, at, size)
    local found = {}
    for i = 1, size do
        found[i], at = decode(text, at)
    end
    return found, at
end

local function map_of(text, at, size)
    local found, key = {}, nil
    for _ = 1, size do
        key, at = decode(text, at)
        found[key], at = decode(text, at)
    end
    return found, at
end

local function float_of(text, at)
    for i = 0, 7 do
        double.bytes[7 - i] = byte(text, at + i)
    end
    return double.number, at + 8
end

local function sized(read, width)
    return function(text, at)
        return read(text, at + width, unsigned(text, at, width))
    end
end

local function number(read, width)
    return function(text, at)
        return read(text, at, width), at + width
    end
end

local BY_TAG = {
    [0xc0] = function(_, at) return nil, at end,
    [0xc2] = function(_, at) return false, at end,
    [0xc3] = function(_, at) return true, at end,
    [0xc4] = sized(string_of, 1), [0xc5] = sized(string_of, 2), [0xc6] = sized(string_of, 4),
    [0xcb] = float_of,
    [0xcc] = number(unsigned, 1), [0xcd] = number(unsigned, 2),
    [0xce] = number(unsigned, 4), [0xcf] = number(unsigned, 8),
    [0xd0] = number(signed, 1), [0xd1] = number(signed, 2), [0xd2] = number(signed, 4), [0xd3] = number(signed, 8),
    [0xd9] = sized(string_of, 1), [0xda] = sized(string_of, 2), [0xdb] = sized(string_of, 4),
    [0xdc] = sized(array_of, 2), [0xdd] = sized(array_of, 4),
    [0xde] = sized(map_of, 2), [0xdf] = sized(map_of, 4),
}

function decode(text, at)
    local tag = byte(text, at)
    at = at + 1
    if tag < 0x80 then
        return tag, at
    elseif tag < 0x90 then
        return map_of(text, at, tag - 0x80)
    elseif tag < 0xa0 then
        return array_of(text, at, tag - 0x90)
    elseif tag < 0xc0 then
        return string_of(text, at, tag - 0xa0)
    elseif tag >= 0xe0 then
        return tag - 256, at
    end
    local read = BY_TAG[tag]
    if not read then
        error("a MessagePack type that is not read here: " .. tag)
    end
    return read(text, at)
end

return { decode = function(text) return (decode(text, 1)) end }
