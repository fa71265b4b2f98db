// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "gateway.hpp"

#include "../look_up.hpp"
#include <corolock/cluster/error.hpp>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <utility>

COROLOCK_BEGIN
namespace cluster::detail::etcd {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace json = boost::json;
using net::awaitable;
using net::use_awaitable;
using tcp = net::ip::tcp;

namespace {

constexpr std::size_t most_idle = 4;
constexpr std::string_view unknown_token = "invalid auth token";
constexpr std::size_t most_bytes = std::size_t{16} << 20;  // of an answer, or of one event

// Without the URL's text: it may have a password in it.
[[noreturn]] void refuse(const std::string& why) {
  throw cluster_error(cluster_errc::invalid_url, "the URL of etcd " + why);
}

std::string decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const auto digit = [&](std::size_t at) {
      constexpr std::string_view digits = "0123456789abcdefABCDEF";
      const std::size_t value = at < text.size() ? digits.find(text[at]) : std::string_view::npos;
      if (value == std::string_view::npos) {
        refuse("has a % that no two hexadecimal digits follow");
      }
      return value < 16 ? value : value - 6;
    };
    result += static_cast<char>(digit(i + 1) * 16 + digit(i + 2));
    i += 2;
  }
  return result;
}

address address_of(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  address result;
  if (colon != std::string_view::npos && !text.ends_with(']')) {
    result.port = text.substr(colon + 1);
    text = text.substr(0, colon);
  }
  if (text.starts_with('[') && text.ends_with(']')) {
    text = text.substr(1, text.size() - 2);
  }
  result.host = text;
  const bool is_number =
      !result.port.empty() && result.port.size() <= 5 &&
      std::ranges::all_of(result.port, [](char c) { return c >= '0' && c <= '9'; });
  if (result.host.empty() || !is_number || std::stoi(result.port) > 65535 ||
      std::stoi(result.port) == 0) {
    refuse("has to name servers as host:port[,host:port...]");
  }
  return result;
}

}  // namespace

url parse_url(const std::string& text) {
  url result;
  std::string_view rest = text;
  result.is_tls = rest.starts_with("etcds://");
  if (!result.is_tls && !rest.starts_with("etcd://")) {
    refuse("does not begin with etcd:// or etcds://");
  }
  rest.remove_prefix(result.is_tls ? 8 : 7);
  if (const std::size_t question = rest.find('?'); question != std::string_view::npos) {
    const std::string_view query = rest.substr(question + 1);
    if (!result.is_tls || !query.starts_with("ca=") || query.find('&') != std::string_view::npos) {
      refuse("has a query other than ?ca=FILE, which is for etcds:// only");
    }
    result.ca_file = decoded(query.substr(3));
    rest = rest.substr(0, question);
  }
  if (rest.ends_with('/')) {
    rest.remove_suffix(1);
  }
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    const std::string_view who = rest.substr(0, at);
    const std::size_t colon = who.find(':');
    if (colon == std::string_view::npos || colon == 0) {
      refuse("has to have user:password in front of the @");
    }
    result.user = decoded(who.substr(0, colon));
    result.password = decoded(who.substr(colon + 1));
    rest.remove_prefix(at + 1);
  }
  while (true) {
    const std::size_t comma = rest.find(',');
    result.servers.push_back(address_of(rest.substr(0, comma)));
    if (comma == std::string_view::npos) {
      return result;
    }
    rest.remove_prefix(comma + 1);
  }
}

std::string base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string from_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  const auto padding = static_cast<std::size_t>(std::count(
      text.begin() +
          static_cast<std::ptrdiff_t>(text.size() - std::min<std::size_t>(2, text.size())),
      text.end(), '='));
  bytes.resize(size < 0 ? 0 : static_cast<std::size_t>(size) - padding);
  return bytes;
}

std::string end_of(std::string prefix) {
  ++prefix.back();  // our prefixes end in a slash
  return prefix;
}

// A connection to a server, with or without TLS.
class connection {
 public:
  connection(const strand& on, net::ssl::context& tls, bool is_tls, const address& to)
      : on_(on), stream_(on, tls), is_tls_(is_tls), host_(to.host), port_(to.port) {}

  [[nodiscard]] beast::tcp_stream& tcp_layer() { return stream_.next_layer(); }

  awaitable<error_code> open(std::chrono::milliseconds limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    auto [error, found] = co_await look_up(on_, host_, port_, until);
    if (error) {
      co_return error;
    }
    tcp_layer().expires_at(until);
    co_await tcp_layer().async_connect(found, net::redirect_error(use_awaitable, error));
    if (error) {
      co_return error;
    }
    tcp_layer().socket().set_option(tcp::no_delay(true), error);
    if (is_tls_) {
      SSL_set_tlsext_host_name(stream_.native_handle(), host_.c_str());
      stream_.set_verify_callback(net::ssl::host_name_verification(host_));
      co_await stream_.async_handshake(net::ssl::stream_base::client,
                                       net::redirect_error(use_awaitable, error));
      if (error == net::error::connection_reset) {
        // A server without TLS says so and closes, with our bytes unread: the reset that this makes
        // may overtake what it said.
        error = net::ssl::error::stream_truncated;
      }
    }
    co_return error;
  }

