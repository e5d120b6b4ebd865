-- What is counted of requests. Workers count by themselves and add to what is shared once a second.
--
-- A series is a location, a method and a status. Its slots: "n" requests; histograms "t" request time, "r" upstream's time,
-- "i" size of requests, "o" of answers, each with the buckets' counts (not cumulative) behind a number, and the sum.

local ewma = require("fairlead.ewma")
local limits = require("fairlead.limits")
local settings = require("fairlead.settings")
local stash = require("fairlead.stash")
local straight = require("fairlead.straight")

local shared = ngx.shared.fl_metrics
local concat = string.format

local TIMES = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 }
local SIZES = { 10, 100, 1000, 10000, 100000, 1000000, 10000000 }
local METHODS = { GET = 1, HEAD = 1, POST = 1, PUT = 1, DELETE = 1, OPTIONS = 1, PATCH = 1, CONNECT = 1, TRACE = 1 }

local _M = {}
local changed, changed_count = {}, 0 -- series with something to add
local by_label = {} -- label → method → status → series
local label_count = 0
local MOST_LABELS = 20000

-- A function from a value to its slot, without a loop: comparisons one after another.
local function slots(name, bounds)
    local lines = { "return function(value)" }
    for i, bound in ipairs(bounds) do
        lines[#lines + 1] = ("if value <= %s then return %q end"):format(bound, name .. i)
    end
    lines[#lines + 1] = ("return %q end"):format(name .. #bounds + 1)
    return assert(loadstring(table.concat(lines, "\n")))()
end

local slot_of_time, slot_of_answer = slots("t", TIMES), slots("r", TIMES)
local slot_of_request, slot_of_response = slots("i", SIZES), slots("o", SIZES)

local function series_of(label, method, status)
    local methods = by_label[label]
    if not methods then
        if label_count >= MOST_LABELS then
            by_label, label_count = {}, 0
        end
        methods = {}
        by_label[label], label_count = methods, label_count + 1
    end
    if not METHODS[method] then
        method = "OTHER" -- clients cannot make series up
    end
    local statuses = methods[method]
    if not statuses then
        statuses = {}
        methods[method] = statuses
    end
    local one = statuses[status]
    if not one then
        one = { key = label .. "\0" .. method .. "\0" .. status, counts = { n = 0, t = 0, i = 0, o = 0 } }
        statuses[status] = one
    end
    return one
end

local function add(counts, slot)
    counts[slot] = (counts[slot] or 0) + 1
end

local function count(location, answered)
    local one = series_of(location and location.label or "", ngx.req.get_method(), ngx.status)
    if not one.changed then
        one.changed = true
        changed_count = changed_count + 1
        changed[changed_count] = one
    end
    local counts, var = one.counts, ngx.var
    local took = ngx.now() - ngx.req.start_time()
    local received, sent = tonumber(var.request_length) or 0, tonumber(var.bytes_sent) or 0
    counts.n = counts.n + 1
    add(counts, slot_of_time(took))
    counts.t = counts.t + took
    add(counts, slot_of_request(received))
    counts.i = counts.i + received
    add(counts, slot_of_response(sent))
    counts.o = counts.o + sent
    if answered then
        add(counts, slot_of_answer(answered))
        counts.r = (counts.r or 0) + answered
    end
end

-- The log phase.
function _M.log()
    local known = straight.leave(straight.request())
    if known then
        local answered = known.since and ngx.now() - known.since -- what is not buffered ends together with the request
        if settings.get().buffering then
            answered = tonumber(ngx.var.upstream_response_time)
        end
        return count(known.location, answered)
    end
    local ctx = ngx.ctx
    local location = ctx.location
    if ctx.kept then
        stash.done(ctx)
    end
    if ctx.counted then
        limits.done(ctx)
    end
    if location and location.options.balance == "ewma" then
        ewma.done()
    end
    count(location, ctx.peer and tonumber(ngx.var.upstream_response_time))
end

function _M.flush()
    for i = 1, changed_count do
        local one = changed[i]
        for slot, value in pairs(one.counts) do
            if value ~= 0 then
                shared:incr(one.key .. "\0" .. slot, value, 0)
            end
        end
        one.counts, one.changed = { n = 0, t = 0, i = 0, o = 0 }, false
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
