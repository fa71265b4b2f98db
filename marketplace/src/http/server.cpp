// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/http/parser.hpp>
#include <marketplace/http/server.hpp>
#include <marketplace/text.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <list>
#include <optional>
#include <random>
#include <utility>

namespace marketplace::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::use_awaitable;
using boost::system::error_code;
using clock = std::chrono::steady_clock;
constexpr unsigned gone_away = 499;

std::string new_request_id() {
  static std::mt19937_64 random{std::random_device()()};
  constexpr std::string_view digits = "0123456789abcdef";
  std::uint64_t bits = random();
  std::string id(16, '0');
  for (char& c : id) {
    c = digits[bits & 15U];
    bits >>= 4U;
  }
  return id;
}

}  // namespace

// A limit on the time that reading takes. Not the stream's own: that one closes the socket, and the
// client is still to be told.
class read_limit {
 public:
  explicit read_limit(beast::tcp_stream& stream)
      : timer_(stream.get_executor()), alarm_(std::make_shared<alarm>(stream)) {}
  read_limit(const read_limit&) = delete;
  read_limit& operator=(const read_limit&) = delete;
  ~read_limit() { end(); }

  void begin(std::chrono::milliseconds limit) {
    timer_.expires_after(limit);
    timer_.async_wait([alarm = alarm_, round = ++alarm_->round](const error_code& error) {
      if (!error && alarm->round == round) {
        alarm->has_rung = true;
        alarm->stream.cancel();
      }
    });
  }
  void end() {
    ++alarm_->round;  // a wait that is over, but whose handler has not run, is of no round
    timer_.cancel();
  }
  [[nodiscard]] bool has_passed() const noexcept { return alarm_->has_rung; }

 private:
  struct alarm {
    explicit alarm(beast::tcp_stream& s) : stream(s) {}
    beast::tcp_stream& stream;  // there while the round is the present one
    unsigned round = 0;
    bool has_rung = false;
  };

  asio::steady_timer timer_;
  std::shared_ptr<alarm> alarm_;
};

// One object for the server and all that its connections share; each of them keeps it alive.
class server::state : public std::enable_shared_from_this<state> {
 public:
  state(const asio::any_io_executor& executor, router routes, server_options options,
        std::function<void(const served&)> told)
      : acceptor_(executor),
        routes_(std::move(routes)),
        options_(std::move(options)),
        told_(std::move(told)),
        changed_(executor, clock::time_point::max()) {}

  asio::ip::tcp::endpoint listen(const asio::ip::tcp::endpoint& endpoint) {
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(asio::socket_base::reuse_address(true));
    acceptor_.bind(endpoint);
    acceptor_.listen(asio::socket_base::max_listen_connections);
    return acceptor_.local_endpoint();
  }

  asio::awaitable<void> accept() {
    const auto self = shared_from_this();
    asio::steady_timer pause(acceptor_.get_executor());
    while (!stopping_) {
      error_code error;
      auto socket = co_await acceptor_.async_accept(asio::redirect_error(use_awaitable, error));
      if (stopping_ || error == asio::error::operation_aborted) {
        break;
      }
      if (error) {  // no file descriptors left, say: they come back
        pause.expires_after(std::chrono::milliseconds(100));
        co_await pause.async_wait(asio::redirect_error(use_awaitable, error));
        continue;
      }
      if (connections_.size() < options_.connections) {
        start(std::move(socket));
      }
    }
  }

  asio::awaitable<void> stop(std::chrono::milliseconds grace) {
    const auto self = shared_from_this();
    stopping_ = true;
    error_code ignored;
    acceptor_.close(ignored);
    for (connection& each : connections_) {
      if (!each.is_busy) {
        each.stream.cancel();
      }
    }
    const auto deadline = clock::now() + grace;
    while (!connections_.empty()) {
      const bool is_late = clock::now() >= deadline;
      if (is_late) {
        for (connection& each : connections_) {
          each.cut.emit(asio::cancellation_type::terminal);
          each.stream.cancel();
        }
      }
      changed_.expires_at(is_late ? clock::time_point::max() : deadline);
      co_await changed_.async_wait(asio::redirect_error(use_awaitable, ignored));
    }
  }

  [[nodiscard]] bool is_stopping() const noexcept { return stopping_; }
  [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }

 private:
  struct connection {
    explicit connection(asio::ip::tcp::socket socket) : stream(std::move(socket)) {}
    beast::tcp_stream stream;
    read_limit limit{stream};
    beast::flat_buffer buffer{max_header_bytes + max_body_bytes};
    asio::cancellation_signal cut;  // of the handler that runs
    bool is_busy = false;           // with a request, from its first byte
    bool has_unread = false;        // the last request was refused before its end
  };
  using place = std::list<connection>::iterator;

