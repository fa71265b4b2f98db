// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/access.hpp>
#include <marketplace/http/problem.hpp>
#include <marketplace/secrets.hpp>
#include <marketplace/storage_problem.hpp>
#include <marketplace/text.hpp>

#include <utility>

namespace marketplace {
namespace {

using http::problem;

problem unauthenticated(std::string detail) {
  return problem(401, "UNAUTHENTICATED", std::move(detail))
      .with_header("WWW-Authenticate", R"(Bearer realm="marketplace")");
}

// The token of "Authorization: Bearer ...", or of "X-API-Key: ..."; empty without one.
std::string_view token_of(const http::request& r) {
  const std::string_view authorization = r.header("authorization");
  if (authorization.empty()) {
    return r.header("x-api-key");
  }
  const std::size_t space = authorization.find(' ');
  if (space == std::string_view::npos || ascii_lower(authorization.substr(0, space)) != "bearer") {
    throw unauthenticated("the Authorization header has to be \"Bearer <token>\"");
  }
  const std::string_view token = trimmed(authorization.substr(space));
  if (token.empty() || token.size() > 256) {
    throw unauthenticated("the bearer token is empty or too long");
  }
  return token;
}

role role_of(std::string_view text) {
  return text == "admin" ? role::admin : text == "publisher" ? role::publisher : role::reader;
}

}  // namespace

access::access(catalog& keys, access_options options)
    : keys_(keys),
      options_(std::move(options)),
      admin_sha256_(options_.admin_key.empty() ? "" : sha256_hex(options_.admin_key)) {}

boost::asio::awaitable<caller> access::identify(const http::request& r) const {
  caller who;
  who.request_id = r.id;
  who.actor = "anonymous " + r.peer;
  who.identity = "peer " + r.peer;
  const std::string token(token_of(r));
  if (token.empty()) {
    co_return who;
  }
  who.token_sha256 = sha256_hex(token);
  if (!admin_sha256_.empty() && are_equal(who.token_sha256, admin_sha256_)) {
    who.is = role::admin;
    who.actor = "admin";
    who.identity = "admin";
  } else if (token.starts_with("mk_")) {
    const auto key = valued(co_await keys_.find_key(who.token_sha256));
    if (!key || key->revoked_at) {
      throw unauthenticated("this API key is unknown or was revoked");
    }
    who.is = role_of(key->role);
    who.actor = "key " + key->id;
    who.identity = who.actor;
  } else if (token.starts_with("mo_")) {
    who.actor = "owner";
    who.identity = "owner " + who.token_sha256;
  } else {
    throw unauthenticated("this bearer token is none of this marketplace");
  }
  co_return who;
}

void access::require_publisher(const caller& who) const {
  if (!options_.closed || who.is >= role::publisher) {
    return;
  }
  if (who.is == role::anonymous) {
    throw unauthenticated("this marketplace is closed: registering needs a publisher's API key");
  }
  throw problem(403, "FORBIDDEN",
                "registering needs a publisher's API key, this one is a reader's");
}

void access::require_admin(const caller& who) {
  if (who.is == role::admin) {
    return;
  }
  if (who.token_sha256.empty()) {
    throw unauthenticated("this needs an admin's key");
  }
  throw problem(403, "FORBIDDEN", "this needs an admin's key");
}

void access::require_owner(const caller& who, const agent_record& record) {
  if (who.is == role::admin ||
      (!record.owner.empty() && are_equal(who.token_sha256, record.owner))) {
    return;
  }
  if (who.token_sha256.empty()) {
    throw unauthenticated("this needs the owner's token, which the agent's registration returned");
  }
  throw problem(403, "FORBIDDEN", "this token is not that of the agent's owner");
}

}  // namespace marketplace
