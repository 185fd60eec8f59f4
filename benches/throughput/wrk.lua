-- Sends every request of this thread's slice of a file once, and ends when the last answer has come.
--
-- A connection asks for its next request when its answer is there. Once the slice is sent it gets an empty one, which
-- writes nothing; when every connection has had that, every answer has come. With a rate, requests are sent at random
-- moments (exponential gaps) which do not wait for answers, as long as a connection is free.

local ffi = require("ffi")
ffi.cdef([[
int open(const char *path, int flags, ...);
void *mmap(void *address, size_t length, int protection, int flags, int file, long offset);
struct bench_time { long s; long ns; };
int clock_gettime(int clock, struct bench_time *time);
]])

local O_RDONLY, PROT_READ, MAP_SHARED, CLOCK_MONOTONIC = 0, 1, 1, 1
local rate = tonumber(os.getenv("BENCH_RATE"))
local clock = ffi.new("struct bench_time")

local threads = 0

-- The threads take turns at the replicas; each has all its connections at one.
local ports = {}
for port in os.getenv("BENCH_PORTS"):gmatch("%d+") do ports[#ports + 1] = port end

function setup(thread)
   thread:set("id", threads)
   thread.addr = wrk.lookup("127.0.0.1", ports[threads % #ports + 1])[1]
   threads = threads + 1
end

local function now_us()
   ffi.C.clock_gettime(CLOCK_MONOTONIC, clock)
   return tonumber(clock.s) * 1e6 + tonumber(clock.ns) / 1e3
end

local base, at, count, connections
local sent, idle, first_us, late_us, next_us = 0, 0, 0, 0, nil
-- The first thread is asked for one request more, before the start, which is only looked at.
local looked_at

local function next_request()
   local length = ffi.cast("uint32_t *", base + at)[0]
   return ffi.string(base + at + 4, length), at + 4 + length
end

function init()
   local slice = 0
   for offset, number in os.getenv("BENCH_SLICES"):gmatch("(%d+):(%d+)") do
      if slice == id then at, count = tonumber(offset), tonumber(number) end
      slice = slice + 1
   end
   connections = tonumber(os.getenv("BENCH_CONNECTIONS")) / slice
   local file = ffi.C.open(os.getenv("BENCH_FILE"), O_RDONLY)
   assert(file >= 0, "the file of requests cannot be read")
   local mapped = ffi.C.mmap(nil, tonumber(os.getenv("BENCH_BYTES")), PROT_READ, MAP_SHARED, file, 0)
   assert(ffi.cast("intptr_t", mapped) ~= -1, "the file of requests cannot be mapped")
   base = ffi.cast("const char *", mapped)
   looked_at = id ~= 0
   math.randomseed(id + 1)
end

function request()
   if sent == count then
      idle = idle + 1
      if idle == connections then
         io.write(string.format("thread %d sent %d from %.0f to %.0f late %.0f\n", id, sent, first_us, now_us(), late_us))
         io.flush()
         wrk.thread:stop()
      end
      return ""
   end
   local text, behind = next_request()
   if not looked_at then
      looked_at = true
      return text
   end
   if sent == 0 then first_us = now_us() end
   sent, at = sent + 1, behind
   return text
end

if rate then
   -- Milliseconds to wait for the next moment of the schedule.
   function delay()
      if sent == count then return 0 end
      local now = now_us()
      next_us = (next_us or now) - math.log(1 - math.random()) / rate * 1e6
      if next_us <= now then
         late_us = math.max(late_us, now - next_us)
         return 0
      end
      return math.floor((next_us - now) / 1e3 + 0.5)
   end
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      "result answers %d connect %d read %d write %d timeout %d status %d p50 %d p99 %d\n",
      summary.requests, errors.connect, errors.read, errors.write, errors.timeout, errors.status,
      latency:percentile(50), latency:percentile(99)))
end
