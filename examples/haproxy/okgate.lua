-- Asks okgate about a request: `http-request lua.okgate`. A yes goes on with okgate's headers, every other answer is the
-- visitor's. Needs HAProxy 2.5 or later (core.httpclient).
local OKGATE = "http://127.0.0.1:58082/haproxy"

-- What okgate may tell the upstream. The client's own headers of these names are removed, whatever okgate says.
local TO_UPSTREAM = { "x-user", "x-api-path" }

-- What a visitor sees of a refusal.
local TO_VISITOR = { "content-type", "location", "retry-after", "set-cookie", "www-authenticate" }

-- What is never passed on to okgate: what belongs to the client's connection, and what is written here.
local STAYS = {}
for _, name in ipairs({ "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-method",
    "x-forwarded-proto", "x-forwarded-uri" }) do
    STAYS[name] = true
end

core.register_action("okgate", { "http-req" }, function(txn)
    local headers = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not STAYS[name] then
            local list = {}
            for i = 0, #values do list[#list + 1] = values[i] end -- HAProxy counts from 0
            headers[name] = list
        end
    end
    local tls = txn.f:ssl_fc()
    headers["x-forwarded-method"] = { txn.sf:method() }
    headers["x-forwarded-proto"] = { (tls == true or tls == 1) and "https" or "http" }
    headers["x-forwarded-host"] = { txn.sf:req_hdr("host") }
    headers["x-forwarded-uri"] = { txn.sf:pathq() }
    headers["x-forwarded-for"] = { txn.sf:src() }

    for _, name in ipairs(TO_UPSTREAM) do txn.http:req_del_header(name) end
    local answer = core.httpclient():get({ url = OKGATE, headers = headers, timeout = 5000 })

    if answer and answer.status == 200 then
        for _, name in ipairs(TO_UPSTREAM) do
            local values = answer.headers[name]
            if values then
                for i = 0, #values do txn.http:req_add_header(name, values[i]) end
            end
        end
        return
    end

    -- No answer, or one that is none of okgate's: nobody passes.
    local status = answer and answer.status or 0
    if status < 300 then
        txn:done(txn:reply({ status = 503 }))
        return
    end
    local reply = txn:reply({ status = status })
    for _, name in ipairs(TO_VISITOR) do
        local values = answer.headers[name]
        if values then
            for i = 0, #values do reply:add_header(name, values[i]) end
        end
    end
    if answer.body then reply:set_body(answer.body) end
    txn:done(reply)
end)
