// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/http/router.hpp>
#include <marketplace/text.hpp>

#include <optional>

namespace marketplace::http {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// The raw values of the pattern's parameters if the path is of this pattern.
std::optional<std::vector<std::string_view>> match(std::string_view pattern,
                                                   std::string_view path) {
  std::vector<std::string_view> values;
  while (!pattern.empty() && !path.empty()) {
    const std::size_t in_pattern = std::min(pattern.find('/', 1), pattern.size());
    const std::size_t in_path = std::min(path.find('/', 1), path.size());
    const std::string_view expected = pattern.substr(0, in_pattern);
    const std::string_view segment = path.substr(0, in_path);
    if (expected.starts_with("/{")) {
      if (segment.size() < 2) {
        return std::nullopt;
      }
      values.push_back(segment.substr(1));
    } else if (expected != segment) {
      return std::nullopt;
    }
    pattern.remove_prefix(in_pattern);
    path.remove_prefix(in_path);
  }
  if (!pattern.empty() || !path.empty()) {
    return std::nullopt;
  }
  return values;
}

void read_query(request& r) {
  const std::size_t mark = r.target.find('?');
  if (mark == std::string::npos) {
    return;
  }
  std::string_view rest = std::string_view(r.target).substr(mark + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (pair.empty()) {
      continue;
    }
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
    r.query.emplace_back(percent_decoded(pair.substr(0, equals), true, "a parameter's name"),
                         percent_decoded(value, true, "a parameter's value"));
  }
}

}  // namespace

std::string percent_decoded(std::string_view text, bool plus_is_space, std::string_view what) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        throw problem::bad_request(std::string(what) +
                                   " has a '%' that two hexadecimal digits do not follow");
      }
      result += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      result += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  if (has_control_character(result)) {
    throw problem::bad_request(std::string(what) + " contains a control character");
  }
  if (!is_utf8(result)) {
    throw problem::bad_request(std::string(what) + " is not UTF-8");
  }
  return result;
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || std::string_view("-._~:@").find(c) < 6;
    if (is_plain) {
      result += c;
    } else {
      result += '%';
      result += digits[byte >> 4U];
      result += digits[byte & 15U];
    }
  }
  return result;
}

const route& router::find(request& r) const {
  const std::string_view path = r.path();
  if (!path.starts_with('/')) {
    throw problem::bad_request("the request's target must be a path, such as /v1/agents");
  }
  const std::string_view method = r.method == "HEAD" ? std::string_view("GET") : r.method;
  std::string allowed;
  for (const route& each : routes_) {
    const auto values = match(each.pattern, path);
    if (!values) {
      continue;
    }
    if (each.method != method) {
      allowed +=
          (allowed.empty() ? "" : ", ") + each.method + (each.method == "GET" ? ", HEAD" : "");
      continue;
    }
    read_query(r);
    r.parameters.clear();
    r.parameters.reserve(values->size());
    for (const std::string_view value : *values) {
      r.parameters.push_back(percent_decoded(value, false, "the path"));
    }
    return each;
  }
  if (allowed.empty()) {
    percent_decoded(path, false, "the path");  // what is no path at all is another error
    throw problem::not_found("there is nothing at " + std::string(path));
  }
  throw problem(405, "METHOD_NOT_ALLOWED", r.method + " is not for " + std::string(path))
      .with_header("Allow", std::move(allowed));
}

problem_writer router::writer_of(std::string_view path) const {
  for (const route& each : routes_) {
    if (match(each.pattern, path)) {
      return each.write;
    }
  }
  return nullptr;
}

}  // namespace marketplace::http
