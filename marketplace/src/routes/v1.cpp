// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The native API, /v1: each route reads a request, asks the registry, and writes what came of it.

#include <marketplace/base_url.hpp>
#include <marketplace/secrets.hpp>
#include <marketplace/service.hpp>
#include <marketplace/storage_problem.hpp>
#include <marketplace/strict_json.hpp>
#include <marketplace/text.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace marketplace {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using asio::awaitable;
using http::json_response;
using http::problem;
using http::request;
using http::response;

constexpr std::size_t replies_at_most = 100'000;
constexpr std::chrono::hours reply_lifetime{24};

// ------------------------------------------------------------------------------------- agents

std::string url_of(const agent_record& record) {
  return "/v1/agents/" + record.profile.agent_id;
}

std::string etag_of(const agent_record& record) {
  return "\"" + record.profile.agent_id.substr(0, 8) + "-" +
         std::to_string(record.profile.version) + "\"";
}

// RFC 9110's IMF-fixdate.
std::string http_date(timestamp time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t size =
      std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), size};
}

response agent_response(unsigned status, const agent_record& record, std::string body) {
  return json_response(status, std::move(body)).with("ETag", etag_of(record));
}

// The agent's JSON, with its owner's token if there is one to tell.
std::string json_of(const registered& what) {
  std::string body = to_json(what.record);
  if (!what.owner_token.empty()) {
    body.pop_back();
    body += ",\"owner_token\":\"" + what.owner_token + "\"}";
  }
  return body;
}

// The version that If-Match names. Throws 412 if it names another one than the agent's.
std::int64_t matched_version(const request& r, const agent_record& record) {
  if (!has_etag(r.header_list("if-match"), etag_of(record), false)) {
    throw problem(412, "PRECONDITION_FAILED",
                  "the agent is at " + etag_of(record) + " by now; read it again")
        .with_header("ETag", etag_of(record));
  }
  return record.profile.version;
}

awaitable<response> get_agent(service& s, request& r) {
  require_known_parameters(r, {});
  require_accepts(r, "application/json");
  const agent_record record = co_await s.agents.find(r.parameters[0]);
  const std::string etag = etag_of(record);
  if (has_etag(r.header_list("if-none-match"), etag, true)) {
    response unchanged(304, "", "");
    unchanged.with("ETag", etag);
    co_return unchanged;
  }
  co_return agent_response(200, record, to_json(record))
      .with("Last-Modified", http_date(record.profile.last_updated_at))
      .with("Cache-Control", "no-cache");
}

// ----- registering

