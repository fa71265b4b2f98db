// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/asio/acquire.hpp>
#include <corolock/asio/lock.hpp>
#include <marketplace/card_fetcher.hpp>
#include <marketplace/text.hpp>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>
#include <boost/url/url_view.hpp>
#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <utility>

namespace marketplace {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace urls = boost::urls;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;
using boost::system::result;
using clock = std::chrono::steady_clock;
using tcp = asio::ip::tcp;
using response_type = beast::http::response<beast::http::string_body>;

text_error because(std::string what) {
  return text_error::because(std::move(what));
}

// Throws what a cancelled task throws.
text_error failed(std::string_view what, const error_code& error) {
  if (error == asio::error::operation_aborted) {
    throw boost::system::system_error(error);
  }
  if (error == beast::error::timeout) {
    return because("did not answer in time");
  }
  if (error == beast::http::error::body_limit) {
    return because("is longer than " + std::to_string(max_card_bytes) + " bytes");
  }
  return because(std::string(what) + ": " + error.message());
}

// Sends a GET and reads what comes, within the stream's time limit.
template <class Stream>
awaitable<result<response_type, text_error>> get(Stream& stream, const std::string& host,
                                                 const std::string& target,
                                                 const std::string& etag) {
  beast::http::request<beast::http::empty_body> question(beast::http::verb::get, target, 11);
  question.set(beast::http::field::host, host);
  question.set(beast::http::field::user_agent, "corolock-marketplace");
  question.set(beast::http::field::accept, "application/json");
  question.set(beast::http::field::connection, "close");
  if (!etag.empty()) {
    question.set(beast::http::field::if_none_match, etag);
  }
  error_code error;
  co_await beast::http::async_write(stream, question, asio::redirect_error(use_awaitable, error));
  if (error) {
    co_return failed("could not be asked", error);
  }
  beast::http::response_parser<beast::http::string_body> reader;
  reader.header_limit(16 * 1024);
  reader.body_limit(max_card_bytes);
  beast::flat_buffer buffer(max_card_bytes + std::size_t{64} * 1024);
  co_await beast::http::async_read(stream, buffer, reader,
                                   asio::redirect_error(use_awaitable, error));
  if (error) {
    co_return failed("could not be read", error);
  }
  co_return reader.release();
}

bool is_redirect(unsigned status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_json(std::string_view content_type) {
  const std::string type = ascii_lower(trimmed(content_type.substr(0, content_type.find(';'))));
  return type == "application/json" ||
         (type.starts_with("application/") && type.ends_with("+json"));
}

result<fetched_card, text_error> card_of(response_type answer, std::string url, bool had_etag) {
  fetched_card found;
  found.url = std::move(url);
  found.etag = answer[beast::http::field::etag];
  if (answer.result_int() == 304 && had_etag) {
    found.is_unchanged = true;
    return found;
  }
  if (answer.result_int() != 200) {
    return because("answered with status " + std::to_string(answer.result_int()));
  }
  const std::string_view encoding = answer[beast::http::field::content_encoding];
  if (!encoding.empty() && ascii_lower(trimmed(encoding)) != "identity") {
    return because("is compressed, and nobody asked for that");
  }
  if (!is_json(answer[beast::http::field::content_type])) {
    return because("is not said to be JSON (Content-Type)");
  }
  auto card = parse_agent_card(answer.body());
  if (!card) {
    return card.error();
  }
  found.text = std::move(answer.body());
  found.card = *std::move(card);
  return found;
}

}  // namespace

// One address on the way to a card.
struct card_fetcher::hop {
  urls::url url;
  std::string host;  // without brackets
  std::string port;
  bool is_tls = true;
  clock::time_point deadline;
  unsigned redirects_left = 0;
  std::optional<urls::url> next;  // where it leads

