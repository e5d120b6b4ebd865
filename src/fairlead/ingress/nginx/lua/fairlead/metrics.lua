-- What is counted of requests. Workers count by themselves and add to what is shared once a second.
--
-- A series is a location, a method and a status. Its slots: "n" requests; histograms "t" request time, "r" upstream's time,
-- "i" size of requests, "o" of answers, each with the buckets' counts (not cumulative) behind a number, and the sum.

local ewma = require("fairlead.ewma")
local limits = require("fairlead.limits")
local stash = require("fairlead.stash")

local shared = ngx.shared.fl_metrics
local concat = string.format

local TIMES = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 }
local SIZES = { 10, 100, 1000, 10000, 100000, 1000000, 10000000 }
local METHODS = { GET = 1, HEAD = 1, POST = 1, PUT = 1, DELETE = 1, OPTIONS = 1, PATCH = 1, CONNECT = 1, TRACE = 1 }

local _M = { times = TIMES, sizes = SIZES }
local changed, changed_count = {}, 0 -- series with something to add
local series = {} -- by label, method and status

local function slot_of(buckets, value)
    for i = 1, #buckets do
        if value <= buckets[i] then
            return i
        end
    end
    return #buckets + 1
end

local function observe(counts, sums, name, buckets, value)
    local slot = name .. slot_of(buckets, value)
    counts[slot] = (counts[slot] or 0) + 1
    sums[name] = (sums[name] or 0) + value
end

-- The log phase.
function _M.log()
    local ctx = ngx.ctx
    local location = ctx.location
    local var = ngx.var
    if ctx.kept then
        stash.done(ctx)
    end
    if ctx.counted then
        limits.done(ctx)
    end
    if location and location.options.balance == "ewma" then
        ewma.done()
    end
    local label = location and location.label or ""
    local method = ngx.req.get_method()
    if not METHODS[method] then
        method = "OTHER" -- clients cannot make series up
    end
    local key = label .. "\0" .. method .. "\0" .. ngx.status
    local one = series[key]
    if not one then
        one = { key = key, counts = {}, sums = {} }
        series[key] = one
    end
    if not one.changed then
        one.changed = true
        changed_count = changed_count + 1
        changed[changed_count] = one
    end
    local counts, sums = one.counts, one.sums
    counts.n = (counts.n or 0) + 1
    observe(counts, sums, "t", TIMES, tonumber(var.request_time) or 0)
    observe(counts, sums, "i", SIZES, tonumber(var.request_length) or 0)
    observe(counts, sums, "o", SIZES, tonumber(var.bytes_sent) or 0)
    local upstream = tonumber(var.upstream_response_time)
    if upstream then
        observe(counts, sums, "r", TIMES, upstream)
    end
end

function _M.flush()
    for i = 1, changed_count do
        local one = changed[i]
        for slot, value in pairs(one.counts) do
            shared:incr(one.key .. "\0" .. slot, value, 0)
        end
        for name, value in pairs(one.sums) do
            shared:incr(one.key .. "\0" .. name, value, 0)
        end
        one.counts, one.sums, one.changed = {}, {}, false
        series[one.key] = nil
    end
    changed, changed_count = {}, 0
end

-- For the controller: a line a slot, fields by tabulators; then nginx's own connections.
function _M.render()
    _M.flush()
    local lines = {}
    for _, key in ipairs(shared:get_keys(0)) do
        local value = shared:get(key)
        if value then
            lines[#lines + 1] = key:gsub("%z", "\t") .. "\t" .. concat("%.17g", value)
        end
    end
    local var = ngx.var
    for _, state in ipairs({ "active", "reading", "writing", "waiting" }) do
        lines[#lines + 1] = "connections\t" .. state .. "\t" .. (var["connections_" .. state] or 0)
    end
    return table.concat(lines, "\n") .. "\n"
end

function _M.start()
    ngx.timer.every(1, _M.flush)
end

return _M
