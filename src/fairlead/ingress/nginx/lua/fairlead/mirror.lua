-- A copy of a request for somebody whose answer nobody sees.

local balance = require("fairlead.balance")
local stash = require("fairlead.stash")
local template = require("fairlead.template")

return {
    -- In the request itself: where the copy goes.
    prepare = function(ctx, location)
        local wanted = location.options.mirror
        local backend = balance.backend(wanted.backend)
        local peer = balance.pick(backend)
        local var = ngx.var
        var.fl_mirror_uri = template.render(wanted.uri, location)
        var.fl_mirror_host = wanted.host
        var.fl_mirror = peer and stash.put({ location = { options = {} }, backend = backend, peer = peer }) or ""
    end,
    -- In the copy.
    rewrite = function()
        local key = ngx.var.fl_mirror
        if key == "" then
            return ngx.exit(204)
        end
        ngx.ctx = stash.get(key) or ngx.exit(204)
    end,
}
