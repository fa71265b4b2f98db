// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/strict_json.hpp>
#include <marketplace/text.hpp>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/parse_options.hpp>
#include <boost/json/value_stack.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace marketplace {
namespace {

namespace json = boost::json;
using boost::system::result;

// Builds the value, and keeps the names of the objects that are open.
class value_handler {
 public:
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  using error_code = boost::system::error_code;
  using string_view = json::string_view;

  json::value_stack values;
  std::string twice;  // the name of a member that came again

  bool on_document_begin(error_code&) {
    values.reset();
    return true;
  }
  static bool on_document_end(error_code&) { return true; }
  static bool on_comment_part(string_view, error_code&) { return true; }
  static bool on_comment(string_view, error_code&) { return true; }
  static bool on_number_part(string_view, error_code&) { return true; }

  bool on_object_begin(error_code&) {
    open_.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t n, error_code&) {
    open_.pop_back();
    values.push_object(n);
    return true;
  }
  static bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t n, error_code&) {
    values.push_array(n);
    return true;
  }
  bool on_key_part(string_view part, std::size_t, error_code&) {
    key_ += part;
    values.push_chars(part);
    return true;
  }
  bool on_key(string_view part, std::size_t, error_code& error) {
    key_ += part;
    values.push_key(part);
    std::string key = std::exchange(key_, {});
    if (!open_.back().insert(key).second) {
      twice = std::move(key);
      error = json::error::syntax;
      return false;
    }
    return true;
  }
  bool on_string_part(string_view part, std::size_t, error_code&) {
    values.push_chars(part);
    return true;
  }
  bool on_string(string_view part, std::size_t, error_code&) {
    values.push_string(part);
    return true;
  }
  bool on_int64(std::int64_t i, string_view, error_code&) {
    values.push_int64(i);
    return true;
  }
  bool on_uint64(std::uint64_t u, string_view, error_code&) {
    values.push_uint64(u);
    return true;
  }
  bool on_double(double d, string_view, error_code&) {
    values.push_double(d);
    return true;
  }
  bool on_bool(bool b, error_code&) {
    values.push_bool(b);
    return true;
  }
  bool on_null(error_code&) {
    values.push_null();
    return true;
  }

 private:
  std::vector<std::set<std::string>> open_;
  std::string key_;
};

text_error error_of(const boost::system::error_code& error, std::size_t at, std::string_view text,
                    const std::string& twice) {
  const std::string where = " at byte " + std::to_string(at + 1);
  if (!twice.empty()) {
    return text_error::because("has the member \"" + twice + "\" twice in one object, again" +
                               where);
  }
  if (error == json::error::too_deep) {
    return text_error::because("is nested too deeply" + where);
  }
  if (error == json::error::incomplete) {
    return text_error::because("is not complete JSON: it ends too early");
  }
  if (error == json::error::extra_data) {
    return text_error::because("has something after the JSON value" + where);
  }
  if (at < text.size() && static_cast<unsigned char>(text[at]) >= 0x80) {
    return text_error::because("is not UTF-8" + where);
  }
  return text_error::because("is not JSON: " + error.message() + where);
}

}  // namespace

result<json::value, text_error> parse_json(std::string_view text, std::size_t max_depth) {
  json::parse_options options;
  options.max_depth = max_depth;
  json::basic_parser<value_handler> parser(options);
  boost::system::error_code error;
  const std::size_t consumed = parser.write_some(false, text.data(), text.size(), error);
  if (!error && consumed < text.size()) {
    error = json::error::extra_data;
  }
  if (error) {
    return error_of(error, consumed, text, parser.handler().twice);
  }
  return parser.handler().values.release();
}

void for_each_member(std::string_view object,
                     const std::function<bool(std::string_view, std::string_view)>& told) {
  std::string_view name;
  std::size_t depth = 0;
  std::size_t value = 0;  // where it begins; 0: the next string is a name
  for (std::size_t i = 0; i < object.size(); ++i) {
    const char c = object[i];
    if (c == '"') {
      const std::size_t begin = i;
      for (++i; object[i] != '"'; ++i) {
        i += object[i] == '\\' ? 1 : 0;
      }
      if (depth == 1 && value == 0) {
        name = object.substr(begin, i + 1 - begin);
      }
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (depth == 1 && c == ':') {
      value = i + 1;
    } else if (depth == 1 && (c == ',' || c == '}')) {
      if (value != 0 && !told(name, trimmed(object.substr(value, i - value)))) {
        return;
      }
      value = 0;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
}

std::string_view text_of_member(std::string_view object, std::string_view name) {
  std::string_view found;
  for_each_member(object, [&](std::string_view quoted, std::string_view value) {
    const bool is_it = json::parse(quoted).get_string() == name;
    if (is_it) {
      found = value;
    }
    return !is_it;
  });
  return found;
}

}  // namespace marketplace
