// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The API's description, for programs and, as a page made of it, for people.

#include <marketplace/embedded_files.hpp>
#include <marketplace/service.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace marketplace {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;
using http::request;
using http::response;

constexpr std::string_view style = R"(
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem }
h2 { margin-top: 2.5rem }
summary { cursor: pointer; padding: .4rem; overflow-wrap: anywhere }
details { border: 1px solid #8886; border-radius: .4rem; margin: .4rem 0 }
details > div { padding: 0 1rem 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { background: #8881; border-radius: .4rem; overflow-x: auto; padding: .6rem }
.method { display: inline-block; font-weight: bold; min-width: 5rem }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #8883; padding: .2rem .6rem .2rem 0 }
th, td { text-align: left; vertical-align: top }
:root { color-scheme: light dark }
)";

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      default: result += c;
    }
  }
  return result;
}

// With line breaks and two spaces for each depth.
void append_pretty(const json::value& value, std::size_t depth, std::string& out) {
  const std::string line = "\n" + std::string(2 * depth + 2, ' ');
  std::string_view separator;
  if (const json::object* object = value.if_object(); object != nullptr && !object->empty()) {
    out += '{';
    for (const auto& member : *object) {
      out.append(separator).append(line);
      out += json::serialize(json::string(member.key())) + ": ";
      append_pretty(member.value(), depth + 1, out);
      separator = ",";
    }
    out += "\n" + std::string(2 * depth, ' ') + "}";
  } else if (const json::array* array = value.if_array(); array != nullptr && !array->empty()) {
    out += '[';
    for (const json::value& each : *array) {
      out.append(separator).append(line);
      append_pretty(each, depth + 1, out);
      separator = ",";
    }
    out += "\n" + std::string(2 * depth, ' ') + "]";
  } else {
    out += json::serialize(value);
  }
}

std::string pretty(const json::value& value) {
  std::string text;
  append_pretty(value, 0, text);
  return "<pre>" + escaped(text) + "</pre>";
}

std::string_view text_of(const json::object& object, std::string_view member) {
  const json::value* text = object.if_contains(member);
  return text != nullptr ? std::string_view(text->get_string()) : std::string_view();
}

/// The page of a description.
class page {
 public:
  explicit page(const json::value& document) : document_(document) {
    const json::object& info = document_.at("info").get_object();
    const std::string title = escaped(text_of(info, "title"));
    html_ = "<!doctype html><html lang=en><meta charset=utf-8><title>" + title +
            "</title><meta name=viewport content=\"width=device-width\"><style>";
    html_ += style;
    html_ += "</style><h1>" + title + "</h1>";
    paragraph(text_of(info, "description"));
    html_ +=
        "<p>For programs: <a href=\"/openapi.json\">openapi.json</a>. What the names in "
        "<code>#/components</code> stand for is at the end.";
    for (const json::value& tag : document_.at("tags").get_array()) {
      add_section(tag.get_object());
    }
    html_ += "<h2>Schemas</h2>";
    for (const auto& schema : document_.at("components").at("schemas").get_object()) {
      html_ += "<details id=\"" + escaped(schema.key()) + "\"><summary><code>" +
               escaped(schema.key()) + "</code></summary><div>" + pretty(schema.value()) +
               "</div></details>";
    }
    html_ += "</html>\n";
  }

  [[nodiscard]] std::string html() const { return html_; }

 private:
  void paragraph(std::string_view text) {
    if (!text.empty()) {
      html_ += "<p>" + escaped(text) + "</p>";
    }
  }

  void add_section(const json::object& tag) {
    html_ += "<h2>" + escaped(text_of(tag, "name")) + "</h2>";
    paragraph(text_of(tag, "description"));
    for (const auto& path : document_.at("paths").get_object()) {
      for (const auto& method : path.value().get_object()) {
        const json::object& operation = method.value().get_object();
        if (operation.at("tags").get_array().front() == tag.at("name")) {
          add_operation(method.key(), path.key(), operation);
        }
      }
    }
  }

  void add_operation(std::string_view method, std::string_view path,
                     const json::object& operation) {
    html_ += "<details><summary><span class=method>";
    for (const char c : method) {
      html_ += static_cast<char>(c - 'a' + 'A');
    }
    html_ += "</span><code>" + escaped(path) + "</code> " + escaped(text_of(operation, "summary")) +
             "</summary><div>";
    paragraph(text_of(operation, "description"));
    if (const json::value* parameters = operation.if_contains("parameters")) {
      html_ += "<h3>Parameters</h3><table>";
      for (const json::value& each : parameters->get_array()) {
        add_parameter(resolved(each.get_object()));
      }
      html_ += "</table>";
    }
    if (const json::value* body = operation.if_contains("requestBody")) {
      html_ += "<h3>Request body</h3>";
      add_content(body->get_object());
    }
    html_ += "<h3>Responses</h3>";
    for (const auto& each : operation.at("responses").get_object()) {
      const json::object& response = resolved(each.value().get_object());
      html_ += "<p><b>" + escaped(each.key()) + "</b> " +
               escaped(text_of(response, "description")) + "</p>";
      add_content(response);
    }
    html_ += "</div></details>";
  }

  void add_parameter(const json::object& parameter) {
    html_ += "<tr><th><code>" + escaped(text_of(parameter, "name")) + "</code><td>" +
             escaped(text_of(parameter, "in")) + "<td><code>" +
             escaped(json::serialize(parameter.at("schema"))) + "</code><td>" +
             escaped(text_of(parameter, "description"));
  }

  // The example, or else the schema.
  void add_content(const json::object& from) {
    const json::value* content = from.if_contains("content");
    if (content == nullptr) {
      return;
    }
    for (const auto& each : content->get_object()) {
      const json::object& of_type = each.value().get_object();
      html_ += "<p><code>" + escaped(each.key()) + "</code></p>";
      const json::value* example = of_type.if_contains("example");
      html_ += pretty(example != nullptr ? *example : of_type.at("schema"));
    }
  }

  const json::object& resolved(const json::object& given) const {
    const json::value* reference = given.if_contains("$ref");
    if (reference == nullptr) {
      return given;
    }
    return document_.at_pointer(reference->get_string().subview(1)).get_object();
  }

  const json::value& document_;
  std::string html_;
};

awaitable<response> answer_of(const response& whole, request& r) {
  const std::string& etag = whole.headers.front().second;
  response answer = whole;
  if (has_etag(r.header_list("if-none-match"), etag, true)) {
    answer = response(304, "", "");
    answer.with("ETag", etag);
  }
  co_return answer;
}

}  // namespace

void add_openapi_routes(http::router& to) {
  const embedded_file& file = embedded_file_named("openapi.json");
  const json::value document = json::parse(file.bytes);
  response description(200, "application/json", std::string(file.bytes));
  response docs(200, "text/html; charset=utf-8", page(document).html());
  docs.with("ETag", std::string(file.etag))
      .with("Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
  description.with("ETag", std::string(file.etag));
  const auto add = [&to](std::string path, response whole) {
    whole.with("Cache-Control", "no-cache");
    to.add({"GET", std::move(path),
            [whole = std::move(whole)](request& r) { return answer_of(whole, r); }, nullptr,
            false});
  };
  add("/openapi.json", std::move(description));
  add("/docs", docs);
  add("/redoc", std::move(docs));
}

}  // namespace marketplace