  awaitable<error_code> post(const std::string& path, const std::string& token,
                             std::string question) {
    http::request<http::string_body> request(http::verb::post, path, 11);
    request.set(http::field::host, host_ + ":" + port_);
    request.set(http::field::content_type, "application/json");
    if (!token.empty()) {
      request.set(http::field::authorization, token);
    }
    request.body() = std::move(question);
    request.prepare_payload();
    error_code error;
    if (is_tls_) {
      co_await http::async_write(stream_, request, net::redirect_error(use_awaitable, error));
    } else {
      co_await http::async_write(tcp_layer(), request, net::redirect_error(use_awaitable, error));
    }
    co_return error;
  }

  // The whole answer, or some more of it.
  awaitable<error_code> read(http::response_parser<http::string_body>& into, bool whole) {
    error_code error;
    if (is_tls_ && whole) {
      co_await http::async_read(stream_, buffer_, into, net::redirect_error(use_awaitable, error));
    } else if (is_tls_) {
      co_await http::async_read_some(stream_, buffer_, into,
                                     net::redirect_error(use_awaitable, error));
    } else if (whole) {
      co_await http::async_read(tcp_layer(), buffer_, into,
                                net::redirect_error(use_awaitable, error));
    } else {
      co_await http::async_read_some(tcp_layer(), buffer_, into,
                                     net::redirect_error(use_awaitable, error));
    }
    co_return error;
  }

 private:
  const strand on_;
  beast::ssl_stream<beast::tcp_stream> stream_;
  const bool is_tls_;
  const std::string host_;
  const std::string port_;
  beast::flat_buffer buffer_{most_bytes};
};

struct watch::reading {
  http::response_parser<http::string_body> parser;
};

watch::watch(std::unique_ptr<connection> on)
    : connection_(std::move(on)), reading_(std::make_unique<reading>()) {
  reading_->parser.body_limit(boost::none);  // it has no end
}
watch::~watch() = default;

void watch::close() {
  connection_->tcp_layer().close();
}

awaitable<std::optional<json::object>> watch::next() {
  for (;;) {
    std::string& text = reading_->parser.get().body();
    if (const std::size_t end = text.find('\n'); end != std::string::npos) {
      error_code error;
      json::value line = json::parse(std::string_view(text).substr(0, end), error);
      text.erase(0, end + 1);
      json::object* const message = line.if_object();
      if (error || message == nullptr) {
        co_return std::nullopt;
      }
      json::value* const result = message->if_contains("result");
      if (result == nullptr || !result->is_object()) {
        co_return std::nullopt;
      }
      co_return std::move(result->get_object());
    }
    if (reading_->parser.is_done() || text.size() > most_bytes) {
      co_return std::nullopt;
    }
    const error_code error = co_await connection_->read(reading_->parser, false);
    if (error) {
      co_return std::nullopt;
    }
  }
}

gateway::gateway(strand on, url where, std::chrono::milliseconds request_limit)
    : strand_(std::move(on)),
      url_(std::move(where)),
      limit_(request_limit),
      tls_(net::ssl::context::tls_client) {
  if (!url_.is_tls) {
    return;
  }
  error_code error;
  if (url_.ca_file.empty()) {
    tls_.set_default_verify_paths(error);
  } else {
    tls_.load_verify_file(url_.ca_file, error);
  }
  if (error) {
    throw cluster_error(cluster_errc::invalid_url,
                        "the certificates in '" + url_.ca_file + "': " + error.message());
  }
  tls_.set_verify_mode(net::ssl::verify_peer);
}
gateway::~gateway() = default;

std::string gateway::server() const {
  const address& at = url_.servers[server_];
  return at.host + ":" + at.port;
}

void gateway::give_up_server() {
  idle_.clear();
  server_ = (server_ + 1) % url_.servers.size();
  ++switches_;
}

// Null, and why.
awaitable<std::unique_ptr<connection>> gateway::connect(std::string& why, bool& is_foreign) {
  auto made = std::make_unique<connection>(strand_, tls_, url_.is_tls, url_.servers[server_]);
  const error_code error = co_await made->open(limit_);
  if (error) {
    is_foreign = error.category() == net::error::get_ssl_category();
    if (is_foreign) {
      why = "TLS: " + error.message();
    } else if (error == net::ssl::error::stream_truncated) {
      why = "TLS: " + std::string(closed_without_answer);
    } else {
      why = error.message();
    }
    made.reset();
  }
  co_return std::move(made);
}

awaitable<reply> gateway::ask(std::string path, json::object question) {
  const std::string text = json::serialize(question);
  for (bool is_second = false;; is_second = true) {
    if (!url_.user.empty() && token_.empty()) {
      reply got = co_await authenticate();
      if (got.is != reply::kind::answered) {
        co_return got;
      }
    }
    const std::string used = token_;
    reply got = co_await ask_once(path, text);
    if (!got.says(unknown_token)) {
      co_return got;
    }
    forget_token(used);
    if (is_second) {
      got.is = reply::kind::none;
      co_return got;
    }
  }
}

