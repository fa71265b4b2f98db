// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/base_url.hpp>
#include <marketplace/registration.hpp>
#include <marketplace/strict_json.hpp>
#include <marketplace/text.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <utility>

namespace marketplace {
namespace {

namespace json = boost::json;
using http::field_error;
using http::problem;

constexpr std::size_t max_name = 100;
constexpr std::size_t max_description = 4096;
constexpr std::size_t max_tags = 32;
constexpr std::size_t max_tag = 64;

enum class spelling { nfc, nfc_lower };

// Precondition: UTF-8.
std::string normalized(std::string_view text, spelling how) {
  if (is_ascii(text)) {  // it has one spelling
    return how == spelling::nfc_lower ? ascii_lower(text) : std::string(text);
  }
  utf8proc_uint8_t* out = nullptr;
  const auto size = utf8proc_map_custom(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &out,
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE),
      how == spelling::nfc_lower ? +[](utf8proc_int32_t c, void*) { return utf8proc_tolower(c); }
                                 : +[](utf8proc_int32_t c, void*) { return c; },
      nullptr);
  const std::unique_ptr<utf8proc_uint8_t, void (*)(void*)> owner(out, &std::free);
  if (size < 0) {
    return std::string(text);
  }
  return {reinterpret_cast<const char*>(out), static_cast<std::size_t>(size)};
}

bool is_letter_or_digit(utf8proc_int32_t c) {
  const auto category = utf8proc_category(c);
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
         category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
         category == UTF8PROC_CATEGORY_ND;
}

// What is wrong with a tag that is in lower case, or null.
const char* wrong_with_tag(std::string_view tag) {
  if (tag.empty()) {
    return "is empty";
  }
  if (characters_in(tag) > max_tag) {
    return "is longer than 64 characters";
  }
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(tag.data());
  auto left = static_cast<utf8proc_ssize_t>(tag.size());
  for (bool is_first = true; left > 0; is_first = false) {
    utf8proc_int32_t c = 0;
    const auto used = utf8proc_iterate(at, left, &c);
    if (used <= 0) {
      return "is not UTF-8";
    }
    const bool is_sign =
        c < 0x80 && c > 0 &&
        std::string_view("._+/-").find(static_cast<char>(c)) != std::string_view::npos;
    if (!is_letter_or_digit(c) && (is_first || !is_sign)) {
      return "has to be letters, digits and ._+/- and begin with a letter or a digit";
    }
    at += used;
    left -= used;
  }
  return nullptr;
}

const char* type_of(const json::value& v) {
  switch (v.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "true or false";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_: return "a number";
    case json::kind::string: return "a string";
    case json::kind::array: return "an array";
    case json::kind::object: return "an object";
  }
  return "";
}

std::string pointer_of(std::string_view name) {
  std::string result = "/";
  for (const char c : name) {
    if (c == '~') {
      result += "~0";
    } else if (c == '/') {
      result += "~1";
    } else {
      result += c;
    }
  }
  return result;
}

// Reads the members of an object, and remembers what is wrong with them.
class reader {
 public:
  reader(const json::object& object, std::initializer_list<std::string_view> known)
      : object_(object) {
    for (const auto& member : object) {
      if (std::find(known.begin(), known.end(), std::string_view(member.key())) == known.end()) {
        add(member.key(), "unknown", "is not a member that is known here");
      }
    }
  }

  void add(std::string_view name, std::string code, const std::string& what) {
    errors.push_back({pointer_of(name), std::move(code), std::string(name) + " " + what});
  }