  void start(asio::ip::tcp::socket socket) {
    error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    connections_.emplace_front(std::move(socket));
    const place at = connections_.begin();
    asio::co_spawn(
        acceptor_.get_executor(), serve_all(at),
        [self = shared_from_this(), at](const std::exception_ptr&) {
          self->connections_.erase(at);  // its socket was closed by what went wrong, or is now
          self->changed_.cancel();
        });
  }

  asio::awaitable<void> serve_all(place at) {
    connection& c = *at;
    error_code ignored;
    const auto endpoint = c.stream.socket().remote_endpoint(ignored);
    const std::string peer = ignored ? "unknown" : endpoint.address().to_string();
    while (co_await serve_one(c, peer)) {
    }
    c.stream.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    if (c.has_unread) {
      co_await drain(c);
    }
  }

  // Reads what the client still sends, for a moment: closing with unread bytes would reset the
  // connection, and the response with it.
  static asio::awaitable<void> drain(connection& c) {
    c.stream.expires_after(std::chrono::seconds(2));
    std::array<char, 4096> bytes{};
    error_code error;
    for (int rounds = 0; rounds < 512 && !error; ++rounds) {
      co_await c.stream.async_read_some(asio::buffer(bytes),
                                        asio::redirect_error(use_awaitable, error));
    }
  }

  // Returns whether there may be another one on this connection.
  asio::awaitable<bool> serve_one(connection& c, const std::string& peer) {
    parser reader;
    set_limits(reader);

    if (c.buffer.size() == 0) {  // between two requests
      c.is_busy = false;
      if (stopping_) {
        co_return false;
      }
      c.stream.expires_after(options_.idle_limit);
      error_code error;
      const auto bytes = co_await c.stream.async_read_some(
          c.buffer.prepare(4096), asio::redirect_error(use_awaitable, error));
      if (error) {
        co_return false;
      }
      c.buffer.commit(bytes);
    }
    c.is_busy = true;
    const auto began = clock::now();

    error_code error;
    c.stream.expires_never();
    c.limit.begin(options_.header_limit);
    co_await beast::http::async_read_header(c.stream, c.buffer, reader,
                                            asio::redirect_error(use_awaitable, error));
    if (!error && !is_framed(reader.get())) {
      error = beast::http::make_error_code(beast::http::error::bad_transfer_encoding);
    }
    if (!error && ascii_lower(reader.get()[beast::http::field::expect]) == "100-continue") {
      beast::http::response<beast::http::empty_body> go_on(beast::http::status::continue_, 11);
      co_await beast::http::async_write(c.stream, go_on,
                                        asio::redirect_error(use_awaitable, error));
    }
    if (!error && !reader.is_done()) {
      c.limit.begin(options_.body_limit);
      co_await beast::http::async_read(c.stream, c.buffer, reader,
                                       asio::redirect_error(use_awaitable, error));
    }
    c.limit.end();
    if (c.limit.has_passed()) {
      error = beast::error::timeout;
    }
    if (error) {
      if (const auto wrong = problem_of(error)) {
        request r;
        r.id = new_request_id();
        r.peer = peer;
        r.target = "-";
        c.has_unread = true;
        co_await write(c, wrong->to_response("", r.id), r, false, false, nullptr, began);
      }
      co_return false;
    }

    auto message = reader.release();
    const bool keep = message.keep_alive();
    const bool is_head = message.method() == beast::http::verb::head;
    request r = request_of(message);
    r.id = new_request_id();
    r.peer = peer_of(r, peer);
    const route* found = nullptr;
    response answer;
    bool is_gone = false;
    std::optional<problem> wrong;
    try {
      require_host(message, message.version());
      found = &routes_.find(r);
      if (found->may_wait) {
        answer = co_await serve_watched(c, *found, r, is_gone);
      } else {
        answer = co_await serve(*found, r);
      }
    } catch (const problem& what) {
      wrong = what;
    }
    if (is_gone) {
      tell(r, found, gone_away, 0, began);
      co_return false;
    }
    if (wrong) {
      const problem_writer writer = found != nullptr ? found->write : routes_.writer_of(r.path());
      answer = writer ? writer(*wrong, r) : wrong->to_response(r.path(), r.id);
    }
    co_return co_await write(c, std::move(answer), r, keep && !stopping_, is_head, found, began);
  }

  // The client's address: the connection's, or what a trusted proxy saw.
  [[nodiscard]] std::string peer_of(const request& r, const std::string& peer) const {
    const auto& trusted = options_.trusted_proxies;
    if (std::find(trusted.begin(), trusted.end(), peer) != trusted.end()) {
      // The proxy appended the address it saw; what stands before it, anybody may have written.
      const std::string_view chain = r.header("x-forwarded-for");
      const std::string_view last = trimmed(chain.substr(chain.rfind(',') + 1));
      if (!last.empty() && last.size() <= 64) {
        return std::string(last);
      }
    }
    return peer;
  }

