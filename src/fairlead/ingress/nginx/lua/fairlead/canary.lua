-- Whether a request goes to the canary: by header, then by cookie, then by chance.

local affinity = require("fairlead.affinity")

local function wanted(rules)
    local var = ngx.var
    local header = rules.header and var["http_" .. rules.header:lower():gsub("-", "_")]
    if header then
        if rules.value then
            if rules.value == header then
                return true
            end
        elseif rules.pattern then
            if ngx.re.find(header, rules.pattern, "jo") then
                return true
            end
        elseif header == "always" then
            return true
        elseif header == "never" then
            return false
        end
    end
    local cookie = rules.cookie and var["cookie_" .. rules.cookie]
    if cookie == "always" then
        return true
    elseif cookie == "never" then
        return false
    end
    return math.random(rules.total or 100) <= (rules.weight or 0)
end

return {
    -- The alternative that the request goes to, nil for the stable one. Sessions stay where they are.
    choose = function(location)
        local sticky = location.options.affinity
        if sticky and not sticky.legacy_canary and affinity.belongs(sticky, location.backend) then
            return nil
        end
        for _, alternative in ipairs(location.alternatives) do
            local own = alternative.options and alternative.options.affinity or sticky
            if own and not own.legacy_canary and affinity.belongs(own, alternative.backend) then
                return alternative
            end
        end
        for _, alternative in ipairs(location.alternatives) do
            if wanted(alternative.canary) then
                return alternative
            end
        end
        return nil
    end,
}
