// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The routes of the marketplace's predecessor, a Python service: their bodies and their errors,
// which are FastAPI's, are as its clients know them.

#include <marketplace/base_url.hpp>
#include <marketplace/service.hpp>
#include <marketplace/storage_problem.hpp>
#include <marketplace/strict_json.hpp>
#include <marketplace/text.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace marketplace {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;
using http::field_error;
using http::json_response;
using http::problem;
using http::request;
using http::response;

// ------------------------------------------------------------------------------------- errors

// "/tags/3" -> ["body", "tags", 3], "?limit" -> ["query", "limit"]
json::array loc_of(std::string_view pointer) {
  if (pointer.starts_with('?')) {
    return {"query", pointer.substr(1)};
  }
  json::array loc{"body"};
  while (pointer.starts_with('/')) {
    pointer.remove_prefix(1);
    const std::string_view part = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(part.size());
    int index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    if (error == std::errc() && end == part.data() + part.size()) {
      loc.emplace_back(index);
    } else {
      loc.emplace_back(part);
    }
  }
  return loc;
}

// Pydantic's name of what is wrong. Those that this file finds have it as their code; the rest are
// rules of the marketplace.
std::pair<std::string, std::string> type_and_message_of(const field_error& error) {
  if (error.code == "length" || error.code == "format") {
    return {"value_error", "Value error, " + error.message};
  }
  return {error.code, error.message};
}

std::string code_of(const problem& what) {
  switch (what.status()) {
    case 400: return "INVALID_REQUEST";
    case 404: return "AGENT_NOT_FOUND";
    case 409: return "AGENT_ALREADY_REGISTERED";
    case 500: return "INTERNAL_ERROR";
    default: return what.code();
  }
}

std::string message_of(const problem& what) {
  if (what.holder() && what.holder()->field == "agent_name") {
    return "this agent_name is already taken: " + what.detail();
  }
  return what.detail();
}

response write_problem(const problem& what, const request&) {
  json::object body;
  if (what.status() == 422 && !what.errors().empty()) {
    json::array detail;
    detail.reserve(what.errors().size());
    for (const field_error& each : what.errors()) {
      const auto [type, message] = type_and_message_of(each);
      detail.push_back(
          json::object({{"loc", loc_of(each.pointer)}, {"msg", message}, {"type", type}}));
    }
    body["detail"] = std::move(detail);
  } else if (what.status() == 429) {
    body = {{"error_code", "RATE_LIMIT_EXCEEDED"}, {"message", what.detail()}};
  } else {
    body["detail"] = json::object({{"error_code", code_of(what)}, {"message", message_of(what)}});
  }
  response answer = json_response(what.status(), json::serialize(body));
  answer.headers = what.headers();
  return answer;
}

// -------------------------------------------------------------------------------- registering

// The body's members, those that are missing or of another type reported as Pydantic does.
class body_reader {
 public:
  explicit body_reader(const json::object& object) : object_(object) {}

  std::optional<std::string> text(std::string_view name) {
    const json::value* v = object_.if_contains(name);
    if (v == nullptr) {
      add(name, "missing", "Field required");
      return std::nullopt;
    }
    return text_of(*v, "/" + std::string(name));
  }
  // null is like absent.
  std::optional<std::string> optional_text(std::string_view name) {
    const json::value* v = object_.if_contains(name);
    return v == nullptr || v->is_null() ? std::nullopt : text_of(*v, "/" + std::string(name));
  }
  std::vector<std::string> optional_texts(std::string_view name) {
    std::vector<std::string> texts;
    const json::value* v = object_.if_contains(name);
    if (v == nullptr || v->is_null()) {
      return texts;
    }
    if (!v->is_array()) {
      add(name, "list_type", "Input should be a valid list");
      return texts;
    }
    texts.reserve(v->get_array().size());
    for (const json::value& each : v->get_array()) {
      const std::string pointer = "/" + std::string(name) + "/" + std::to_string(texts.size());
      texts.push_back(text_of(each, pointer).value_or("x"));
    }
    return texts;
  }
  void add(std::string_view name, std::string type, std::string message) {
    errors.push_back({"/" + std::string(name), std::move(type), std::move(message)});
  }

  std::vector<field_error> errors;

 private:
  std::optional<std::string> text_of(const json::value& v, std::string pointer) {
    if (!v.is_string()) {
      errors.push_back({std::move(pointer), "string_type", "Input should be a valid string"});
      return std::nullopt;
    }
    return std::string(v.get_string());
  }

  const json::object& object_;
};

// A tag may be any text here. What a tag of the marketplace cannot have becomes a '-'.
std::string as_tag(std::string_view text) {
  std::string tag;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
    const bool is_sign = !tag.empty() && std::string_view("._+/").find(c) != std::string_view::npos;
    if (is_plain || is_sign) {
      tag += c;
    } else if (!tag.empty() && tag.back() != '-') {
      tag += '-';
    }
  }
  while (tag.ends_with('-')) {
    tag.pop_back();
  }
  return tag;
}

json::value parse_body(const request& r) {
  const std::string type = ascii_lower(r.header("content-type"));
  if (!type.empty() && type.find("json") == std::string::npos) {
    throw problem::invalid(
        {{"", "model_attributes_type",
          "Input should be a valid dictionary: Content-Type has to be application/json"}});
  }
  auto parsed = parse_json(r.body);
  if (!parsed) {
    throw problem::invalid(
        {{"", "json_invalid", "JSON decode error: the body " + parsed.error().message()}});
  }
  if (!parsed->is_object()) {
    throw problem::invalid(
        {{"", "model_attributes_type", "Input should be a valid dictionary or object"}});
  }
  return *std::move(parsed);
}

