-- Text with variables, as the controller has taken it apart: {is a variable, text}.

local concat, find, gsub = table.concat, string.find, string.gsub

local _M = {}

-- Characters that may not stand in a query's value.
local function escaped(text)
    return ngx.escape_uri(text)
end

local SPECIAL = {
    escaped_request_uri = function() return escaped(ngx.var.request_uri) end,
    best_http_host = function() return ngx.var.http_host end,
    pass_access_scheme = function() return ngx.var.scheme end,
    pass_port = function() return ngx.var.server_port end,
    pass_server_port = function() return ngx.var.server_port end,
    the_real_ip = function() return ngx.var.remote_addr end,
    namespace = function(location) return location.namespace end,
    ingress_name = function(location) return location.ingress end,
    service_name = function(location) return location.service end,
    service_port = function(location) return location.port end,
    location_path = function(location) return location.path end,
}

-- `captures`: what $1 to $9 are.
function _M.render(parts, location, captures)
    local pieces = {}
    for i, part in ipairs(parts) do
        local value = part[2]
        if part[1] then
            local number = tonumber(value)
            if number then
                value = captures and captures[number] or ""
            elseif SPECIAL[value] then
                value = SPECIAL[value](location)
            else
                value = ngx.var[value]
            end
        end
        pieces[i] = value or ""
    end
    return concat(pieces)
end

-- Text of the administrator, with variables as in nginx's configuration. What is none stays as it is, and so does what
-- a variable brings.
function _M.evaluated(text, location)
    if not find(text, "$", 1, true) then
        return text
    end
    return (gsub(text, "%$({?)([%w_]+)(}?)", function(opened, name, closed)
        if opened ~= "" and closed == "" then
            return nil
        end
        local special = SPECIAL[name]
        local value
        if special then
            value = special(location) or ""
        else
            value = ngx.var[name]
        end
        return value and value .. (opened == "" and closed or "")
    end))
end

return _M