// It was not used for too long, or the server is new; unless somebody has another already.
void gateway::forget_token(const std::string& token) {
  if (token_ == token) {
    token_.clear();
  }
}

awaitable<reply> gateway::authenticate() {
  const json::object who{{"name", url_.user}, {"password", url_.password}};
  reply got = co_await ask_once("/v3/auth/authenticate", json::serialize(who));
  if (got.is == reply::kind::answered) {
    const json::value* const token = got.body.if_contains("token");
    if (token != nullptr && token->is_string()) {
      token_ = token->get_string();
    } else {
      got.is = reply::kind::foreign;
      got.message = "it answers without a token";
    }
  }
  co_return got;
}

awaitable<reply> gateway::ask_once(std::string path, std::string question) {
  reply got;
  std::unique_ptr<connection> on;
  const std::string where = server();
  const std::uint64_t before = switches_;
  const auto failed = [&](const std::string& why) {
    got.message = where + ": " + why;
    if (switches_ == before) {  // else somebody has noticed already
      give_up_server();
    }
  };
  if (idle_.empty()) {
    std::string why;
    bool is_foreign = false;
    on = co_await connect(why, is_foreign);
    if (!on) {
      failed(why);
      got.is = is_foreign ? reply::kind::foreign : reply::kind::none;
      co_return got;
    }
  } else {
    on = std::move(idle_.back());
    idle_.pop_back();
  }
  on->tcp_layer().expires_after(limit_);
  error_code error = co_await on->post(path, token_, std::move(question));
  http::response_parser<http::string_body> answer;
  answer.body_limit(most_bytes);
  if (!error) {
    error = co_await on->read(answer, true);
  }
  if (error) {
    const bool is_http = error.category() != make_error_code(http::error::bad_version).category() ||
                         error == http::error::end_of_stream ||
                         error == http::error::partial_message;
    failed(error == http::error::end_of_stream ? std::string(closed_without_answer)
                                               : error.message());
    got.is = is_http ? reply::kind::none : reply::kind::foreign;
    co_return got;
  }
  on->tcp_layer().expires_never();
  if (answer.get().keep_alive() && switches_ == before && idle_.size() < most_idle) {
    idle_.push_back(std::move(on));
  }
  error_code broken;
  json::value body = json::parse(answer.get().body(), broken);
  json::object* const object = body.if_object();
  if (broken || object == nullptr) {
    failed("it does not answer as etcd does: HTTP status " +
           std::to_string(answer.get().result_int()));
    got.is = reply::kind::foreign;
    co_return got;
  }
  if (answer.get().result() == http::status::ok) {
    got.is = reply::kind::answered;
    got.body = std::move(*object);
    co_return got;
  }
  const json::value* const said = object->if_contains("message");
  const bool has_text = said != nullptr && said->is_string();
  got.message = has_text ? std::string(said->get_string())
                         : "HTTP status " + std::to_string(answer.get().result_int());
  got.is = reply::kind::error;
  // What a server says that cannot tell, or has no leader: it may have been carried out.
  for (const std::string_view part : {"timed out", "leader", "unhealthy", "too many requests",
                                      "server stopped", "context", "connection", "transport"}) {
    if (got.says(part)) {
      failed(got.message);
      got.is = reply::kind::none;
      break;
    }
  }
  co_return got;
}

awaitable<std::shared_ptr<watch>> gateway::open_watch(std::string prefix, std::string& refused) {
  if (!url_.user.empty() && token_.empty()) {
    const reply got = co_await authenticate();
    if (got.is != reply::kind::answered) {
      refused = got.is == reply::kind::error ? got.message : "";
      co_return nullptr;
    }
  }
  std::string why;
  bool is_foreign = false;
  std::unique_ptr<connection> on = co_await connect(why, is_foreign);
  if (!on) {
    give_up_server();
    co_return nullptr;
  }
  json::object range{{"key", base64(prefix)}, {"range_end", base64(end_of(prefix))}};
  const json::object question{{"create_request", std::move(range)}};
  on->tcp_layer().expires_after(limit_);
  const std::string used = token_;
  const error_code error = co_await on->post("/v3/watch", used, json::serialize(question));
  if (error) {
    co_return nullptr;
  }
  auto opened = std::make_shared<watch>(std::move(on));
  const std::optional<json::object> first = co_await opened->next();
  if (!first || first->if_contains("created") == nullptr) {
    co_return nullptr;
  }
  if (first->if_contains("canceled") != nullptr) {  // so it tells whom it does not let in
    const json::value* const reason = first->if_contains("cancel_reason");
    const bool has_text = reason != nullptr && reason->is_string();
    const std::string said =
        has_text ? std::string(reason->get_string()) : "it does not let us watch";
    if (said.find(unknown_token) != std::string::npos) {
      forget_token(used);
    } else {
      refused = said;
    }
    co_return nullptr;
  }
  opened->connection_->tcp_layer().expires_never();
  co_return opened;
}

}  // namespace cluster::detail::etcd
COROLOCK_END
