-- Which endpoint a request goes to.

local balancer = require("ngx.balancer")
local store = require("fairlead.store")

local set_current_peer, set_more_tries, set_timeouts =
    balancer.set_current_peer, balancer.set_more_tries, balancer.set_timeouts

local _M = {}

-- Turns begin anywhere, so that the workers do not all begin with the same endpoint.
local function prepare(backend)
    backend.next = math.random(1, math.max(#backend.endpoints, 1))
end

function _M.backend(key)
    return store.get("b:" .. key, prepare)
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

-- An endpoint for a request, nil where there is none.
function _M.pick(backend)
    if not backend or #backend.endpoints == 0 then
        return nil
    end
    return round_robin(backend)
end

-- The balancer phase: the endpoint that was picked, and after a failure the next one that has not failed.
function _M.balance()
    local ctx = ngx.ctx
    local peer = ctx.peer
    local options = ctx.location.options
    local failed = ctx.failed
    if failed then
        failed[peer] = true
        local backend = ctx.backend
        for _ = 1, #backend.endpoints do
            peer = round_robin(backend)
            if not failed[peer] then
                break
            end
        end
        ctx.peer = peer
    else
        ctx.failed = {}
        local tries = options.tries or 3
        if tries == 0 then
            tries = #ctx.backend.endpoints
        end
        if tries > 1 then
            set_more_tries(tries - 1)
        end
    end
    if options.timeouts then
        local timeouts = options.timeouts
        set_timeouts(timeouts[1], timeouts[2], timeouts[3])
    end
    local set, why = set_current_peer(peer[1], peer[2])
    if not set then
        ngx.log(ngx.ERR, "endpoint ", peer[1], ":", peer[2], ": ", why)
        return ngx.exit(500)
    end
end

return _M
