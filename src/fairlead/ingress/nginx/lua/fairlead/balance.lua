-- Which endpoint a request goes to.

local affinity = require("fairlead.affinity")
local balancer = require("ngx.balancer")
local ewma = require("fairlead.ewma")
local hashing = require("fairlead.hashing")
local settings = require("fairlead.settings")
local store = require("fairlead.store")
local template = require("fairlead.template")

local set_current_peer, set_more_tries, set_timeouts =
    balancer.set_current_peer, balancer.set_more_tries, balancer.set_timeouts
local random = math.random

local _M = {}

-- Turns begin anywhere, so that the workers do not all begin with the same endpoint.
local function prepare(backend)
    backend.next = random(1, math.max(#backend.endpoints, 1))
end

function _M.backend(key)
    return store.get("b:" .. key, prepare)
end

-- A location's own.
function _M.of(location)
    return store.get(location.record, prepare)
end

local function round_robin(backend)
    local endpoints = backend.endpoints
    local at = backend.next
    if at > #endpoints then
        at = 1
    end
    backend.next = at + 1
    return endpoints[at]
end

-- A location's next endpoint in turn, nil where there is none.
function _M.next_of(location)
    local backend = _M.of(location)
    return backend and #backend.endpoints > 0 and round_robin(backend) or nil
end

local function by_hash(backend, wanted, location)
    if not backend.ring then
        local names = {}
        for i, peer in ipairs(backend.endpoints) do
            names[i] = peer[1] .. ":" .. peer[2]
        end
        backend.ring = hashing.ring(names)
    end
    local at = hashing.find(backend.ring, template.render(wanted.by, location))
    if wanted.subset then
        at = (at - 1 + random(0, math.min(wanted.subset_size or 3, #backend.endpoints) - 1)) % #backend.endpoints + 1
    end
    return backend.endpoints[at]
end

-- An endpoint for a request, nil where there is none. Without `location`: any, in turn.
function _M.pick(backend, ctx, location, options, key)
    if not backend or #backend.endpoints == 0 then
        return nil
    end
    if options and options.balanced then
        if options.affinity then
            return affinity.pick(options.affinity, backend, key, ctx, location, ctx.failed)
        elseif options.hash then
            return by_hash(backend, options.hash, location)
        elseif options.balance == "ewma" then
            return ewma.pick(backend.endpoints, ctx.failed)
        end
    end
    return round_robin(backend)
end

-- One that has not failed, where there is one.
function _M.untried(backend, failed)
    local peer
    for _ = 1, backend and #backend.endpoints or 0 do
        peer = round_robin(backend)
        if not failed[peer] then
            break
        end
    end
    return peer
end

-- After a failure: one that has not failed, where there is one.
local function another(ctx, options)
    local backend = ctx.backend
    if options.affinity and not options.affinity.change_on_failure then
        return ctx.peer
    elseif options.balanced and (options.affinity or options.balance == "ewma") then
        return _M.pick(backend, ctx, ctx.location, options, ctx.backend_key)
    end
    return _M.untried(backend, ctx.failed)
end

-- Before the first try: how many there may be. None: as many as there are endpoints.
function _M.allow(options, backend)
    local tries = options.tries or settings.get().tries
    if tries == 0 then
        tries = #backend.endpoints
    end
    if tries > 1 then
        set_more_tries(tries - 1)
    end
end

-- Leads the request to an endpoint.
function _M.lead(peer, options)
    local current = settings.get()
    if options.timed or current.timed then
        set_timeouts(
            options.connect_timeout or current.connect_timeout,
            options.send_timeout or current.send_timeout,
            options.read_timeout or current.read_timeout
        )
    end
    local set, why = set_current_peer(peer[1], peer[2])
    if not set then
        ngx.log(ngx.ERR, "endpoint ", peer[1], ":", peer[2], ": ", why)
        return ngx.exit(500)
    end
end

-- The balancer phase.
function _M.balance()
    local ctx = ngx.ctx
    local options = ctx.location.options
    if ctx.failed then
        ctx.failed[ctx.peer] = true
        ctx.peer = another(ctx, ctx.balancing or options)
    else
        ctx.failed = {}
        _M.allow(options, ctx.backend)
    end
    _M.lead(ctx.peer, options)
end

return _M