  // Takes an absolute URL, or what is wrong with it.
  std::optional<text_error> go_to(const urls::url_view& to, bool allow_http) {
    const std::string scheme = ascii_lower(to.scheme());
    if (scheme != "https" && !(allow_http && scheme == "http")) {
      return because("is not at an https URL");
    }
    if (!to.has_authority() || to.encoded_host().empty() || to.has_userinfo()) {
      return because("has a URL without a host, or with a user");
    }
    url = to;
    url.remove_fragment();
    is_tls = scheme == "https";
    host = ascii_lower(to.host_address());
    port = to.port().empty() ? (is_tls ? "443" : "80") : std::string(to.port());
    return std::nullopt;
  }

  [[nodiscard]] std::string target() const {
    std::string result(url.encoded_path().empty() ? "/" : std::string(url.encoded_path()));
    if (url.has_query()) {
      result += "?" + std::string(url.encoded_query());
    }
    return result;
  }
  [[nodiscard]] std::string host_field() const { return std::string(url.encoded_host_and_port()); }
  // Not an address: those have no place in SNI (RFC 6066, section 3).
  [[nodiscard]] bool is_name() const {
    error_code error;
    asio::ip::make_address(host, error);
    return error.failed();
  }
  [[nodiscard]] std::string key() const { return host + ":" + port; }
};

card_fetcher::card_fetcher(asio::any_io_executor executor, card_fetcher_options options)
    : executor_(std::move(executor)),
      options_(options),
      tls_(asio::ssl::context::tls_client),
      slots_(options.fetches_at_once, options.fetches_at_once, "card fetches") {
  tls_.set_default_verify_paths();
  tls_.set_verify_mode(asio::ssl::verify_peer);
}

awaitable<card_fetcher::answer> card_fetcher::fetch(std::string url, std::string etag) {
  const auto parsed = urls::parse_uri(url);
  if (!parsed) {
    co_return because("has no URL such as https://agent.example.com/card.json");
  }
  hop at;
  at.redirects_left = options_.redirects;
  if (auto wrong = at.go_to(*parsed, options_.allow_http_and_loopback)) {
    co_return *std::move(wrong);
  }
  std::optional<clock::duration> left = options_.time_limit;
  for (;;) {
    // The host first: those that wait for one slow host must not hold the slots of all others.
    // No task waits for a host while it has another.
    auto host =
        co_await corolock::async_lock_for(hosts_, at.key(), options_.wait_limit, use_awaitable);
    auto slot = co_await corolock::async_acquire_for(slots_, 1, options_.wait_limit, use_awaitable);
    at.deadline = clock::now() + *left;
    at.next.reset();
    answer found = co_await fetch_once(at, etag);
    if (!at.next) {
      co_return found;
    }
    left = at.deadline - clock::now();
    if (at.redirects_left-- == 0) {
      co_return because("is redirected too often");
    }
    if (auto wrong = at.go_to(*at.next, options_.allow_http_and_loopback)) {
      co_return because("is redirected, and " + wrong->message());
    }
  }
}

awaitable<card_fetcher::answer> card_fetcher::discover(std::string base_url) {
  const auto parsed = urls::parse_uri(base_url);
  if (!parsed) {
    co_return because("has no URL such as https://agent.example.com");
  }
  while (base_url.ends_with('/')) {
    base_url.pop_back();
  }
  const std::string origin =
      std::string(parsed->scheme()) + "://" + std::string(parsed->encoded_host_and_port());
  std::vector<std::string> places{base_url + "/.well-known/agent-card.json"};
  if (origin != base_url) {
    places.push_back(origin + "/.well-known/agent-card.json");
  }
  places.push_back(base_url + "/.well-known/agent.json");
  if (origin != base_url) {
    places.push_back(origin + "/.well-known/agent.json");
  }
  std::optional<text_error> first;
  for (const std::string& place : places) {
    answer found = co_await fetch(place);
    if (found) {
      co_return found;
    }
    if (!first) {
      first = found.error();
    }
    // Whoever does not answer at one place is not asked at the others.
    const std::string why = found.error().message();
    if (!why.starts_with("answered with status") && !why.starts_with("is not said to be JSON")) {
      break;
    }
  }
  co_return *std::move(first);
}

// The address to connect to: every one that the name has must be allowed. Looking up a name blocks
// for as long as the system likes: it has threads of its own, and whoever waits does so until the
// deadline only. What comes later is for nobody.
awaitable<result<tcp::endpoint, text_error>> card_fetcher::resolve(const hop& at) {
  struct lookup {
    explicit lookup(const asio::any_io_executor& executor) : done(executor) {}
    asio::steady_timer done;  // cancelled by the answer
    std::optional<tcp::resolver::results_type> found;
    error_code error;
  };
  const auto shared = std::make_shared<lookup>(executor_);
  shared->done.expires_at(at.deadline);
  asio::post(lookups_, [shared, executor = executor_, host = at.host, port = at.port] {
    asio::io_context none;
    tcp::resolver resolver(none);
    error_code error;
    auto found = resolver.resolve(host, port, tcp::resolver::numeric_service, error);
    asio::post(executor, [shared, error, found = std::move(found)]() mutable {
      shared->error = error;
      shared->found = std::move(found);
      shared->done.cancel();
    });
  });
  error_code waited;
  co_await shared->done.async_wait(asio::redirect_error(use_awaitable, waited));
  if (!shared->found) {
    if (waited) {
      throw boost::system::system_error(waited);
    }
    co_return because("has a host whose name could not be looked up in time");
  }
  if (shared->error || shared->found->empty()) {
    co_return because("has a host that is not known: " + shared->error.message());
  }
  for (const auto& each : *shared->found) {
    const auto address = each.endpoint().address();
    const bool is_allowed =
        is_public(address) || (options_.allow_http_and_loopback && address.is_loopback());
    if (!is_allowed) {
      co_return because("is at an address that is not public: " + address.to_string());
    }
  }
  co_return shared->found->begin()->endpoint();
}

awaitable<card_fetcher::answer> card_fetcher::fetch_once(hop& at, const std::string& etag) {
  const auto endpoint = co_await resolve(at);
  if (!endpoint) {
    co_return endpoint.error();
  }
  ++requests_;
  error_code error;
  result<response_type, text_error> got = because("");
  if (at.is_tls) {
    beast::ssl_stream<beast::tcp_stream> stream(executor_, tls_);
    auto& socket = beast::get_lowest_layer(stream);
    socket.expires_at(at.deadline);
    if (at.is_name() && SSL_set_tlsext_host_name(stream.native_handle(), at.host.c_str()) != 1) {
      co_return because("has a host whose name no TLS connection can be opened to");
    }
    stream.set_verify_callback(asio::ssl::host_name_verification(at.host));
    co_await socket.async_connect(*endpoint, asio::redirect_error(use_awaitable, error));
    if (error) {
      co_return failed("could not be connected to", error);
    }
    co_await stream.async_handshake(asio::ssl::stream_base::client,
                                    asio::redirect_error(use_awaitable, error));
    if (error) {
      co_return failed("has no valid certificate", error);
    }
    got = co_await get(stream, at.host_field(), at.target(), etag);
  } else {
    beast::tcp_stream stream(executor_);
    stream.expires_at(at.deadline);
    co_await stream.async_connect(*endpoint, asio::redirect_error(use_awaitable, error));
    if (error) {
      co_return failed("could not be connected to", error);
    }
    got = co_await get(stream, at.host_field(), at.target(), etag);
  }
  if (!got) {
    co_return got.error();
  }
  if (is_redirect(got->result_int())) {
    const auto to = urls::parse_uri_reference((*got)[beast::http::field::location]);
    urls::url next = at.url;
    if (!to || !urls::resolve(at.url, *to, next)) {
      co_return because("is redirected to what is no URL");
    }
    at.next = next;
    co_return because("is redirected");
  }
  co_return card_of(*std::move(got), std::string(at.url.buffer()), !etag.empty());
}

}  // namespace marketplace
