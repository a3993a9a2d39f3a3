-- Charges the buckets of one attempt, takes the charges back, reads or lifts them, by the rules of policy.py. Redis runs a
-- script alone and whole, so of any number of parallel attempts only as many are charged as the rules allow.
--
-- KEYS: one for each bucket of the attempt, in the order of its kinds; the last one may be the one of the strangers.
-- ARGV: a JSON document with the act, and a row for each key: its check and its rule (redis.py).
-- A charge returns the position of the key whose delay is the longest, and the milliseconds; nothing if it was taken. To read
-- or lift returns the time and what stood at each key.

local given = cjson.decode(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

if given.act == 'read' or given.act == 'lift' then
    local found = {string.format('%.0f', now)}
    for _, key in ipairs(KEYS) do
        table.insert(found, redis.call('GET', key) or '')
        if given.act == 'lift' then
            redis.call('DEL', key)
        end
    end
    return found
end

-- A row that is not there counts as an empty one.
local function read(key)
    local form = '(%d+) (%d+) (%d+) (%d+) (%d+)'
    local check, empty_at, charged_at, failures, halved_at = string.match(redis.call('GET', key) or '', form)
    return {
        check = tonumber(check),
        empty_at = tonumber(empty_at or 0),
        charged_at = tonumber(charged_at or 0),
        failures = tonumber(failures or 0),
        halved_at = tonumber(halved_at or now),
    }
end

local function days(row)
    return math.floor(math.max(0, now - row.halved_at) / given.day)
end

local function failures_now(row)
    return math.floor(row.failures / 2 ^ days(row))
end

-- The key expires when nothing at it counts any more, as the clean-up deletes a row.
local function write(key, row)
    local forgotten_at, failures, halvings = row.empty_at, row.failures, 0
    while failures > 0 do
        failures, halvings = math.floor(failures / 2), halvings + 1
        forgotten_at = math.max(row.empty_at, row.halved_at + halvings * given.day)
    end
    if forgotten_at <= now then
        return redis.call('DEL', key)
    end
    local text = string.format('%.0f %.0f %.0f %.0f %.0f', row.check, row.empty_at, row.charged_at, row.failures, row.halved_at)
    redis.call('SET', key, text, 'PXAT', string.format('%.0f', forgotten_at))
end

-- The clock was set back: a delay that no rule gives counts no more, because an account is never shut.
local function is_ahead(row, rule)
    return row.charged_at > now + rule.longest
end

local function has_room(row, free, rule)
    return row.empty_at - now <= (free - 1) * rule.period
end

-- How many milliseconds the next attempt has to wait, by the level right after the last charge.
local function delay(row, rule)
    local over = math.ceil((row.empty_at - row.charged_at) / rule.period) - rule.free
    if over < 0 or is_ahead(row, rule) then
        return 0
    end
    return math.max(0, row.charged_at + math.min(rule.longest, rule.shortest * 2 ^ over) - now)
end

local function delay_of_strangers(row, rule, is_first)
    if failures_now(row) >= given.in_a_row then
        return is_ahead(row, rule) and 0 or math.max(0, row.charged_at + rule.longest - now)
    end
    if is_first and has_room(row, given.in_a_row, rule) then
        return 0
    end
    return delay(row, rule)
end

local function charge(row, rule, check)
    if row.check == nil or (row.empty_at <= now and failures_now(row) == 0) then
        row.check = check
    end
    row.empty_at = math.min(math.max(row.empty_at, now) + rule.period, now + rule.fullest)
    row.charged_at = is_ahead(row, rule) and now or math.max(row.charged_at, now)
end

local rows, longest, position, is_first = {}, 0, 0, false
for i, key in ipairs(KEYS) do
    local row, about, wait = read(key), given.rows[i], 0
    rows[i] = row
    if given.act == 'charge' and not about.is_strangers then
        wait = delay(row, about.rule)
        is_first = is_first or about.is_backend or (about.is_place and has_room(row, about.rule.free, about.rule))
    elseif given.act == 'charge' and not given.is_known then
        wait = delay_of_strangers(row, about.rule, is_first)
    end
    if wait > longest then
        longest, position = wait, i
    end
end
if longest > 0 then
    return {position, longest}
end

for i, key in ipairs(KEYS) do
    local row, about = rows[i], given.rows[i]
    local counts = not (about.is_strangers and given.is_known)
    if given.act == 'charge' and counts then
        local failures, halvings = failures_now(row), days(row)
        charge(row, about.rule, about.check)
        if about.is_strangers then
            row.failures, row.halved_at = failures + 1, row.halved_at + halvings * given.day
        end
    elseif given.act == 'refund' then
        local is_own = row.check == about.check
        row.empty_at = row.empty_at - (counts and about.rule.period or 0)
        row.failures = math.max(row.failures - (counts and 1 or 0), 0)
        if given.clear and about.is_cleared and is_own then
            row.empty_at = 0
        elseif given['end'] and about.is_strangers and is_own then
            row.failures = 0
        end
    end
    -- The row of the strangers is written in any case: the time must not tell whether the origin is known.
    write(key, row)
end
