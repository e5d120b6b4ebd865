-- Texts as nginx's `map` has them: "~REGEX", "~*REGEX" whatever the case, or the whole text whatever the case.

local _M = {}

-- `text`: nil where a request has no such header.
function _M.matches(patterns, text)
    if not text then
        return false
    end
    for _, each in ipairs(patterns) do
        if each:sub(1, 2) == "~*" then
            if ngx.re.find(text, each:sub(3), "ijo") then
                return true
            end
        elseif each:sub(1, 1) == "~" then
            if ngx.re.find(text, each:sub(2), "jo") then
                return true
            end
        elseif each:lower() == text:lower() then
            return true
        end
    end
    return false
end

return _M