// An Idempotency-Key is a string of structured fields, "...", or, as many write it, the bare text.
std::string idempotency_key_of(const request& r) {
  std::string_view key = trimmed(r.header("idempotency-key"));
  if (key.size() >= 2 && key.front() == '"' && key.back() == '"') {
    key = key.substr(1, key.size() - 2);
  }
  const bool is_printable = std::all_of(
      key.begin(), key.end(), [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  if (key.empty() || key.size() > 255 || !is_printable) {
    throw problem::bad_request(
        "Idempotency-Key has to be 1 to 255 printable ASCII characters, without quotes in them");
  }
  return std::string(key);
}

response replayed(const stored_reply& reply) {
  response again(static_cast<unsigned>(reply.status), "application/json", reply.body);
  std::string_view lines = reply.headers;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    const std::size_t colon = line.find(": ");
    again.with(std::string(line.substr(0, colon)), std::string(line.substr(colon + 2)));
  }
  again.with("Idempotency-Replayed", "true");
  return again;
}

std::string header_lines(const response& from) {
  std::string lines;
  for (const auto& [name, value] : from.headers) {
    lines.append(name).append(": ").append(value).append("\n");
  }
  return lines;
}

response registered_response(const registered& what) {
  const unsigned status = what.owner_token.empty() ? 200 : 201;
  return agent_response(status, what.record, json_of(what)).with("Location", url_of(what.record));
}

awaitable<response> register_once(service& s, request& r, const caller& who) {
  registration wanted = parse_v1_registration(r.body);
  co_return registered_response(co_await s.agents.register_agent(std::move(wanted), who));
}

// The reply is stored in the transaction that stores the agent: after a crash there are both or
// none. The key is locked while its request is served; a second one meanwhile is told so.
awaitable<response> register_idempotently(service& s, request& r, const caller& who) {
  stored_reply reply;
  reply.key = idempotency_key_of(r);
  reply.scope = who.identity + " POST /v1/agents";
  reply.fingerprint = sha256_hex(r.body);
  const auto guard = s.in_flight.try_lock(reply.scope + "\n" + reply.key);
  if (!guard) {
    throw problem(409, "IN_FLIGHT", "a request with this Idempotency-Key is being served")
        .with_header("Retry-After", "1");
  }
  const timestamp now = s.agents.now();
  auto before = valued(co_await s.storage.find_reply(reply.scope, reply.key, now));
  if (before) {
    if (before->fingerprint != reply.fingerprint) {
      throw problem(422, "IDEMPOTENCY_KEY_REUSED",
                    "this Idempotency-Key came with another body before");
    }
    co_return replayed(*before);
  }
  reply.expires_at = now + reply_lifetime;
  std::optional<problem> refused;
  bool was_stored = false;
  response answer;
  try {
    registration wanted = parse_v1_registration(r.body);
    const auto with_agent = [&reply](const registered& what) {
      const response made = registered_response(what);
      stored_reply whole = reply;
      whole.status = static_cast<int>(made.status);
      whole.headers = header_lines(made);
      whole.body = made.body;
      return whole;
    };
    const registered done = co_await s.agents.register_agent(std::move(wanted), who, with_agent);
    was_stored = !done.owner_token.empty();  // with the agent: it is new
    answer = registered_response(done);
  } catch (const problem& what) {
    refused = what;
  }
  if (refused && (refused->status() >= 500 || refused->status() == 429)) {
    throw *std::move(refused);
  }
  if (refused) {
    answer = refused->to_response(r.path(), r.id);
  }
  if (refused || !was_stored) {
    reply.status = static_cast<int>(answer.status);
    reply.headers = header_lines(answer);
    reply.body = answer.body;
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    valued(co_await s.storage.store_reply(std::move(reply), now, replies_at_most));
  }
  co_return answer;
}

awaitable<response> post_agent(service& s, request& r) {
  require_known_parameters(r, {});
  const caller who = co_await s.guard.identify(r);
  s.guard.require_publisher(who);
  rate_ticket ticket = s.require_within(s.registering, who);
  require_json(r);
  require_accepts(r, "application/json");
  response answer;
  if (r.has_header("idempotency-key")) {
    answer = co_await register_idempotently(s, r, who);
  } else {
    answer = co_await register_once(s, r, who);
  }
  answer.headers.insert(answer.headers.end(), ticket.begin(), ticket.end());
  co_return answer;
}

// ----- changing

awaitable<response> put_agent(service& s, request& r) {
  require_known_parameters(r, {});
  const caller who = co_await s.guard.identify(r);
  const rate_ticket ticket = s.require_within(s.writing, who);
  require_json(r);
  const agent_record before = co_await s.agents.find(r.parameters[0]);
  access::require_owner(who, before);
  if (!r.has_header("if-match")) {
    throw problem(428, "PRECONDITION_REQUIRED",
                  "If-Match has to say which version you change: the ETag that GET returned");
  }
  const std::int64_t version = matched_version(r, before);
  registration wanted = parse_v1_registration(r.body);
  const agent_record after =
      co_await s.agents.update_agent(before.profile.agent_id, std::move(wanted), version, who);
  response answer = agent_response(200, after, to_json(after));
  answer.headers.insert(answer.headers.end(), ticket.begin(), ticket.end());
  co_return answer;
}

awaitable<response> delete_agent(service& s, request& r) {
  require_known_parameters(r, {});
  const caller who = co_await s.guard.identify(r);
  s.require_within(s.writing, who);
  const agent_record before = co_await s.agents.find(r.parameters[0]);
  access::require_owner(who, before);
  std::optional<std::int64_t> version;
  if (r.has_header("if-match")) {
    version = matched_version(r, before);
  }
  co_await s.agents.delete_agent(before.profile.agent_id, version, who);
  co_return response(204, "", "");
}

awaitable<response> post_heartbeat(service& s, request& r) {
  require_known_parameters(r, {});
  const caller who = co_await s.guard.identify(r);
  require_json(r);
  auto body = parse_json(r.body);
  if (!body) {
    throw problem::bad_request("the body " + body.error().message());
  }
  const json::object* object = body->if_object();
  const json::value* ttl = object != nullptr ? object->if_contains("ttl_s") : nullptr;
  if (ttl == nullptr || object->size() != 1 || !ttl->is_int64() || ttl->get_int64() < 30 ||
      ttl->get_int64() > 86'400) {
    throw problem::invalid({{"/ttl_s", ttl == nullptr ? "missing" : "range",
                             "the body has to be {\"ttl_s\": n}, a whole number of seconds from 30 "
                             "to 86400"}});
  }
  const agent_record after =
      co_await s.agents.heartbeat(r.parameters[0], std::chrono::seconds(ttl->get_int64()), who);
  co_return json_response(
      200,
      json::serialize(json::object({{"agent_id", after.profile.agent_id},
                                    {"health", to_string(after.health)},
                                    {"expires_at", to_text(*after.last_seen_at + *after.ttl)}})));
}

awaitable<response> post_refresh(service& s, request& r) {
  require_known_parameters(r, {});
  const caller who = co_await s.guard.identify(r);
  s.require_within(s.writing, who);
  const agent_record record = co_await s.agents.refresh_agent(r.parameters[0], who);
  co_return agent_response(200, record, to_json(record));
}

awaitable<response> post_rotate(service& s, request& r) {
  require_known_parameters(r, {});
  const caller who = co_await s.guard.identify(r);
  s.require_within(s.writing, who);
  const registered result = co_await s.agents.rotate_owner(r.parameters[0], who);
  co_return json_response(
      200, json::serialize(json::object({{"agent_id", result.record.profile.agent_id},
                                         {"owner_token", result.owner_token}})))
      .with("Cache-Control", "no-store");
}

// ----- reading more of one

awaitable<response> get_card(service& s, request& r) {
  require_known_parameters(r, {});
  const agent_record record = co_await s.agents.find(r.parameters[0]);
  if (record.card_text.empty()) {
    throw problem::not_found("agent " + record.profile.agent_id + " has no card");
  }
  const std::string etag = "\"" + sha256_hex(record.card_text).substr(0, 32) + "\"";
  if (has_etag(r.header_list("if-none-match"), etag, true)) {
    response unchanged(304, "", "");
    unchanged.with("ETag", etag);
    co_return unchanged;
  }
  co_return json_response(200, record.card_text)
      .with("ETag", etag)
      .with("Cache-Control", "max-age=60");
}

json::value parsed_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::parse(text);
}