  std::optional<std::string> text(std::string_view name) {
    const json::value* v = object_.if_contains(name);
    if (v == nullptr) {
      return std::nullopt;
    }
    if (!v->is_string()) {
      add(name, "type", std::string("must be a string, not ") + type_of(*v));
      return std::nullopt;
    }
    return std::string(v->get_string());
  }
  bool flag(std::string_view name) {
    const json::value* v = object_.if_contains(name);
    if (v == nullptr) {
      return false;
    }
    if (!v->is_bool()) {
      add(name, "type", std::string("must be true or false, not ") + type_of(*v));
      return false;
    }
    return v->get_bool();
  }
  std::optional<std::vector<std::string>> texts(std::string_view name) {
    const json::value* v = object_.if_contains(name);
    if (v == nullptr) {
      return std::nullopt;
    }
    if (!v->is_array()) {
      add(name, "type", std::string("must be an array of strings, not ") + type_of(*v));
      return std::nullopt;
    }
    std::vector<std::string> result;
    result.reserve(v->get_array().size());
    for (const json::value& each : v->get_array()) {
      if (!each.is_string()) {
        std::string message(name);
        message.append(" must be strings, and one is ").append(type_of(each));
        errors.push_back(
            {pointer_of(name) + "/" + std::to_string(result.size()), "type", std::move(message)});
        return std::nullopt;
      }
      result.emplace_back(each.get_string());
    }
    return result;
  }
  [[nodiscard]] bool has(std::string_view name) const { return object_.contains(name); }

  std::vector<field_error> errors;

 private:
  const json::object& object_;
};

json::value parse_body(std::string_view body) {
  if (trimmed(body).empty()) {
    throw problem::bad_request("the request has no body; it has to be a JSON object");
  }
  auto parsed = parse_json(body, max_card_depth + 1);
  if (!parsed) {
    throw problem::bad_request("the body " + parsed.error().message());
  }
  if (!parsed->is_object()) {
    throw problem::invalid(
        {{"", "type", std::string("the body must be a JSON object, not ") + type_of(*parsed)}});
  }
  return *std::move(parsed);
}

void read_base_url(reader& in, registration& result) {
  result.base_url = in.text("base_url");
  if (result.base_url) {
    auto key = base_url_key(*result.base_url);
    if (key) {
      result.base_url_key = *std::move(key);
    } else {
      in.add("base_url", "format", key.error().message());
    }
  }
}

// An URL of a document: with a query, if need be.
void check_card_url(const std::optional<std::string>& url, reader& in) {
  if (!url) {
    return;
  }
  if (url->find('#') != std::string::npos) {
    in.add("card_url", "format", "must not contain a fragment (#...)");
    return;
  }
  const std::string without_query = url->substr(0, url->find('?'));
  if (url->size() > 2048) {
    in.add("card_url", "length", "is longer than 2048 characters");
  } else if (const auto key = base_url_key(without_query); !key) {
    in.add("card_url", "format", key.error().message());
  }
}

// Kept as it was sent: signatures of a card are over its bytes.
void read_card(const json::object& object, std::string_view body, reader& in,
               registration& result) {
  const json::value* card = object.if_contains("card");
  if (card == nullptr) {
    return;
  }
  if (!card->is_object()) {
    in.add("card", "type", std::string("must be an object, not ") + type_of(*card));
    return;
  }
  result.card_text = text_of_member(body, "card");
  if (result.card_text->size() > max_card_bytes) {
    in.add("card", "length", "is longer than 256 KiB");
  }
}

void check_sources(const registration& r, reader& in) {
  const int sources = (r.card_text ? 1 : 0) + (r.card_url ? 1 : 0) + (r.fetch_card ? 1 : 0);
  if (sources > 1) {
    in.add("card", "format", "comes from one place: card, card_url or fetch_card");
  }
}

}  // namespace

std::string checked_name(std::string_view text, std::vector<field_error>& errors,
                         std::string_view pointer) {
  std::string name(trimmed(normalized(text, spelling::nfc)));
  if (has_control_character(name)) {
    errors.push_back({std::string(pointer), "format", "agent_name contains a control character"});
  }
  if (characters_in(name) > max_name) {
    errors.push_back({std::string(pointer), "length", "agent_name is longer than 100 characters"});
  }
  return name;
}

