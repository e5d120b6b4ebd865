-- Clients' certificates (`auth-tls-*`): asked for in the handshake, judged with each request.

local ssl = require("ngx.ssl")
local lrucache = require("resty.lrucache")

local connection = require("fairlead.connection")
local store = require("fairlead.store")

local parsed = lrucache.new(200)
local _M = {}

local function authorities(secret)
    local found = store.get(secret)
    if not found then
        return nil
    end
    local key = secret .. "@" .. found.version
    local chain = parsed:get(key)
    if not chain then
        local why
        chain, why = ssl.parse_pem_cert(found.certificates)
        if not chain then
            ngx.log(ngx.ERR, "authorities of ", secret, ": ", why)
            return nil
        end
        parsed:set(key, chain)
    end
    return chain
end

-- The handshake. Without the authorities a certificate is asked for all the same, and none will do.
function _M.ask(site)
    local wanted = site.client_tls
    local asked, why = ssl.verify_client(authorities(wanted.secret), wanted.depth or 1)
    if not asked then
        ngx.log(ngx.ERR, "cannot ask for a client's certificate: ", why)
        return ngx.exit(ngx.ERROR)
    end
    -- Its sessions are never taken up again, so that none brings the verdict of another host's authorities with it
    -- (CVE-2025-23419).
    connection.bind(site.host .. "@" .. site.version)
end

local function refuse(wanted, code)
    local page = wanted.error_page or ""
    if page:find("^https?://") or page:sub(1, 1) == "/" then
        return ngx.redirect(page, 302)
    end
    return ngx.exit(code)
end

-- The request. The name of the handshake must be the host that is asked for: else a client could come in by another
-- host's.
function _M.check(wanted, location)
    local var = ngx.var
    if var.https ~= "on" then
        return
    end
    local name = var.ssl_server_name and var.ssl_server_name:lower():gsub("%.$", "")
    if name ~= var.host then
        return ngx.exit(421)
    end
    local verdict = var.ssl_client_verify or "NONE"
    local verify = wanted.verify or "on"
    if not store.get(wanted.secret) then
        return ngx.exit(503)
    end
    local good = verdict == "SUCCESS" or (verify ~= "on" and verdict == "NONE")
        or (verify == "optional_no_ca" and verdict:find("^FAILED"))
    if not good then
        return refuse(wanted, 400)
    end
    if wanted.match_cn and wanted.match_cn ~= "" and verdict ~= "NONE" then
        if not ngx.re.find(var.ssl_client_s_dn or "", wanted.match_cn, "jo") then
            return ngx.exit(403)
        end
    end
    ngx.req.set_header("ssl-client-verify", verdict)
    ngx.req.set_header("ssl-client-subject-dn", var.ssl_client_s_dn)
    ngx.req.set_header("ssl-client-issuer-dn", var.ssl_client_i_dn)
    ngx.req.set_header("ssl-client-cert", wanted.pass_certificate and var.ssl_client_escaped_cert or nil)
end

return _M