awaitable<response> get_history(service& s, request& r) {
  require_known_parameters(r, {"limit"});
  const auto limit = static_cast<std::size_t>(number_parameter(r, "limit", 50, 1, 100));
  const caller who = co_await s.guard.identify(r);
  repository_result<agent_record> found = repository_error::not_found(r.parameters[0]);
  if (auto id = agent_id_key(r.parameters[0])) {
    found = co_await s.storage.find(*std::move(id));  // deleted ones have a history, too
  }
  const agent_record record = valued(std::move(found));
  access::require_owner(who, record);
  json::array entries;
  for (const audit_entry& each :
       valued(co_await s.storage.history(record.profile.agent_id, limit))) {
    entries.push_back(json::object({{"at", to_text(each.at)},
                                    {"actor", each.actor},
                                    {"action", each.action},
                                    {"request_id", each.request_id},
                                    {"before", parsed_or_null(each.before_json)},
                                    {"after", parsed_or_null(each.after_json)}}));
  }
  co_return json_response(200, json::serialize(json::object({{"entries", std::move(entries)}})))
      .with("Cache-Control", "no-store");
}

// -------------------------------------------------------------------------------------- lists

sort_order sort_of(std::string_view text, search_query& query) {
  query.ascending = !text.starts_with('-');
  if (!query.ascending) {
    text.remove_prefix(1);
  }
  if (text == "registered_at") {
    return sort_order::registered;
  }
  if (text == "last_updated_at") {
    return sort_order::updated;
  }
  if (text == "name") {
    return sort_order::name;
  }
  throw problem::bad_request(
      "sort has to be registered_at, last_updated_at or name, with a '-' in front for the other "
      "way");
}

