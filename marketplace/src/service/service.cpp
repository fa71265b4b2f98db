// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/secrets.hpp>
#include <marketplace/service.hpp>
#include <marketplace/text.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

namespace marketplace {

using http::problem;

service::service(catalog& storage_, registry& agents_, access& guard_, card_fetcher& cards_,
                 metrics& measured_, limit_options limits, std::string secret)
    : storage(storage_),
      agents(agents_),
      guard(guard_),
      cards(cards_),
      measured(measured_),
      registering(std::move(limits.register_agent)),
      searching(std::move(limits.search)),
      writing(std::move(limits.write)),
      previewing(std::move(limits.preview)),
      secret_(std::move(secret)) {}

namespace {

std::string policy_field(const rate_policy& policy) {
  return "\"" + policy.name + "\";q=" + std::to_string(policy.quota) +
         ";w=" + std::to_string(policy.window.count());
}
std::string limit_field(const rate_policy& policy, const rate_verdict& verdict) {
  return "\"" + policy.name + "\";r=" + std::to_string(verdict.remaining) +
         ";t=" + std::to_string(verdict.retry_after.count());
}

}  // namespace

rate_ticket service::require_within(client_limits& limit, const caller& who) const {
  const rate_verdict verdict = limit.take(who.identity);
  const rate_policy& policy = limit.policy();
  if (policy.quota == 0) {
    return {};
  }
  rate_ticket ticket{{"RateLimit-Policy", policy_field(policy)},
                     {"RateLimit", limit_field(policy, verdict)}};
  if (!verdict.is_allowed) {
    measured.count_limited(policy.name);
    problem refused(429, "RATE_LIMIT_EXCEEDED",
                    "more than " + std::to_string(policy.quota) + " requests of the kind \"" +
                        policy.name + "\" in " + std::to_string(policy.window.count()) + " s");
    for (auto& [name, value] : ticket) {
      refused.with_header(name, std::move(value));
    }
    throw std::move(refused)
        .with_header("Retry-After",
                     std::to_string(std::max<std::int64_t>(1, verdict.retry_after.count())))
        .with_type("https://iana.org/assignments/http-problem-types#quota-exceeded");
  }
  return ticket;
}

std::string service::cursor_of(const list_position& position, std::string_view list) const {
  const std::string content = std::to_string(position.sequence) + " " + position.value;
  const std::string signature =
      hmac_sha256(secret_, "cursor\n" + std::string(list) + "\n" + content).substr(0, 16);
  return base64url(signature + content);
}

list_position service::position_of(std::string_view cursor, std::string_view list) const {
  const auto bad = [] {
    return problem::bad_request("this cursor is not of this list: begin again without one");
  };
  const auto bytes = cursor.size() > 1024 ? std::nullopt : base64url_decoded(cursor);
  if (!bytes || bytes->size() < 16) {
    throw bad();
  }
  const std::string_view content = std::string_view(*bytes).substr(16);
  const std::string expected =
      hmac_sha256(secret_, "cursor\n" + std::string(list) + "\n" + std::string(content));
  if (!are_equal(std::string_view(*bytes).substr(0, 16),
                 std::string_view(expected).substr(0, 16))) {
    throw bad();
  }
  list_position position;
  const std::size_t space = content.find(' ');
  std::from_chars(content.data(), content.data() + space, position.sequence);
  position.value = content.substr(space + 1);
  return position;
}

std::optional<std::string> parameter(const http::request& r, std::string_view name) {
  std::optional<std::string> found;
  for (const auto& [each, value] : r.query) {
    if (each == name) {
      if (found) {
        throw problem::bad_request("the parameter " + std::string(name) + " is given twice");
      }
      if (value.size() > 2048) {
        throw problem::bad_request("the parameter " + std::string(name) +
                                   " is longer than 2048 bytes");
      }
      found = value;
    }
  }
  return found;
}

std::vector<std::string> parameters(const http::request& r, std::string_view name) {
  std::vector<std::string> found;
  for (const auto& [each, value] : r.query) {
    if (each == name) {
      if (value.size() > 2048 || found.size() == 32) {
        throw problem::bad_request("the parameter " + std::string(name) +
                                   " is too long, or there are more than 32");
      }
      found.push_back(value);
    }
  }
  return found;
}

std::int64_t number_parameter(const http::request& r, std::string_view name, std::int64_t standard,
                              std::int64_t least, std::int64_t most) {
  const auto text = parameter(r, name);
  if (!text) {
    return standard;
  }
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size() || number < least ||
      number > most) {
    throw problem::bad_request("the parameter " + std::string(name) +
                               " has to be a whole number from " + std::to_string(least) + " to " +
                               std::to_string(most));
  }
  return number;
}

void require_known_parameters(const http::request& r,
                              std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : r.query) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw problem::bad_request("there is no parameter \"" + name.substr(0, 64) + "\" here");
    }
  }
}

void require_json(const http::request& r) {
  const std::string_view given = r.header("content-type");
  const std::string type = ascii_lower(trimmed(given.substr(0, given.find(';'))));
  const bool is_json =
      type == "application/json" || (type.starts_with("application/") && type.ends_with("+json"));
  if (!is_json) {
    throw problem(415, "UNSUPPORTED_MEDIA_TYPE",
                  "the body has to be JSON, and Content-Type has to say so: application/json");
  }
  const std::string_view encoding = trimmed(r.header("content-encoding"));
  if (!encoding.empty() && ascii_lower(encoding) != "identity") {
    throw problem(415, "UNSUPPORTED_MEDIA_TYPE", "the body must not be compressed");
  }
}

void require_accepts(const http::request& r, std::string_view type) {
  const std::string accept = ascii_lower(r.header("accept"));
  if (trimmed(accept).empty()) {
    return;
  }
  const std::string any_of_kind = std::string(type.substr(0, type.find('/'))) + "/*";
  std::string_view rest = accept;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string_view range = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::string_view name = trimmed(range.substr(0, range.find(';')));
    const std::size_t q = range.find("q=0");
    const bool is_refused = q != std::string_view::npos &&
                            range.find_first_not_of("0.", q + 2) == std::string_view::npos;
    if (!is_refused && (name == "*/*" || name == type || name == any_of_kind ||
                        (type == "application/json" && name.ends_with("+json")))) {
      return;
    }
  }
  throw problem(406, "NOT_ACCEPTABLE", "this is served as " + std::string(type) + " only");
}

bool has_etag(std::string_view list, std::string_view etag, bool weak_too) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    std::string_view each = trimmed(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
    if (each == "*") {
      return true;
    }
    if (weak_too && each.starts_with("W/")) {
      each.remove_prefix(2);
    }
    if (each == etag) {
      return true;
    }
  }
  return false;
}

}  // namespace marketplace
