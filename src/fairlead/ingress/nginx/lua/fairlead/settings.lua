-- What the administrator sets that can change while nginx runs: the object "s:settings".

local store = require("fairlead.store")

local DEFAULT = { https_port = 443, redirect_code = 308, hsts = "max-age=31536000; includeSubDomains", exempt = { "/.well-known/acme-challenge" } }

return {
    get = function()
        return store.get("s:settings") or DEFAULT
    end,
}