std::string checked_description(std::string_view text, std::vector<field_error>& errors,
                                std::string_view pointer) {
  std::string result = normalized(text, spelling::nfc);
  if (trimmed(result).empty()) {
    errors.push_back({std::string(pointer), "length", "description is empty"});
  }
  if (characters_in(result) > max_description) {
    errors.push_back(
        {std::string(pointer), "length", "description is longer than 4096 characters"});
  }
  if (result.find('\0') != std::string::npos) {
    errors.push_back({std::string(pointer), "format", "description contains a NUL character"});
  }
  return result;
}

std::vector<std::string> checked_tags(const std::vector<std::string>& tags,
                                      std::vector<field_error>& errors, std::string_view pointer) {
  std::vector<std::string> result;
  if (tags.size() > max_tags) {
    errors.push_back({std::string(pointer), "length", "tags are more than 32"});
    return result;
  }
  for (std::size_t i = 0; i < tags.size(); ++i) {
    std::string tag(trimmed(normalized(tags[i], spelling::nfc_lower)));
    if (const char* wrong = wrong_with_tag(tag)) {
      errors.push_back({std::string(pointer) + "/" + std::to_string(i), "format",
                        "tags contain one that " + std::string(wrong)});
    } else if (std::find(result.begin(), result.end(), tag) == result.end()) {
      result.push_back(std::move(tag));
    }
  }
  return result;
}

std::vector<std::string> suggested_tags(const agent_card& card) {
  std::vector<std::string> result;
  for (const agent_skill& skill : card.skills) {
    for (const std::string& each : skill.tags) {
      std::string tag(trimmed(normalized(each, spelling::nfc_lower)));
      if (result.size() < max_tags && wrong_with_tag(tag) == nullptr &&
          std::find(result.begin(), result.end(), tag) == result.end()) {
        result.push_back(std::move(tag));
      }
    }
  }
  return result;
}

registration parse_v1_registration(std::string_view body) {
  const json::value parsed = parse_body(body);
  const json::object& object = parsed.get_object();
  reader in(object, {"agent_id", "agent_name", "base_url", "description", "tags", "status", "card",
                     "card_url", "fetch_card"});
  registration result;
  if (auto id = in.text("agent_id")) {
    result.agent_id = agent_id_key(*id);
    if (!result.agent_id) {
      in.add("agent_id", "format", "is not a UUID, such as 123e4567-e89b-42d3-a456-426614174000");
    }
  }
  if (auto name = in.text("agent_name")) {
    result.agent_name = checked_name(*name, in.errors);
  }
  if (auto description = in.text("description")) {
    result.description = checked_description(*description, in.errors);
  }
  if (auto tags = in.texts("tags")) {
    result.tags = checked_tags(*tags, in.errors);
  }
  if (auto status = in.text("status")) {
    result.status = agent_status_of(*status);
    if (!result.status) {
      in.add("status", "format", "must be \"active\" or \"deprecated\"");
    }
  }
  read_base_url(in, result);
  result.card_url = in.text("card_url");
  check_card_url(result.card_url, in);
  result.fetch_card = in.flag("fetch_card");
  read_card(object, body, in, result);
  check_sources(result, in);
  if (!result.card_text && !result.card_url) {
    for (const char* name : {"agent_name", "base_url", "description"}) {
      const bool may_lack = result.fetch_card && std::string_view(name) != "base_url";
      if (!may_lack && !in.has(name)) {
        in.add(name, "missing", "is missing");
      }
    }
  }
  if (!in.errors.empty()) {
    throw problem::invalid(std::move(in.errors));
  }
  return result;
}

registration parse_card_request(std::string_view body) {
  const json::value parsed = parse_body(body);
  const json::object& object = parsed.get_object();
  reader in(object, {"base_url", "card", "card_url"});
  registration result;
  read_base_url(in, result);
  result.card_url = in.text("card_url");
  check_card_url(result.card_url, in);
  read_card(object, body, in, result);
  result.fetch_card = result.base_url && !result.card_text && !result.card_url;
  if (object.empty()) {
    in.add("card", "missing", "is missing; or give card_url or base_url");
  }
  if (!in.errors.empty()) {
    throw problem::invalid(std::move(in.errors));
  }
  return result;
}

}  // namespace marketplace
