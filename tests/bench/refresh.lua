-- Refreshes families, each with the token of its last answer: refresh.lua FILE, of whose lines the first is the path,
-- the second what Authorization says, and every other one a refresh token.
local tokens, first, last = {}, 1, 0
bad = 0
local threads = {}
local path, headers

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  for line in io.lines(args[1]) do
    if not path then path = line
    elseif not headers then
      headers = { ["Authorization"] = line, ["Content-Type"] = "application/x-www-form-urlencoded", ["Host"] = wrk.headers["Host"] }
    else
      last = last + 1
      tokens[last] = line
    end
  end
end

function request()
  local token = tokens[first]
  tokens[first] = nil
  first = first + 1
  return wrk.format("POST", path, headers, "grant_type=refresh_token&refresh_token=" .. token)
end

function response(status, _, body)
  local token = body:match('"refresh_token":"([^"]+)"')
  if status ~= 200 or not token then bad = bad + 1 return end
  last = last + 1
  tokens[last] = token
end

function done(summary, latency)
  local failed = 0
  for _, thread in ipairs(threads) do failed = failed + thread:get("bad") end
  io.write(string.format('\n{"requests":%d,"microseconds":%d,"failed":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration,
    failed + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