bool flag_parameter(const request& r, std::string_view name) {
  const std::string text = parameter(r, name).value_or("false");
  if (text != "true" && text != "false") {
    throw problem::bad_request(std::string(name) + " has to be true or false");
  }
  return text == "true";
}

search_query query_of(const request& r) {
  require_known_parameters(
      r, {"q", "tag", "skill", "capability", "provider", "health", "status", "base_url",
          "updated_since", "sort", "limit", "cursor", "include_deleted", "total"});
  search_query query;
  query.text = trimmed(parameter(r, "q").value_or(""));
  for (const std::string& tag : parameters(r, "tag")) {
    query.tags.push_back(ascii_lower(trimmed(tag)));
  }
  query.skill = parameter(r, "skill").value_or("");
  query.capability = parameter(r, "capability").value_or("");
  query.provider = parameter(r, "provider").value_or("");
  if (const auto health = parameter(r, "health")) {
    query.health = agent_health_of(*health);
    if (!query.health) {
      throw problem::bad_request("health has to be unknown, healthy, stale or unreachable");
    }
  }
  if (const auto status = parameter(r, "status")) {
    query.status = agent_status_of(*status);
    if (!query.status) {
      throw problem::bad_request("status has to be active or deprecated");
    }
  }
  if (const auto url = parameter(r, "base_url")) {
    auto key = base_url_key(*url);
    if (!key) {
      throw problem::bad_request("base_url " + key.error().message());
    }
    query.base_url_key = *std::move(key);
  }
  if (const auto since = parameter(r, "updated_since")) {
    query.updated_since = timestamp_of(*since);
    if (!query.updated_since) {
      throw problem::bad_request(
          "updated_since has to be a time of RFC 3339, such as 2026-01-31T12:00:00Z");
    }
  }
  query.include_deleted = flag_parameter(r, "include_deleted");
  query.sort = sort_of(parameter(r, "sort").value_or("-registered_at"), query);
  query.limit = static_cast<std::size_t>(number_parameter(r, "limit", 50, 1, 100));
  return query;
}

// What a cursor belongs to: all of the query but its page.
std::string list_name(const request& r) {
  http::name_values sorted = r.query;
  std::erase_if(sorted, [](const auto& each) {
    return each.first == "cursor" || each.first == "limit" || each.first == "total";
  });
  std::sort(sorted.begin(), sorted.end());
  std::string name;
  for (const auto& [key, value] : sorted) {
    name += http::percent_encoded(key) + "=" + http::percent_encoded(value) + "&";
  }
  return name;
}

std::string next_link(const request& r, const std::string& cursor) {
  std::string link(r.path());
  char separator = '?';
  for (const auto& [key, value] : r.query) {
    if (key != "cursor") {
      link += separator + http::percent_encoded(key) + "=" + http::percent_encoded(value);
      separator = '&';
    }
  }
  return "<" + link + separator + "cursor=" + cursor + ">; rel=\"next\"";
}

awaitable<response> get_agents(service& s, request& r) {
  search_query query = query_of(r);
  require_accepts(r, "application/json");
  const bool wants_total = flag_parameter(r, "total");
  const std::string list = list_name(r);
  if (const auto cursor = parameter(r, "cursor")) {
    query.after = s.position_of(*cursor, list);
  }
  rate_ticket ticket;
  if (!query.text.empty()) {
    ticket = s.require_within(s.searching, co_await s.guard.identify(r));
  }
  std::int64_t total = 0;
  if (wants_total) {
    total = valued(co_await s.storage.count(query));
  }
  const search_page page = valued(co_await s.storage.search(std::move(query)));
  std::string body = "{\"agents\":[";
  for (const listed_agent& each : page.agents) {
    body += each.json;
    body += ',';
  }
  if (!page.agents.empty()) {
    body.pop_back();
  }
  body += "],\"next_cursor\":";
  response answer(200, "application/json", "");
  if (page.has_more) {
    const std::string cursor = s.cursor_of(page.agents.back().position, list);
    body += "\"" + cursor + "\"";
    answer.with("Link", next_link(r, cursor));
  } else {
    body += "null";
  }
  if (wants_total) {
    body += ",\"total\":" + std::to_string(total);
  }
  answer.body = std::move(body) + "}";
  answer.headers.insert(answer.headers.end(), ticket.begin(), ticket.end());
  co_return answer;
}