  // Never throws but problems: what a handler does not expect is a 500 with a sentence in the log.
  static asio::awaitable<response> serve(const route& to, request& r) {
    try {
      co_return co_await to.serve(r);
    } catch (const problem&) {
      throw;
    } catch (const boost::system::system_error& error) {
      if (error.code() == asio::error::operation_aborted) {
        throw problem::unavailable("the service is stopping");
      }
      throw problem(500, "INTERNAL_ERROR", "something went wrong: " + std::string(error.what()));
    } catch (const std::exception& error) {
      throw problem(500, "INTERNAL_ERROR", "something went wrong: " + std::string(error.what()));
    }
  }

  // Serves while the socket is watched. If the client goes away, cancels the handler, and waits for
  // its end all the same: what it holds is given back by itself.
  asio::awaitable<response> serve_watched(connection& c, const route& to, request& r,
                                          bool& is_gone) {
    struct watch_state {
      bool is_over = false;
    };
    const auto watch = std::make_shared<watch_state>();
    if (c.buffer.size() == 0) {  // else its next request is here: it has not gone
      c.stream.socket().async_wait(
          asio::socket_base::wait_read, [watch, &c, &is_gone](const error_code& error) {
            if (error || watch->is_over) {
              return;
            }
            char byte = 0;
            const auto n =
                ::recv(c.stream.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
            if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)) {
              is_gone = true;
              c.cut.emit(asio::cancellation_type::terminal);
            }
          });
    }
    std::exception_ptr thrown;
    response answer;
    try {
      answer = co_await asio::co_spawn(acceptor_.get_executor(), serve(to, r),
                                       asio::bind_cancellation_slot(c.cut.slot(), use_awaitable));
    } catch (...) {
      thrown = std::current_exception();
    }
    watch->is_over = true;
    error_code ignored;
    c.stream.socket().cancel(ignored);
    if (is_gone) {
      co_return response();
    }
    if (thrown) {
      std::rethrow_exception(thrown);
    }
    co_return answer;
  }

  asio::awaitable<bool> write(connection& c, response answer, const request& r, bool keep,
                              bool is_head, const route* found, clock::time_point began) {
    beast::http::response<beast::http::string_body> message;
    message.version(11);
    message.result(answer.status);
    if (!answer.content_type.empty()) {
      message.set(beast::http::field::content_type, answer.content_type);
    }
    for (const auto& [name, value] : answer.headers) {
      message.insert(name, value);
    }
    message.set("X-Request-Id", r.id);
    message.set("X-Content-Type-Options", "nosniff");
    message.keep_alive(keep);
    const bool has_body = answer.status != 204 && answer.status != 304;
    const std::size_t bytes = answer.body.size();
    if (has_body) {
      message.content_length(bytes);
      if (!is_head) {
        message.body() = std::move(answer.body);
      }
    }
    c.stream.expires_after(options_.write_limit);
    error_code error;
    if (is_head) {
      beast::http::response_serializer<beast::http::string_body> serializer(message);
      co_await beast::http::async_write_header(c.stream, serializer,
                                               asio::redirect_error(use_awaitable, error));
    } else {
      co_await beast::http::async_write(c.stream, message,
                                        asio::redirect_error(use_awaitable, error));
    }
    tell(r, found, answer.status, bytes, began);
    co_return keep && !error;
  }

  void tell(const request& r, const route* found, unsigned status, std::size_t bytes,
            clock::time_point began) const {
    if (!told_) {
      return;
    }
    served what;
    what.method = r.method;
    what.pattern = found != nullptr ? std::string_view(found->pattern) : std::string_view("-");
    what.target = r.target;
    what.peer = r.peer;
    what.id = r.id;
    what.status = status;
    what.bytes = bytes;
    what.took = clock::now() - began;
    told_(what);
  }

  asio::ip::tcp::acceptor acceptor_;
  const router routes_;
  const server_options options_;
  const std::function<void(const served&)> told_;
  std::list<connection> connections_;
  asio::steady_timer changed_;  // cancelled when a connection has ended
  bool stopping_ = false;
};

server::server(const boost::asio::any_io_executor& executor, router routes, server_options options,
               std::function<void(const served&)> told)
    : state_(std::make_shared<state>(executor, std::move(routes), std::move(options),
                                     std::move(told))) {}
server::~server() = default;

asio::ip::tcp::endpoint server::listen(const asio::ip::tcp::endpoint& endpoint) {
  return state_->listen(endpoint);
}
asio::awaitable<void> server::run() {
  return state_->accept();
}
asio::awaitable<void> server::stop(std::chrono::milliseconds grace) {
  return state_->stop(grace);
}
bool server::is_stopping() const noexcept {
  return state_->is_stopping();
}
std::size_t server::connections() const noexcept {
  return state_->connections();
}

}  // namespace marketplace::http
