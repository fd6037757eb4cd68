-- Asks okgate about a request. A yes goes on with okgate's headers, every other answer is the visitor's: unlike
-- `auth_request`, this lets redirects, 404 and 429 through.

-- What okgate may tell the upstream. The client's own headers of these names are removed, whatever okgate says.
local TO_UPSTREAM = { "x-user", "x-api-path" }

-- What a visitor sees of a refusal.
local TO_VISITOR = { "Content-Type", "Location", "Retry-After", "Set-Cookie", "WWW-Authenticate" }

local answer = ngx.location.capture("/_okgate", {
    method = ngx.HTTP_GET,
    vars = { asked_host = ngx.var.host .. ":" .. ngx.var.server_port },
})

-- The table of a capture knows names only as they were sent.
local headers = {}
for name, value in pairs(answer.header) do headers[name:lower()] = value end

if answer.status == 200 then
    for _, name in ipairs(TO_UPSTREAM) do
        ngx.req.set_header(name, headers[name]) -- nothing clears it
    end
    return
end

-- A yes is 200; what else is below 300 is none of okgate's answers.
if answer.status < 300 then return ngx.exit(502) end
ngx.status = answer.status
for _, name in ipairs(TO_VISITOR) do
    if headers[name:lower()] then ngx.header[name] = headers[name:lower()] end
end
ngx.print(answer.body)
return ngx.exit(ngx.HTTP_OK)
