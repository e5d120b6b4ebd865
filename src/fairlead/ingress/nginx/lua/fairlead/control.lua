-- The controller's side of nginx, on a Unix socket that only it can reach.

local metrics = require("fairlead.metrics")
local store = require("fairlead.store")

local function apply()
    ngx.req.read_body()
    local frame = ngx.req.get_body_data()
    if not frame then
        ngx.status = 400
        ngx.print("no frame in memory")
        return
    end
    local generation, why = store.apply(frame)
    if not generation then
        ngx.status = why == "no memory" and 507 or 400
        ngx.print(why)
        return
    end
    ngx.print(generation)
end

local HANDLERS = {
    ["POST /apply"] = apply,
    ["GET /generation"] = function() ngx.print(store.generation()) end,
    ["GET /metrics"] = function() ngx.print(metrics.render()) end,
}

return {
    serve = function()
        local handler = HANDLERS[ngx.req.get_method() .. " " .. ngx.var.uri]
        if not handler then
            ngx.exit(404)
        end
        handler()
    end,
}
