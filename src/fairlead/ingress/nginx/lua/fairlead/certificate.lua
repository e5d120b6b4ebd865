-- Which certificate a client is shown: its site's, by SNI, or the default one.

local lrucache = require("resty.lrucache")
local ssl = require("ngx.ssl")

local client_tls = require("fairlead.client_tls")
local connection = require("fairlead.connection")
local sites = require("fairlead.sites")
local store = require("fairlead.store")

local parsed = lrucache.new(1000) -- pairs that a worker keeps parsed

local function pair_of(name)
    local secret = store.get("c:" .. name)
    if not secret then
        return nil
    end
    local key = name .. "@" .. secret.version
    local pair = parsed:get(key)
    if pair then
        return pair
    end
    local certificate, why = ssl.parse_pem_cert(secret.certificate)
    local private
    if certificate then
        private, why = ssl.parse_pem_priv_key(secret.key)
    end
    if not private then
        ngx.log(ngx.ERR, "certificate ", name, ": ", why)
        return nil
    end
    pair = { certificate, private }
    parsed:set(key, pair)
    return pair
end

local function serve()
    store.catch_up()
    local name = ssl.server_name()
    local site = name and sites.find(sites.normal(name))
    local pair = site and site.certificate and pair_of(site.certificate) or pair_of("default")
    if not pair then -- nginx has one of its own, the same that "default" is without a Secret
        if site and site.client_tls then
            client_tls.ask(site)
        end
        return
    end
    if site and site.client_tls then
        client_tls.ask(site)
    end
    if site and site.ciphers then
        connection.set_ciphers(site.ciphers)
    end
    ssl.clear_certs()
    local set, why = ssl.set_cert(pair[1])
    if set then
        set, why = ssl.set_priv_key(pair[2])
    end
    if not set then
        ngx.log(ngx.ERR, "certificate of ", name or "no name", ": ", why)
        return ngx.exit(ngx.ERROR)
    end
end

return { serve = serve }
