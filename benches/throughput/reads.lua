-- Asks for the paths of a file, one after the other and again, until the time is over.

local paths = {}
for path in io.lines(os.getenv("BENCH_PATHS")) do paths[#paths + 1] = path end

local threads, at = 0, 0

function setup(thread)
   thread:set("id", threads)
   threads = threads + 1
end

function init()
   wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")
   -- The threads begin at different paths.
   at = id * math.floor(#paths / 2)
end

function request()
   at = at % #paths + 1
   return wrk.format("GET", paths[at])
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      "result answers %d duration %d connect %d read %d write %d timeout %d status %d p50 %d p99 %d\n",
      summary.requests, summary.duration, errors.connect, errors.read, errors.write, errors.timeout, errors.status,
      latency:percentile(50), latency:percentile(99)))
end