awaitable<response> get_tags(service& s, request& r) {
  require_known_parameters(r, {"limit"});
  const auto limit = static_cast<std::size_t>(number_parameter(r, "limit", 50, 1, 500));
  json::array tags;
  for (const tag_count& each : valued(co_await s.storage.tags(limit))) {
    tags.push_back(json::object({{"tag", each.tag}, {"agents", each.agents}}));
  }
  co_return json_response(200, json::serialize(json::object({{"tags", std::move(tags)}})));
}

std::string_view to_string(change_kind kind) {
  switch (kind) {
    case change_kind::registered: return "registered";
    case change_kind::updated: return "updated";
    case change_kind::deleted: return "deleted";
    case change_kind::health: return "health";
  }
  return "";
}

// Answers when there is something after `since`, or when `wait` seconds have passed.
awaitable<response> get_changes(service& s, request& r) {
  require_known_parameters(r, {"since", "wait", "limit"});
  const std::int64_t since = number_parameter(r, "since", 0, 0, std::int64_t{1} << 53);
  const auto limit = static_cast<std::size_t>(number_parameter(r, "limit", 100, 1, 1000));
  const auto deadline = std::chrono::steady_clock::now() +
                        std::chrono::seconds(number_parameter(r, "wait", 0, 0, 60));
  std::vector<agent_change> changes;
  for (;;) {
    const std::uint64_t seen = s.changes.seen();  // before looking
    changes = valued(co_await s.storage.changes(since, limit));
    const auto left = deadline - std::chrono::steady_clock::now();
    if (!changes.empty() || left.count() <= 0 || s.is_stopping) {
      break;
    }
    co_await s.changes.async_wait_for(seen, left);
  }
  json::array list;
  list.reserve(changes.size());
  for (const agent_change& each : changes) {
    list.push_back(json::object({{"seq", each.sequence},
                                 {"agent_id", each.agent_id},
                                 {"kind", to_string(each.kind)},
                                 {"version", each.version},
                                 {"at", to_text(each.at)}}));
  }
  const std::int64_t last =
      changes.empty() ? valued(co_await s.storage.last_change()) : changes.back().sequence;
  co_return json_response(
      200, json::serialize(json::object({{"changes", std::move(list)}, {"last", last}})))
      .with("Cache-Control", "no-store");
}

// --------------------------------------------------------------------------------------- cards

awaitable<response> post_preview(service& s, request& r) {
  require_known_parameters(r, {});
  const caller who = co_await s.guard.identify(r);
  s.require_within(s.previewing, who);
  require_json(r);
  const registration wanted = parse_card_request(r.body);
  const fetched_card card = co_await s.agents.preview(wanted);
  json::array violations(card.card.violations.begin(), card.card.violations.end());
  json::array tags;
  for (const std::string& tag : suggested_tags(card.card)) {
    tags.emplace_back(tag);
  }
  json::object result(
      {{"card", json::parse(card.text)},
       {"shape", to_string(card.card.shape)},
       {"violations", std::move(violations)},
       {"card_url", card.url},
       {"agent_name", card.card.name},
       {"description", card.card.description},
       {"tags", std::move(tags)},
       {"base_url",
        card.card.interfaces.empty() ? std::string() : card.card.interfaces.front().url}});
  co_return json_response(200, json::serialize(result)).with("Cache-Control", "no-store");
}

// ---------------------------------------------------------------------------------------- keys

