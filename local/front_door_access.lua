-- Who may enter, after Envoy's jwt_authn has looked at the token: what it says of it is in the request's metadata. Without a
-- good token nothing goes on to a function, unless the path is open, or the keys of the token's issuer are not known here: the
-- function, which decides again, may know them. What is answered is the functions' own answer.
function is_open(path)
  for _, pattern in ipairs(open) do
    if path:find(pattern) then return true end
  end
  return false
end

function envoy_on_request(request)
  local headers, notes = request:headers(), request:streamInfo():dynamicMetadata()
  local noted = notes:get("front_door")
  if is_open(noted.instance) then return end
  local token = notes:get("envoy.filters.http.jwt_authn") or {}
  if token.accepted then return end
  for _, refused in pairs(token) do
    if refused.message == "Jwks remote fetch is failed" then return end
  end
  local scheme = (headers:get("authorization") or ""):match("^ *([^ ]*)"):lower()
  local problem = scheme == "bearer" and invalid_token or unauthorized
  request:respond({
    [":status"] = "401",
    ["www-authenticate"] = problem.challenge,
    ["x-correlation-id"] = noted.id,
  }, problem[1] .. noted.instance .. problem[2] .. noted.id .. problem[3])
end
