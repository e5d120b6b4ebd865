-- From a host's name and a path to the location that serves it.

local store = require("fairlead.store")
local find, sub, byte, lower = string.find, string.sub, string.byte, string.lower
local re_find = ngx.re.find

local _M = {}
local SLASH = byte("/")
local MOST_NAMES, MOST_PATHS = 10000, 500 -- remembered by a worker, and by a site

-- What a request would else have to find out each time.
local function made_ready(options, location, site)
    location.options = options
    options.balanced = options.affinity or options.hash or options.balance
    options.timed = options.connect_timeout or options.send_timeout or options.read_timeout
    for _, alternative in ipairs(location.alternatives or {}) do
        local own = alternative.options
        if own then
            own.balanced = own.affinity or own.hash or own.balance
        end
    end
    local protocol = options.upstream and options.upstream.protocol
    location.record = "b:" .. location.backend
    location.grpc = protocol == "GRPC" or protocol == "GRPCS"
    location.secure = site.certificate ~= nil
    location.judges = options.allow or options.deny or options.basic or options.external or options.global_auth == false
    location.changed = options.vhost or options.connection
    location.steps = require("fairlead.steps").of(location, site)
    location.filters = require("fairlead.response").filters_of(options)
    location.straight = not (
        location.steps or location.filters or location.profile or location.alternatives or location.grpc
        or location.changed or options.balanced or options.mirror
    )
end

-- The location of all paths, where there is such a one.
local function only(site)
    local found
    for _, path in ipairs(site.paths or {}) do
        local kind, text, location = path[1], path[2], site.locations[path[3] + 1]
        if (kind ~= "elements" and kind ~= "letters") or text ~= "/" or (found and found ~= location) then
            return nil
        end
        found = location
    end
    return found
end

-- Maps to look paths up in: exact, by elements, by letters (longest first), and patterns in their order.
local function prepare(site)
    local exact, elements, letters, lengths, patterns = {}, {}, {}, {}, {}
    for _, path in ipairs(site.paths or {}) do
        local kind, text, location = path[1], path[2], site.locations[path[3] + 1]
        if kind == "exact" then
            exact[text] = exact[text] or location
        elseif kind == "elements" then
            elements[text] = elements[text] or location
        elseif kind == "letters" then
            if not letters[text] then
                lengths[#text] = true
            end
            letters[text] = letters[text] or location
        else
            patterns[#patterns + 1] = { text, location }
        end
    end
    site.exact, site.elements, site.letters, site.patterns = exact, elements, letters, patterns
    site.routes, site.route_count = {}, 0
    site.lengths = {}
    for length in pairs(lengths) do
        site.lengths[#site.lengths + 1] = length
    end
    table.sort(site.lengths, function(a, b) return a > b end)
    for _, location in ipairs(site.locations or {}) do
        location.site = site
        made_ready(location.options or {}, location, site)
        site.straight = site.straight or location.straight
    end
    site.only = only(site)
    if site.default then
        site.default = site.locations[site.default + 1]
    end
end

local function look_up(name)
    local site = store.get("h:" .. name, prepare)
    if site then
        return site
    end
    local dot = find(name, ".", 2, true)
    if dot then
        site = store.get("h:*" .. sub(name, dot), prepare)
        if site then
            return site
        end
    end
    return store.get("h:_", prepare)
end

-- Found before, by name and then by path, until something changes: without loops, so that LuaJIT makes one trace of it.
local names, name_count, epoch = {}, 0, -1

-- The site of a name: its own, its wildcard's (of one label), or the one of all names.
function _M.find(name)
    if epoch ~= store.epoch then
        names, name_count, epoch = {}, 0, store.epoch
    end
    local site = names[name]
    if site then
        return site
    end
    site = look_up(name)
    if site then
        if name_count >= MOST_NAMES then
            names, name_count = {}, 0
        end
        names[name], name_count = site, name_count + 1
    end
    return site
end

function _M.starts_with_any(path, prefixes)
    for _, prefix in ipairs(prefixes) do
        if sub(path, 1, #prefix) == prefix then
            return true
        end
    end
    return false
end

-- As DNS compares names: without regard to case, and a dot at the end says nothing.
function _M.normal(name)
    name = lower(name)
    if sub(name, -1) == "." then
        name = sub(name, 1, -2)
    end
    return name
end

-- The longest prefix by whole elements.
local function by_elements(elements, path)
    if next(elements) == nil then
        return nil
    end
    local text = path
    while true do
        local location = elements[text]
        if location then
            return location, #text
        end
        local at = #text
        while at > 0 and byte(text, at) ~= SLASH do
            at = at - 1
        end
        if at == 0 then
            return nil
        end
        if at == 1 then
            return elements["/"], 1
        end
        text = sub(text, 1, at - 1)
    end
end

-- The location of a path: an exact one, the first pattern, or the longest prefix.
local function locate(site, path)
    local location = site.exact[path]
    if location then
        return location
    end
    for _, pattern in ipairs(site.patterns) do
        if re_find(path, pattern[1], "joi") then
            return pattern[2]
        end
    end
    local best, size = by_elements(site.elements, path)
    for _, length in ipairs(site.lengths) do
        if best and size >= length then
            return best
        end
        location = site.letters[sub(path, 1, length)]
        if location then
            return location
        end
    end
    return best
end

function _M.locate(site, path)
    local location = site.routes[path]
    if location then
        return location
    end
    location = locate(site, path) or site.default
    if location then
        if site.route_count >= MOST_PATHS then
            site.routes, site.route_count = {}, 0
        end
        site.routes[path], site.route_count = location, site.route_count + 1
    end
    return location
end

return _M
