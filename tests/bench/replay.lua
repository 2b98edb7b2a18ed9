-- Sends the requests of a file, one after the other; `once STATUS` ends when the file does, and looks at every answer.
local requests, at, answered = {}, 0, 0
bad = 0
local threads = {}
local once, right

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  once, right = args[2] == "once", tonumber(args[3])
  local file = assert(io.open(args[1], "rb"))
  for request in file:read("*a"):gmatch("[^%z]+") do requests[#requests + 1] = request end
  file:close()
  if once then response = look end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

-- A connection always asks before we hear of its answer, so some requests are kept for that.
function look(status)
  answered = answered + 1
  if status ~= right then bad = bad + 1 end
  if answered >= #requests - 32 then
    wrk.thread:stop()
    -- wrk itself would sleep on until its time is over: whoever started it hears of it.
    io.write("over\n")
    io.flush()
  end
end

function done(summary, latency)
  local failed = 0
  for _, thread in ipairs(threads) do failed = failed + thread:get("bad") end
  io.write(string.format('\n{"requests":%d,"microseconds":%d,"failed":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration,
    failed + summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
