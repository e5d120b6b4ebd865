-- ngx.ctx does not outlive an internal redirect; here it waits for the other side.

local waiting, count = {}, 0

return {
    exec = function(name, ctx)
        count = count + 1
        local key = tostring(count)
        waiting[key] = ctx
        ngx.var.fl_stash = key
        return ngx.exec(name)
    end,
    -- In the location that was led to.
    take = function()
        local key = ngx.var.fl_stash
        ngx.ctx = waiting[key] or {}
        waiting[key] = nil
    end,
}
