-- wrk's script: charges, each with a key of its own. Arguments: what every key of the run begins with, and of how many keys
-- they are taken over and over (0: never the same twice).
local body = '{"trip_id": 7, "method": "CARD", "amount": 150.00}'
local n, keys, head, tail = 0, 0, "", ""

function init(args)
   keys = tonumber(args[2])
   head = "POST /payments HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: " .. #body ..
          "\r\nIdempotency-Key: " .. args[1] .. "-"
   tail = "\r\n\r\n" .. body
end

function request()
   n = n + 1
   if keys > 0 and n > keys then n = 1 end
   return head .. n .. tail
end

function done(summary, latency, requests)
   local e = summary.errors
   io.write(string.format(
      '{"requests": %d, "seconds": %f, "refused": %d, "failed": %d, "p50": %f, "p90": %f, "p99": %f, "highest": %f}\n',
      summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
      latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
