// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// problem: why a request was not served (RFC 9457).

#include <marketplace/http/message.hpp>

#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace marketplace::http {

/// One thing that is wrong with a request's body or parameters.
struct field_error {
  std::string pointer;  ///< into the body, "/tags/3"; or "?limit", "If-Match"
  std::string code;     ///< "missing", "type", "length", "format", "unknown", "duplicate", "range"
  std::string message;
};

/// Who has what a request asked for.
struct conflict_holder {
  std::string field;
  std::string existing_agent_id;
  std::string existing_url;  ///< of the agent, in this API
};

/// What a handler throws instead of a response. (An exception, because it comes from many depths of
/// parsing and always ends the request; the path of those that are served pays nothing.)
class problem : public std::exception {
 public:
  problem(unsigned status, std::string code, std::string detail)
      : status_(status), code_(std::move(code)), detail_(std::move(detail)) {}

  static problem bad_request(std::string detail) {
    return {400, "INVALID_REQUEST", std::move(detail)};
  }
  static problem invalid(std::vector<field_error> errors);
  static problem not_found(std::string detail) { return {404, "NOT_FOUND", std::move(detail)}; }
  static problem unavailable(std::string detail);

  problem& with_header(std::string name, std::string value) & {
    headers_.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  problem&& with_header(std::string name, std::string value) && {
    headers_.emplace_back(std::move(name), std::move(value));
    return std::move(*this);
  }
  problem&& with_type(std::string type) && {
    type_ = std::move(type);
    return std::move(*this);
  }
  problem&& with_holder(conflict_holder holder) &&;

  [[nodiscard]] unsigned status() const noexcept { return status_; }
  [[nodiscard]] const std::string& code() const noexcept { return code_; }
  [[nodiscard]] const std::string& detail() const noexcept { return detail_; }
  [[nodiscard]] const name_values& headers() const noexcept { return headers_; }
  [[nodiscard]] const std::vector<field_error>& errors() const noexcept { return errors_; }
  [[nodiscard]] const std::optional<conflict_holder>& holder() const noexcept { return holder_; }
  [[nodiscard]] const char* what() const noexcept override { return detail_.c_str(); }

  /// As application/problem+json: type, title, status, detail, instance, errorCode, message,
  /// request_id, and errors and conflict where there are any.
  [[nodiscard]] response to_response(std::string_view instance, std::string_view request_id) const;

 private:
  unsigned status_;
  std::string code_;
  std::string detail_;
  std::string type_ = "about:blank";
  name_values headers_;
  std::vector<field_error> errors_;
  std::optional<conflict_holder> holder_;
};

/// "Not Found"
std::string_view reason_of(unsigned status) noexcept;

}  // namespace marketplace::http