json::object json_of(const api_key& key) {
  return {{"id", key.id},
          {"role", key.role},
          {"label", key.label},
          {"created_at", to_text(key.created_at)},
          {"revoked_at",
           key.revoked_at ? json::value(to_text(*key.revoked_at)) : json::value(nullptr)}};
}

awaitable<response> post_key(service& s, request& r) {
  require_known_parameters(r, {});
  access::require_admin(co_await s.guard.identify(r));
  require_json(r);
  auto body = parse_json(r.body);
  if (!body || !body->is_object()) {
    throw problem::bad_request("the body has to be a JSON object: {\"role\": ..., \"label\": ...}");
  }
  api_key key;
  std::vector<http::field_error> errors;
  for (const auto& member : body->get_object()) {
    const std::string name(member.key());
    const bool is_known = name == "role" || name == "label";
    if (!is_known || !member.value().is_string()) {
      errors.push_back(
          {"/" + name, is_known ? "type" : "unknown",
           name + (is_known ? " must be a string" : " is not a member that is known here")});
    } else {
      (name == "role" ? key.role : key.label) = member.value().get_string();
    }
  }
  if (errors.empty() && key.role != "admin" && key.role != "publisher" && key.role != "reader") {
    errors.push_back({"/role", "format", "role must be \"admin\", \"publisher\" or \"reader\""});
  }
  if (key.label.size() > 100 || has_control_character(key.label)) {
    errors.push_back({"/label", "length", "label has at most 100 bytes and no control characters"});
  }
  if (!errors.empty()) {
    throw problem::invalid(std::move(errors));
  }
  const std::string secret = new_token("mk_");
  key.created_at = s.agents.now();
  key.id = new_agent_id(key.created_at);
  key.sha256 = sha256_hex(secret);
  json::object answer = json_of(key);
  answer["key"] = secret;
  valued(co_await s.storage.create_key(std::move(key)));
  co_return json_response(201, json::serialize(answer)).with("Cache-Control", "no-store");
}

awaitable<response> get_keys(service& s, request& r) {
  require_known_parameters(r, {});
  access::require_admin(co_await s.guard.identify(r));
  json::array keys;
  for (const api_key& key : valued(co_await s.storage.keys())) {
    keys.push_back(json_of(key));
  }
  co_return json_response(200, json::serialize(json::object({{"keys", std::move(keys)}})))
      .with("Cache-Control", "no-store");
}

awaitable<response> delete_key(service& s, request& r) {
  require_known_parameters(r, {});
  access::require_admin(co_await s.guard.identify(r));
  const bool was_there = valued(co_await s.storage.revoke_key(r.parameters[0], s.agents.now()));
  if (!was_there) {
    throw problem::not_found("there is no key with this id");
  }
  co_return response(204, "", "");
}

}  // namespace

void add_v1_routes(http::router& to, service& s) {
  using serve = awaitable<response> (*)(service&, request&);
  const auto add = [&](std::string method, std::string pattern, serve function,
                       bool may_wait = false) {
    to.add({std::move(method), std::move(pattern),
            [&s, function](request& r) { return function(s, r); }, nullptr, may_wait});
  };
  add("POST", "/v1/agents", post_agent, true);
  add("GET", "/v1/agents", get_agents);
  add("GET", "/v1/agents/{id}", get_agent);
  add("PUT", "/v1/agents/{id}", put_agent, true);
  add("DELETE", "/v1/agents/{id}", delete_agent, true);
  add("POST", "/v1/agents/{id}/heartbeat", post_heartbeat);
  add("POST", "/v1/agents/{id}/refresh", post_refresh, true);
  add("POST", "/v1/agents/{id}/rotate", post_rotate, true);
  add("GET", "/v1/agents/{id}/card", get_card);
  add("GET", "/v1/agents/{id}/history", get_history);
  add("GET", "/v1/changes", get_changes, true);
  add("GET", "/v1/tags", get_tags);
  add("POST", "/v1/cards/preview", post_preview, true);
  add("POST", "/v1/keys", post_key);
  add("GET", "/v1/keys", get_keys);
  add("DELETE", "/v1/keys/{id}", delete_key);
}

}  // namespace marketplace