registration parse_python_registration(const request& r) {
  const json::value body = parse_body(r);
  body_reader in(body.get_object());
  registration wanted;
  if (const auto name = in.text("agent_name")) {
    wanted.agent_name = checked_name(*name, in.errors);
  }
  wanted.base_url = in.text("base_url");
  if (wanted.base_url) {
    auto key = base_url_key(*wanted.base_url);
    if (key) {
      wanted.base_url_key = *std::move(key);
    } else {
      in.add("base_url", "format", "base_url " + key.error().message());
    }
  }
  if (const auto description = in.text("description")) {
    wanted.description = checked_description(*description, in.errors);
  }
  if (const auto id = in.optional_text("agent_id")) {
    wanted.agent_id = agent_id_key(*id);
    if (!wanted.agent_id) {
      in.add("agent_id", "string_pattern_mismatch", "agent_id should be a UUID");
    }
  }
  std::vector<std::string> tags = in.optional_texts("tags");
  std::transform(tags.begin(), tags.end(), tags.begin(), as_tag);
  wanted.tags = checked_tags(tags, in.errors);
  if (!in.errors.empty()) {
    throw problem::invalid(std::move(in.errors));
  }
  return wanted;
}

awaitable<response> post_register(service& s, request& r) {
  const caller who = co_await s.guard.identify(r);
  s.guard.require_publisher(who);
  const rate_ticket ticket = s.require_within(s.registering, who);
  registration wanted = parse_python_registration(r);
  const registered done = co_await s.agents.register_agent(std::move(wanted), who);
  const agent_profile& profile = done.record.profile;
  if (done.owner_token.empty()) {  // its owner's identical repeat, which is a conflict here
    throw problem(409, "AGENT_ALREADY_REGISTERED",
                  "agent " + profile.agent_id + " is registered already");
  }
  response answer = json_response(
      200,
      json::serialize(json::object(
          {{"status", "success"}, {"agent_id", profile.agent_id}, {"version", profile.version}})));
  answer.with("X-Owner-Token", done.owner_token).with("Cache-Control", "no-store");
  answer.headers.insert(answer.headers.end(), ticket.begin(), ticket.end());
  co_return answer;
}

// ----------------------------------------------------------------------------------- the list

std::size_t count_parameter(const request& r, std::string_view name, std::size_t standard,
                            std::size_t most, std::vector<field_error>& errors) {
  std::optional<std::string> text;
  for (const auto& [each, value] : r.query) {
    if (each == name) {
      text = value;  // the last one counts
    }
  }
  if (!text) {
    return standard;
  }
  const std::string where = "?" + std::string(name);
  const char* const end = text->data() + text->size();
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(text->data(), end, number);
  if (stop != end || error == std::errc::invalid_argument) {
    errors.push_back({where, "int_parsing",
                      "Input should be a valid integer, unable to parse string as an integer"});
  } else if (text->starts_with('-')) {
    errors.push_back({where, "greater_than_equal", "Input should be greater than or equal to 0"});
  } else if (error == std::errc::result_out_of_range || number > static_cast<std::int64_t>(most)) {
    errors.push_back({where, "less_than_equal",
                      "Input should be less than or equal to " + std::to_string(most)});
  } else {
    return static_cast<std::size_t>(number);
  }
  return standard;
}

// The members that the Python service's AgentProfile has, of an agent's JSON, as they stand there.
void append_profile(std::string& out, std::string_view agent) {
  constexpr std::array<std::string_view, 8> members{
      R"("agent_id")", R"("agent_name")", R"("base_url")",      R"("description")",
      R"("tags")",     R"("version")",    R"("registered_at")", R"("last_updated_at")"};
  std::size_t found = 0;
  for_each_member(agent, [&](std::string_view name, std::string_view value) {
    if (std::find(members.begin(), members.end(), name) != members.end()) {
      out.append(found == 0 ? "{" : ",").append(name).append(":").append(value);
      ++found;
    }
    return found != members.size();
  });
  out += '}';
}

awaitable<response> get_new_entries(service& s, request& r) {
  std::vector<field_error> errors;
  search_query query;
  query.limit = count_parameter(r, "limit", 100, 1000, errors);
  query.offset = count_parameter(r, "offset", 0, 1'000'000, errors);
  if (!errors.empty()) {
    throw problem::invalid(std::move(errors));
  }
  std::string profiles = "[";
  if (query.limit > 0) {
    const search_page page = valued(co_await s.storage.search(std::move(query)));
    for (const listed_agent& each : page.agents) {
      profiles += profiles.size() > 1 ? "," : "";
      append_profile(profiles, each.json);
    }
  }
  profiles += ']';
  co_return json_response(200, std::move(profiles));
}

}  // namespace

void add_python_routes(http::router& to, service& s) {
  to.add(
      {"POST", "/register", [&s](request& r) { return post_register(s, r); }, write_problem, true});
  to.add({"GET", "/register/new_entries", [&s](request& r) { return get_new_entries(s, r); },
          write_problem, false});
}

}  // namespace marketplace
