-- What nginx.conf calls in each phase, under one name that is looked up fast: `require` in every phase takes its time.

local balance = require("fairlead.balance")
local metrics = require("fairlead.metrics")
local request = require("fairlead.request")
local response = require("fairlead.response")
local straight = require("fairlead.straight")

return {
    enter = straight.enter,
    rewrite = request.rewrite,
    balance = function()
        return straight.balance() or balance.balance()
    end,
    filter = response.filter,
    log = metrics.log,
}
