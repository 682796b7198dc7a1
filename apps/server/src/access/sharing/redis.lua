-- Adds what a server counted, and returns what all servers counted together: of each key the count, and the
-- microseconds until it is forgotten (of a debt: until it is paid).
--
-- ARGV has three numbers for each key: its kind (0 a debt, 1 a count that is forgotten after the last addition, 2 one
-- that is after the first), the amount that is added, and a span in microseconds (of a debt how long ago it began,
-- else how long the count is remembered).

-- A debt is kept a little longer than it is owed: what others add may have begun before it was paid.
local GRACE = 5000

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- The usual text of a large number has an exponent.
local function text(number) return string.format('%.0f', number) end

local totals = {}
for i, key in ipairs(KEYS) do
    local kind, amount, span = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
    local count, remaining = 0, 0
    if kind == 0 then
        local paid = math.max(tonumber(redis.call('GET', key) or 0), now - span) + amount
        remaining = paid - now
        local milliseconds = math.ceil(remaining / 1000) + GRACE
        if milliseconds > 0 then redis.call('SET', key, text(paid), 'PX', text(milliseconds)) end
    else
        if amount > 0 then
            count = redis.call('INCRBY', key, text(amount))
            if kind == 1 or count == amount then redis.call('PEXPIRE', key, text(math.ceil(span / 1000))) end
        else
            count = tonumber(redis.call('GET', key) or 0)
        end
        remaining = redis.call('PTTL', key) * 1000
    end
    totals[2 * i - 1], totals[2 * i] = count, remaining
end
return totals
