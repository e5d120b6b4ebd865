-- The endpoint of two that has answered faster lately: peak EWMA with a decay of ten seconds, as ingress-nginx's.

local DECAY = 10

local _M = {}
local known = {} -- of this worker: "address:port" → {mean, at}

local function name_of(peer)
    return peer[1] .. ":" .. peer[2]
end

local function score(name, now)
    local one = known[name]
    return one and one[1] * math.exp(-(now - one[2]) / DECAY) or 0
end

function _M.pick(endpoints, failed)
    local open = {}
    for _, peer in ipairs(endpoints) do
        if not (failed and failed[peer]) then
            open[#open + 1] = peer
        end
    end
    if #open == 0 then
        open = endpoints
    end
    if #open == 1 then
        return open[1]
    end
    local first = math.random(#open)
    local second = math.random(#open - 1)
    if second >= first then
        second = second + 1
    end
    local now = ngx.now()
    local a, b = open[first], open[second]
    return score(name_of(b), now) < score(name_of(a), now) and b or a
end

-- The log phase: how long the last endpoint took.
function _M.done()
    local var = ngx.var
    local peer = (var.upstream_addr or ""):match("([^, ]+)$")
    local took = tonumber((var.upstream_response_time or ""):match("([%d.]+)$"))
    if not peer or not took then
        return
    end
    local now = ngx.now()
    local one = known[peer]
    if not one then
        known[peer] = { took, now }
        return
    end
    local weight = math.exp(-(now - one[2]) / DECAY)
    one[1], one[2] = one[1] * weight + took * (1 - weight), now
end

return _M
