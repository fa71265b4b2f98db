// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/http/problem.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace marketplace::http {

namespace json = boost::json;

problem problem::invalid(std::vector<field_error> errors) {
  std::string detail;
  for (const field_error& each : errors) {
    detail += (detail.empty() ? "" : "; ") + each.message;
  }
  problem result(422, "VALIDATION_FAILED", std::move(detail));
  result.errors_ = std::move(errors);
  return result;
}

problem problem::unavailable(std::string detail) {
  return problem(503, "UNAVAILABLE", std::move(detail)).with_header("Retry-After", "5");
}

problem&& problem::with_holder(conflict_holder holder) && {
  if (!holder.existing_url.empty()) {
    headers_.emplace_back("Location", holder.existing_url);
  }
  holder_ = std::move(holder);
  return std::move(*this);
}

response problem::to_response(std::string_view instance, std::string_view request_id) const {
  json::object body;
  body["type"] = type_;
  body["title"] = reason_of(status_);
  body["status"] = status_;
  body["detail"] = detail_;
  body["instance"] = instance;
  body["errorCode"] = code_;
  body["message"] = detail_;
  body["request_id"] = request_id;
  if (!errors_.empty()) {
    json::array errors;
    errors.reserve(errors_.size());
    for (const field_error& each : errors_) {
      errors.push_back(json::object(
          {{"pointer", each.pointer}, {"code", each.code}, {"message", each.message}}));
    }
    body["errors"] = std::move(errors);
  }
  if (holder_) {
    json::object conflict({{"field", holder_->field}});
    if (!holder_->existing_agent_id.empty()) {
      conflict["existing_agent_id"] = holder_->existing_agent_id;
      conflict["existing_url"] = holder_->existing_url;
    }
    body["conflict"] = std::move(conflict);
  }
  response result(status_, "application/problem+json", json::serialize(body));
  result.headers = headers_;
  return result;
}

std::string_view reason_of(unsigned status) noexcept {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    default: return "Error";
  }
}

}  // namespace marketplace::http
