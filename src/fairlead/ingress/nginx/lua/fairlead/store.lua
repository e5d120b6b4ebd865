-- What the controller says, in shared memory: objects by key, each a MessagePack value.
--
-- A change is a batch of records that shows as a whole or not at all. Values are written beside the old ones under
-- "key@generation" and read back, then the index leads to them, and the generation is counted up last. A dictionary that
-- is full refuses (safe_set evicts nothing), and what the batch had written goes again.

local msgpack = require("fairlead.msgpack")

local data, index, changes = ngx.shared.fl_data, ngx.shared.fl_index, ngx.shared.fl_changes
local byte, sub, concat = string.byte, string.sub, table.concat
local crc32 = ngx.crc32_long

local GENERATION = "\0generation"
local MAGIC = "FLB1"
local MOST_BEHIND = 500 -- generations that a worker follows one by one; with more it starts over
local MOST_KEPT = 20000 -- objects that a worker keeps decoded

local _M = { epoch = 0 } -- counts how often what this worker keeps has changed
local kept, kept_count, seen = {}, 0, -1

local function u32(text, at)
    local a, b, c, d = byte(text, at, at + 3)
    return ((a * 256 + b) * 256 + c) * 256 + d
end

-- Drops what has changed since this worker last looked. Called once a request.
function _M.catch_up()
    local now = index:get(GENERATION) or 0
    if now == seen then
        return
    end
    if now < seen or now - seen > MOST_BEHIND then
        kept, kept_count = {}, 0
    else
        for generation = seen + 1, now do
            local keys = changes:get(generation)
            if not keys then
                kept, kept_count = {}, 0
                break
            end
            for key in keys:gmatch("%Z+") do
                kept[key] = nil
            end
        end
    end
    seen = now
    _M.epoch = _M.epoch + 1
end

function _M.generation()
    return index:get(GENERATION) or 0
end

-- The value of a key, and its version; nil where there is none. `prepare` makes of it what the worker keeps.
function _M.get(key, prepare)
    local entry = kept[key]
    if entry then
        return entry
    end
    for _ = 1, 3 do
        local version = index:get(key)
        if not version then
            return nil
        end
        local bytes = data:get(key .. "@" .. version)
        if bytes then
            local value = msgpack.decode(bytes)
            value.version = version
            if prepare then
                prepare(value)
            end
            if kept_count >= MOST_KEPT then
                kept, kept_count = {}, 0
            end
            kept[key], kept_count = value, kept_count + 1
            return value
        end
    end
    return nil
end

-- The records of a frame: {set?, key, value}. Raises an error for what is malformed.
local function records_of(frame)
    assert(#frame >= 12 and sub(frame, 1, 4) == MAGIC, "not a frame")
    local size = u32(frame, 5)
    assert(#frame == 12 + size, "a frame of another length")
    local body = sub(frame, 13)
    assert(crc32(body) == u32(frame, 9), "a frame with another checksum")
    local found, at = {}, 1
    while at <= size do
        local op = sub(body, at, at)
        local key_size = u32(body, at + 1)
        local key = sub(body, at + 5, at + 4 + key_size)
        at = at + 5 + key_size
        local value_size = u32(body, at)
        local value = sub(body, at + 4, at + 3 + value_size)
        at = at + 4 + value_size
        assert(at <= size + 1 and (op == "S" or op == "D") and #key > 0, "a malformed record")
        found[#found + 1] = { op == "S", key, value }
    end
    return found
end

local function undo(records, count, generation)
    for i = 1, count do
        data:delete(records[i][2] .. "@" .. generation)
    end
end

-- Applies a frame. Returns the new generation, or nil and why not: then nothing has changed.
function _M.apply(frame)
    local ok, records = pcall(records_of, frame)
    if not ok then
        return nil, records
    end
    local generation = _M.generation() + 1
    for i, record in ipairs(records) do
        if record[1] then
            local name = record[2] .. "@" .. generation
            local stored, why = data:safe_set(name, record[3])
            if not stored or data:get(name) ~= record[3] then
                undo(records, i, generation)
                return nil, why or "a value was not read back as written"
            end
        end
    end
    local before, keys = {}, {}
    for i, record in ipairs(records) do
        local key = record[2]
        before[i] = index:get(key)
        if record[1] then
            local stored, why = index:safe_set(key, generation)
            if not stored then
                for j = 1, i - 1 do
                    if before[j] then
                        index:set(records[j][2], before[j])
                    else
                        index:delete(records[j][2])
                    end
                end
                undo(records, #records, generation)
                return nil, why
            end
        else
            index:delete(key)
        end
        keys[i] = key
    end
    changes:set(generation, concat(keys, "\0"))
    index:set(GENERATION, generation)
    for i, version in pairs(before) do
        if version ~= generation then
            data:delete(records[i][2] .. "@" .. version)
        end
    end
    return generation
end

-- Reads the snapshot: frames, one after another; a torn one at the end is left out. Called before the workers start, and
-- by every reload: then shared memory holds all of it already, and perhaps something newer.
function _M.load(path)
    local file = _M.generation() == 0 and io.open(path, "rb")
    if not file then
        return 0
    end
    local count = 0
    while true do
        local head = file:read(12)
        if not head or #head < 12 or sub(head, 1, 4) ~= MAGIC then
            break
        end
        local body = file:read(u32(head, 5))
        if not body then
            break
        end
        local generation, why = _M.apply(head .. body)
        if not generation then
            ngx.log(ngx.WARN, "the snapshot ends early: ", why)
            break
        end
        count = count + 1
    end
    file:close()
    collectgarbage() -- what is read is not needed here again, and workers are copies of us
    return count
end

return _M
