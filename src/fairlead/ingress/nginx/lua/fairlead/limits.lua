-- Requests a second or a minute, connections at once, bytes a second: of one client at one Ingress.

local addresses = require("fairlead.addresses")
local settings = require("fairlead.settings")

local shared = ngx.shared.fl_limits
local max = math.max

local _M = {}

-- A leaky bucket, as nginx's limit_req with nodelay: `excess` drains at `rate` a second, up to `burst` may wait.
local function exceeds(key, rate, burst)
    local now = ngx.now()
    local state = shared:get(key)
    local excess = 0
    if state then
        local before, at = state:match("^(%S+) (%S+)$")
        excess = max(tonumber(before) - (now - tonumber(at)) * rate + 1, 0)
    end
    if excess > burst then
        return true
    end
    shared:set(key, excess .. " " .. now, max(60, burst / rate))
    return false
end

function _M.step(limits)
    local exempt = limits.exempt and addresses.prepare(limits.exempt)
    local burst = limits.burst or 5
    return function(ctx, location)
        local var = ngx.var
        local client = var.binary_remote_addr
        if exempt and addresses.within(exempt, client) then
            return
        end
        local who = location.namespace .. "/" .. location.ingress .. "\0" .. client
        if limits.rate and limits.rate > 0 then
            var.limit_rate = limits.rate
            var.fl_limit_rate_after = limits.rate_after or 0
        end
        local over = (limits.rps or 0) > 0 and exceeds("s" .. who, limits.rps, limits.rps * burst)
        if not over and (limits.rpm or 0) > 0 then
            over = exceeds("m" .. who, limits.rpm / 60, limits.rpm * burst)
        end
        if over then
            return ngx.exit(settings.get().limit_status or 503)
        end
        if (limits.connections or 0) > 0 then
            local key = "c" .. who
            local count = shared:incr(key, 1, 0)
            if count and count > limits.connections then
                shared:incr(key, -1)
                return ngx.exit(settings.get().limit_status or 503)
            end
            ctx.counted = key -- the log phase counts it down
        end
    end
end

function _M.done(ctx)
    if ctx.counted then
        shared:incr(ctx.counted, -1)
        ctx.counted = nil
    end
end

return _M
