-- What the administrator sets that can change while nginx runs: the object "s:settings".

local addresses = require("fairlead.addresses")
local store = require("fairlead.store")

local DEFAULT = {
    https_port = 443,
    redirect_code = 308,
    hsts = "max-age=31536000; includeSubDomains",
    exempt = { "/.well-known/acme-challenge" },
    no_auth = { "/.well-known/acme-challenge" },
    body_size = 1048576,
    tries = 3,
    connect_timeout = 5,
    send_timeout = 60,
    read_timeout = 60,
    limit_status = 503,
    log = true,
    straight = true,
}
local inherit = { __index = DEFAULT }

local function prepare(settings)
    setmetatable(settings, inherit)
    settings.blocked_ranges = settings.blocked_ranges and addresses.prepare(settings.blocked_ranges)
    settings.blocks = settings.blocked_ranges or settings.blocked_agents or settings.blocked_referers
    settings.straight = not (
        settings.use_forwarded_headers
        or settings.external
        or settings.set_headers
        or settings.add_headers
        or settings.blocks
    )
    settings.timed = settings.connect_timeout ~= 5 or settings.send_timeout ~= 60 or settings.read_timeout ~= 60
end

local current, epoch = DEFAULT, -1

-- `anonymous`: nginx names itself to nobody, where the administrator wants so; it is set before the workers start.
return {
    anonymous = false,
    get = function()
        if epoch ~= store.epoch then
            current, epoch = store.get("s:settings", prepare) or DEFAULT, store.epoch
        end
        return current
    end,
}
