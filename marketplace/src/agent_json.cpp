// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/agent_json.hpp>
#include <marketplace/base_url.hpp>
#include <marketplace/text.hpp>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <boost/json/parse_options.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace marketplace {
namespace {

namespace json = boost::json;
using boost::system::result;

enum class json_type { null, boolean, number, text, array, object };

const char* name_of(json_type type) {
  switch (type) {
    case json_type::null: return "null";
    case json_type::boolean: return "true or false";
    case json_type::number: return "a number";
    case json_type::text: return "a string";
    case json_type::array: return "an array";
    case json_type::object: return "an object";
  }
  return "";
}

// Takes the members of the outermost object as the parser comes by them. Boost's own json::value
// would keep the last of two members with one name and say nothing.
class registration_handler {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  // What the events are about, or the first thing that is wrong.
  agent_profile profile;
  std::optional<std::string> wrong;

  [[nodiscard]] bool has(std::string_view member) const {
    return names_.contains(std::string(member));
  }

  using error_code = boost::system::error_code;
  using string_view = json::string_view;

  static bool on_document_begin(error_code&) { return true; }
  static bool on_document_end(error_code&) { return true; }
  static bool on_comment_part(string_view, error_code&) { return true; }
  static bool on_comment(string_view, error_code&) { return true; }
  static bool on_number_part(string_view, error_code&) { return true; }

  bool on_object_begin(error_code& error) {
    return (depth_ == 0 || value(json_type::object, error)) && deeper();
  }
  bool on_object_end(std::size_t, error_code&) { return shallower(); }
  bool on_array_begin(error_code& error) {
    if (!value(json_type::array, error)) {
      return false;
    }
    in_tags_ = depth_ == 1 && member_ == "tags";
    return deeper();
  }
  bool on_array_end(std::size_t, error_code&) {
    in_tags_ = in_tags_ && depth_ != 2;
    return shallower();
  }

  bool on_key_part(string_view part, std::size_t, error_code&) {
    text_ += part;
    return true;
  }
  bool on_key(string_view part, std::size_t, error_code& error) {
    text_ += part;
    std::string name = std::exchange(text_, {});
    if (depth_ != 1) {
      return true;
    }
    member_ = name;
    if (!names_.insert(std::move(name)).second) {
      return stop(is_known() ? member_ + " is given twice" : "a member is given twice", error);
    }
    return true;
  }
  bool on_string_part(string_view part, std::size_t, error_code&) {
    text_ += part;
    return true;
  }
  bool on_string(string_view part, std::size_t, error_code& error) {
    text_ += part;
    return value(json_type::text, error);
  }
  bool on_int64(std::int64_t, string_view, error_code& e) { return value(json_type::number, e); }
  bool on_uint64(std::uint64_t, string_view, error_code& e) { return value(json_type::number, e); }
  bool on_double(double, string_view, error_code& e) { return value(json_type::number, e); }
  bool on_bool(bool, error_code& e) { return value(json_type::boolean, e); }
  bool on_null(error_code& e) { return value(json_type::null, e); }

 private:
  bool deeper() {
    ++depth_;
    return true;
  }
  bool shallower() {
    --depth_;
    return true;
  }
  bool stop(std::string what, error_code& error) {
    wrong = std::move(what);
    error = json::error::syntax;
    return false;
  }

  [[nodiscard]] bool is_known() const { return member_ == "tags" || text_member() != nullptr; }
  [[nodiscard]] std::string agent_profile::* text_member() const {
    if (member_ == "agent_id") {
      return &agent_profile::agent_id;
    }
    if (member_ == "agent_name") {
      return &agent_profile::agent_name;
    }
    if (member_ == "base_url") {
      return &agent_profile::base_url;
    }
    if (member_ == "description") {
      return &agent_profile::description;
    }
    return nullptr;
  }

  bool value(json_type type, error_code& error) {
    std::string text = std::exchange(text_, {});
    if (depth_ == 0) {
      return stop(std::string("must be a JSON object, {...}, not ") + name_of(type), error);
    }
    if (in_tags_) {
      if (type != json_type::text) {
        return stop(std::string("tags must be strings, and one is ") + name_of(type), error);
      }
      profile.tags.push_back(std::move(text));
      return true;
    }
    if (depth_ != 1) {
      return true;
    }
    if (member_ == "tags" && type != json_type::array) {
      return stop(std::string("tags must be an array of strings, not ") + name_of(type), error);
    }
    if (const auto field = text_member()) {
      if (type != json_type::text) {
        return stop(member_ + " must be a string, not " + name_of(type), error);
      }
      profile.*field = std::move(text);
    }
    return true;
  }

  std::set<std::string> names_;
  std::string member_;
  std::string text_;
  std::size_t depth_ = 0;
  bool in_tags_ = false;
};

std::optional<std::string> wrong_with(const registration_handler& given) {
  const agent_profile& profile = given.profile;
  for (const char* member : {"agent_name", "base_url", "description"}) {
    if (!given.has(member)) {
      return std::string(member) + " is missing";
    }
  }
  if (given.has("agent_id") && !agent_id_key(profile.agent_id)) {
    return "agent_id is not a UUID, such as 123e4567-e89b-42d3-a456-426614174000";
  }
  if (characters_in(profile.agent_name) > 100) {
    return "agent_name is longer than 100 characters";
  }
  if (has_control_character(profile.agent_name)) {
    return "agent_name contains a control character";
  }
  if (const auto key = base_url_key(profile.base_url); !key) {
    return "base_url " + key.error().message();
  }
  if (profile.description.empty()) {
    return "description is empty";
  }
  if (characters_in(profile.description) > 4096) {
    return "description is longer than 4096 characters";
  }
  if (profile.tags.size() > 32) {
    return "tags are more than 32";
  }
  for (const std::string& tag : profile.tags) {
    if (tag.empty()) {
      return "tags contain an empty one";
    }
    if (characters_in(tag) > 64) {
      return "tags contain one that is longer than 64 characters";
    }
    if (has_control_character(tag)) {
      return "tags contain one with a control character";
    }
  }
  return std::nullopt;
}

std::string syntax_error(const boost::system::error_code& error, std::size_t at,
                         std::string_view text) {
  if (error == json::error::too_deep) {
    return "is nested too deeply";
  }
  if (error == json::error::incomplete) {
    return "is not complete JSON: it ends too early";
  }
  if (error == json::error::extra_data) {
    return "has something after the JSON object";
  }
  // The parser says "syntax error" for a byte that is not UTF-8, too.
  const std::string column = " at byte " + std::to_string(at + 1);
  if (at < text.size() && static_cast<unsigned char>(text[at]) >= 0x80) {
    return "is not valid JSON" + column + ": is the file UTF-8?";
  }
  return "is not valid JSON" + column + ": " + error.message();
}

}  // namespace

result<agent_profile, text_error> parse_registration(std::string_view text) {
  if (text.size() > max_registration_bytes) {
    return text_error::because("is longer than " + std::to_string(max_registration_bytes) +
                               " bytes");
  }
  json::basic_parser<registration_handler> parser{json::parse_options()};
  boost::system::error_code error;
  const std::size_t consumed = parser.write_some(false, text.data(), text.size(), error);
  registration_handler& given = parser.handler();
  if (given.wrong) {
    return text_error::because(*std::move(given.wrong));
  }
  if (!error && consumed < text.size()) {
    error = json::error::extra_data;
  }
  if (error) {
    return text_error::because(syntax_error(error, consumed, text));
  }
  if (auto wrong = wrong_with(given)) {
    return text_error::because(*std::move(wrong));
  }
  return std::move(given.profile);
}

}  // namespace marketplace
