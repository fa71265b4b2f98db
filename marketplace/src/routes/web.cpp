// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The web pages. They use the same API as everybody else.

#include <marketplace/embedded_files.hpp>
#include <marketplace/service.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace marketplace {
namespace {

using boost::asio::awaitable;
using http::request;
using http::response;

awaitable<response> get_file(const embedded_file& file, request& r) {
  response answer(200, std::string(file.media_type), std::string(file.bytes));
  if (r.header("if-none-match") == file.etag) {
    answer = response(304, "", "");
  }
  answer.with("ETag", std::string(file.etag));
  answer.with("Cache-Control", "no-cache");
  // Nothing from elsewhere, nothing inline, in nobody's frame.
  answer.with("Content-Security-Policy",
              "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
              "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  answer.with("Referrer-Policy", "no-referrer");
  co_return answer;
}

}  // namespace

const embedded_file& embedded_file_named(std::string_view name) {
  const auto files = embedded_files();
  const auto found = std::find_if(files.begin(), files.end(),
                                  [name](const auto& each) { return each.name == name; });
  if (found == files.end()) {
    throw std::logic_error("no file is embedded with the name " + std::string(name));
  }
  return *found;
}

void add_web_routes(http::router& to) {
  const auto add = [&to](std::string pattern, std::string_view name) {
    const embedded_file& file = embedded_file_named(name);
    to.add({"GET", std::move(pattern), [&file](request& r) { return get_file(file, r); }, nullptr,
            false});
  };
  add("/", "index.html");
  add("/locks", "locks.html");
  for (const char* name : {"app.js", "locks.js", "style.css", "icon.svg"}) {
    add("/web/" + std::string(name), name);
  }
}

}  // namespace marketplace
