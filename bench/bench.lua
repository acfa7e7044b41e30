-- What wrk sends, by the kind of work named in BENCH_WORK, and what it reports: one line of JSON on standard output.
local work = os.getenv("BENCH_WORK")
local body = string.rep("0123456789abcdef", 4096)

function init(args)
  if work == "connect" then
    wrk.headers["Connection"] = "close"
  elseif work == "post64k" then
    wrk.method = "POST"
    wrk.body = body
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\nBENCH {"requests": %d, "duration_us": %d, "bytes": %d, "connect": %d, "read": %d, "write": %d, ' ..
    '"status": %d, "timeout": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
