-- What OpenSSL can still change while a handshake goes on, beyond what the Lua module wraps.

local base = require("resty.core.base")
local ffi = require("ffi")

ffi.cdef([[
    void *ngx_http_lua_ffi_get_req_ssl_pointer(void *r, const char **err);
    int SSL_set_session_id_context(void *ssl, const unsigned char *context, unsigned int size);
    void *SSL_get_session(void *ssl);
    int SSL_SESSION_set1_id_context(void *session, const unsigned char *context, unsigned int size);
    int SSL_set_cipher_list(void *ssl, const char *list);
]])

local C = ffi.C
local problem = ffi.new("const char *[1]")
local _M = {}

local function connection()
    local request = base.get_request()
    local found = request and C.ngx_http_lua_ffi_get_req_ssl_pointer(request, problem)
    if found == nil then
        ngx.log(ngx.ERR, "no TLS connection: ", problem[0] ~= nil and ffi.string(problem[0]) or "no request")
        return nil
    end
    return found
end

-- Sessions of this connection can only be taken up where the same text is bound: never, as OpenSSL compares before we
-- can bind. TLS 1.2 has made its session by now, TLS 1.3 makes it later.
function _M.bind(text)
    local ssl = connection()
    local digest = ngx.sha1_bin(text)
    local session = ssl and C.SSL_get_session(ssl)
    if not ssl or C.SSL_set_session_id_context(ssl, digest, #digest) ~= 1
        or (session ~= nil and C.SSL_SESSION_set1_id_context(session, digest, #digest) ~= 1) then
        return ngx.exit(ngx.ERROR)
    end
end

-- For TLS up to 1.2; a list that OpenSSL does not know changes nothing.
function _M.set_ciphers(list)
    local ssl = connection()
    if ssl and C.SSL_set_cipher_list(ssl, list) ~= 1 then
        ngx.log(ngx.WARN, "no ciphers of: ", list)
    end
end

return _M
