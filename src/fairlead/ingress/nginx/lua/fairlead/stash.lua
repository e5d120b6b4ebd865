-- ngx.ctx does not outlive an internal redirect; here it waits for the other side.

local waiting, count = {}, 0

local _M = {}

function _M.put(value)
    count = count + 1
    local key = tostring(count)
    waiting[key] = value
    return key
end

function _M.get(key)
    local value = waiting[key]
    waiting[key] = nil
    return value
end

function _M.exec(name, ctx)
    ngx.var.fl_stash = _M.put(ctx)
    return ngx.exec(name)
end

-- In the location that was led to. `keep`: it may be led on, to an error's page; `done` forgets it then.
function _M.take(keep)
    local key = ngx.var.fl_stash
    local ctx = waiting[key] or {}
    if keep then
        ctx.kept = key
    else
        waiting[key] = nil
    end
    ngx.ctx = ctx
    return ctx
end

function _M.done(ctx)
    waiting[ctx.kept] = nil
end

return _M
