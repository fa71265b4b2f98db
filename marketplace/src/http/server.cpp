// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/http/forwarded.hpp>
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
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <list>
#include <memory>
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

// What comes while a request is served is read up to this size, to see the connection's end.
constexpr std::size_t most_read_ahead = std::size_t{64} * 1024;

// A request on its way in. Its headers are those before the body; what comes behind it is dropped.
struct incoming {
  parser reader;
  request head;
  std::size_t head_bytes = 0;
  std::optional<problem> wrong_host;

  incoming() {
    set_limits(reader);
    reader.on_chunk_header(check_chunk_);
  }

  // To be called when the header is complete.
  error_code take_head() {
    const auto& message = reader.get();
    if (!is_framed(message, message.version())) {
      return make_error_code(beast::http::error::bad_transfer_encoding);
    }
    head = request_of(message);
    head_bytes = bytes_in(message);
    try {
      require_host(message, message.version());
    } catch (const problem& what) {
      wrong_host = what;
    }
    return {};
  }

  // To be called when the whole is here.
  error_code check_trailers() const {
    const bool is_too_much =
        reader.chunked() && bytes_in(reader.get()) > head_bytes + max_header_bytes;
    return is_too_much ? make_error_code(beast::http::error::header_limit) : error_code();
  }

 private:
  std::function<void(std::uint64_t, std::string_view, error_code&)> check_chunk_ =
      [](std::uint64_t, std::string_view extensions, error_code& error) {
        if (extensions.size() > max_header_bytes) {
          error = make_error_code(beast::http::error::header_limit);
        }
      };
};

// Gives the parser what is here already; what it cannot use yet stays.
void feed(incoming& to, beast::flat_buffer& buffer, error_code& error) {
  while (!error && buffer.size() > 0 && !to.reader.is_done()) {
    const bool had_header = to.reader.is_header_done();
    buffer.consume(to.reader.put(buffer.data(), error));
    if (!error && !had_header) {
      error = to.take_head();
    }
  }
  if (error == beast::http::error::need_more) {
    error = {};
  }
}

bool may_have_body(const response& answer) {
  return answer.status != 204 && answer.status != 304;
}

// All that goes out before the body. (Beast's serializer, made for bodies that come in parts, would
// cost as much as the rest of a request that reads.)
std::string head_of(const response& answer, std::string_view request_id, bool keep) {
  const auto status = static_cast<beast::http::status>(answer.status);
  std::string text;
  text.reserve(512);
  const auto add = [&text](std::string_view name, std::string_view value) {
    text.append(name).append(": ").append(value).append("\r\n");
  };
  text.append("HTTP/1.1 ").append(std::to_string(answer.status)).append(" ");
  text.append(beast::http::obsolete_reason(status)).append("\r\n");
  if (!answer.content_type.empty()) {
    add("Content-Type", answer.content_type);
  }
  for (const auto& [name, value] : answer.headers) {
    add(name, value);
  }
  add("X-Request-Id", request_id);
  add("X-Content-Type-Options", "nosniff");
  if (!keep) {
    add("Connection", "close");
  }
  if (may_have_body(answer)) {
    add("Content-Length", std::to_string(answer.body.size()));
  }
  return text.append("\r\n");
}

// Empty lines before a request are those of a careless client (RFC 9112, 2.2).
void skip_empty_lines(beast::flat_buffer& buffer) {
  while (buffer.size() >= 2 && std::memcmp(buffer.data().data(), "\r\n", 2) == 0) {
    buffer.consume(2);
  }
}

}  // namespace

// One object for the server and all that its connections share; each of them keeps it alive.
class server::state : public std::enable_shared_from_this<state> {
 public:
  state(const asio::any_io_executor& executor, router routes, server_options options,
        std::function<void(const served&)> told)
      : acceptor_(executor),
        routes_(std::move(routes)),
        options_(std::move(options)),
        told_(std::move(told)),
        changed_(executor, clock::time_point::max()),
        tick_(executor) {}

  asio::ip::tcp::endpoint listen(const asio::ip::tcp::endpoint& endpoint) {
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(asio::socket_base::reuse_address(true));
    acceptor_.bind(endpoint);
    acceptor_.listen(asio::socket_base::max_listen_connections);
    return acceptor_.local_endpoint();
  }

  asio::awaitable<void> accept() {
    const auto self = shared_from_this();
    asio::co_spawn(acceptor_.get_executor(), enforce_deadlines(), asio::detached);
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
    for (const auto& each : connections_) {
      if (!each->is_busy) {
        each->stop_io();
      }
    }
    const auto deadline = clock::now() + grace;
    while (!connections_.empty()) {
      const bool is_late = clock::now() >= deadline;
      if (is_late) {
        is_past_grace_ = true;
        const auto all = connections_;  // one of them may end at once, and leave the list
        for (const auto& each : all) {
          each->cut.emit(asio::cancellation_type::terminal);
          each->stop_io();
        }
      }
      changed_.expires_at(is_late ? clock::time_point::max() : deadline);
      co_await changed_.async_wait(asio::redirect_error(use_awaitable, ignored));
    }
    tick_.cancel();
  }

  [[nodiscard]] bool is_stopping() const noexcept { return stopping_; }
  [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }

 private:
  struct connection : std::enable_shared_from_this<connection> {
    explicit connection(asio::ip::tcp::socket of) : socket(std::move(of)) {}

    void stop_io() {
      error_code ignored;
      socket.cancel(ignored);
    }
    void limit(std::chrono::milliseconds of) {
      deadline = clock::now() + of;
      is_late = false;
    }

    asio::ip::tcp::socket socket;
    beast::flat_buffer buffer{max_header_bytes + max_body_bytes};
    asio::cancellation_signal cut;                          // of the coroutine, while it serves
    clock::time_point deadline = clock::time_point::max();  // of what it reads or writes
    unsigned watch = 0;       // the number of the watch that may still act
    bool is_late = false;     // the deadline has passed
    bool is_gone = false;     // the client closed the connection while it was served
    bool is_busy = false;     // with a request, from its first byte
    bool has_unread = false;  // the last request was refused before its end
  };

  // One timer for all connections. It asks again and again for the end of what is late: an
  // operation of several steps may be between two of them when it is asked.
  asio::awaitable<void> enforce_deadlines() {
    const auto self = shared_from_this();
    const auto shortest = std::min(
        {options_.header_limit, options_.body_limit, options_.idle_limit, options_.write_limit});
    const auto every = std::clamp<std::chrono::milliseconds>(
        shortest / 8, std::chrono::milliseconds(5), std::chrono::seconds(1));
    error_code ignored;
    while (!stopping_ || !connections_.empty()) {
      tick_.expires_after(every);
      co_await tick_.async_wait(asio::redirect_error(use_awaitable, ignored));
      const auto now = clock::now();
      for (const auto& each : connections_) {
        if (each->deadline <= now) {
          each->is_late = true;
          each->stop_io();
        }
      }
    }
  }

  void start(asio::ip::tcp::socket socket) {
    error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    const auto c = std::make_shared<connection>(std::move(socket));
    const auto at = connections_.insert(connections_.begin(), c);
    asio::co_spawn(acceptor_.get_executor(), serve_all(*c),
                   asio::bind_cancellation_slot(
                       c->cut.slot(),
                       // c: the signal has to be there as long as what is bound to its slot.
                       [self = shared_from_this(), at, c](const std::exception_ptr&) {
                         error_code closed;
                         c->socket.close(closed);
                         self->connections_.erase(at);
                         self->changed_.cancel();
                       }));
  }

  asio::awaitable<void> serve_all(connection& c) {
    error_code ignored;
    const auto endpoint = c.socket.remote_endpoint(ignored);
    const std::string peer = ignored ? "unknown" : text_of(endpoint.address());
    while (co_await serve_one(c, peer)) {
    }
    c.socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    if (c.has_unread) {
      co_await drain(c);
    }
  }

  // Reads what the client still sends, for a moment: closing with unread bytes would reset the
  // connection, and the response with it.
  static asio::awaitable<void> drain(connection& c) {
    c.limit(std::chrono::seconds(2));
    std::array<char, 4096> bytes{};
    error_code error;
    for (int rounds = 0; rounds < 512 && !error; ++rounds) {
      co_await c.socket.async_read_some(asio::buffer(bytes),
                                        asio::redirect_error(use_awaitable, error));
    }
  }

  // Returns whether there may be another one on this connection.
  asio::awaitable<bool> serve_one(connection& c, const std::string& peer) {
    if (c.buffer.size() == 0) {  // between two requests
      c.is_busy = false;
      if (stopping_) {
        co_return false;
      }
      c.limit(options_.idle_limit);
      error_code error;
      const auto bytes = co_await c.socket.async_read_some(
          c.buffer.prepare(4096), asio::redirect_error(use_awaitable, error));
      if (error) {
        co_return false;
      }
      c.buffer.commit(bytes);
    }
    c.is_busy = true;
    const auto began = clock::now();

    incoming request_in;
    error_code error;
    c.is_late = false;
    skip_empty_lines(c.buffer);
    feed(request_in, c.buffer, error);
    if (!error && !request_in.reader.is_done()) {
      error = co_await read_rest(c, request_in);
    }
    c.deadline = clock::time_point::max();
    if (c.is_late) {
      error = beast::error::timeout;
      c.is_late = false;  // the client is still to be told
    }
    if (!error) {
      error = request_in.check_trailers();
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

    auto message = request_in.reader.release();
    const bool keep = message.keep_alive();
    const bool is_head = message.method() == beast::http::verb::head;
    request r = std::move(request_in.head);
    r.body = std::move(message.body());
    r.id = new_request_id();
    r.peer = peer_of(r, peer);
    const route* found = nullptr;
    response answer;
    std::optional<problem> wrong;
    try {
      if (request_in.wrong_host) {
        throw *std::move(request_in.wrong_host);
      }
      found = &routes_.find(r);
      if (found->may_wait) {
        answer = co_await serve_watched(c, *found, r);
      } else {
        answer = co_await serve(*found, r);
      }
    } catch (const problem& what) {
      wrong = what;
    }
    if (c.is_gone) {
      tell(r, found, gone_away, 0, began);
      co_return false;
    }
    if (wrong) {
      const problem_writer writer = found != nullptr ? found->write : routes_.writer_of(r.path());
      answer = writer ? writer(*wrong, r) : wrong->to_response(r.path(), r.id);
    }
    co_return co_await write(c, std::move(answer), r, keep && !stopping_, is_head, found, began);
  }

  // Reads what a request still lacks. Few do: most are here whole with their first bytes.
  asio::awaitable<error_code> read_rest(connection& c, incoming& in) {
    parser& reader = in.reader;
    error_code error;
    if (!reader.is_header_done()) {
      c.limit(options_.header_limit);
      co_await beast::http::async_read_header(c.socket, c.buffer, reader,
                                              asio::redirect_error(use_awaitable, error));
      if (!error) {
        error = in.take_head();
      }
    }
    if (!error && !reader.is_done()) {
      c.limit(options_.body_limit);
      if (ascii_lower(reader.get()[beast::http::field::expect]) == "100-continue") {
        beast::http::response<beast::http::empty_body> go_on(beast::http::status::continue_, 11);
        co_await beast::http::async_write(c.socket, go_on,
                                          asio::redirect_error(use_awaitable, error));
      }
    }
    if (!error && !reader.is_done()) {
      co_await beast::http::async_read(c.socket, c.buffer, reader,
                                       asio::redirect_error(use_awaitable, error));
    }
    co_return error;
  }

  // The client's address: the connection's, or what trusted proxies saw.
  [[nodiscard]] std::string peer_of(const request& r, const std::string& peer) const {
    const auto& trusted = options_.trusted_proxies;
    const auto is_trusted = [&](const std::string& address) {
      return std::find(trusted.begin(), trusted.end(), address) != trusted.end();
    };
    if (!is_trusted(peer)) {
      return peer;
    }
    // Each proxy appended the address it saw; what stands before the last of them that is trusted,
    // anybody may have written.
    const std::vector<std::string> chain = options_.forwarded == forwarded_header::standard
                                               ? forwarded_for(r.header_list("forwarded"))
                                               : x_forwarded_for(r.header_list("x-forwarded-for"));
    std::string client = peer;
    for (auto hop = chain.rbegin(); hop != chain.rend() && is_trusted(client); ++hop) {
      if (hop->empty()) {
        break;  // "unknown", or a name of the proxy's own making
      }
      client = *hop;
    }
    return client;
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
  static asio::awaitable<response> serve_watched(connection& c, const route& to, request& r) {
    // Whatever the last handler did to it: this one can be cancelled.
    co_await asio::this_coro::reset_cancellation_state();
    watch(c.shared_from_this(), ++c.watch);
    std::exception_ptr thrown;
    response answer;
    try {
      answer = co_await serve(to, r);
    } catch (...) {
      thrown = std::current_exception();
    }
    ++c.watch;
    c.stop_io();
    // A handler that was cut off because the service stops still gets its answer written.
    co_await asio::this_coro::reset_cancellation_state();
    if (thrown && !c.is_gone) {
      std::rethrow_exception(thrown);
    }
    co_return answer;
  }

  // Waits for the connection's end: reads ahead what comes before it.
  static void watch(const std::shared_ptr<connection>& c, unsigned number) {
    if (c->buffer.size() >= most_read_ahead) {
      return;
    }
    c->socket.async_wait(asio::socket_base::wait_read, [c, number](const error_code& error) {
      if (error || c->watch != number) {
        return;
      }
      const auto space = c->buffer.prepare(4096);
      const auto n = ::recv(c->socket.native_handle(), space.data(), space.size(), MSG_DONTWAIT);
      if (n > 0) {
        c->buffer.commit(static_cast<std::size_t>(n));
      } else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        c->is_gone = true;
        c->cut.emit(asio::cancellation_type::terminal);
        return;
      }
      watch(c, number);
    });
  }

  asio::awaitable<bool> write(connection& c, response answer, const request& r, bool keep,
                              bool is_head, const route* found, clock::time_point began) {
    const std::size_t bytes = answer.body.size();
    const std::string head = head_of(answer, r.id, keep);
    const bool has_body = !is_head && may_have_body(answer);
    const std::array<asio::const_buffer, 2> parts{
        asio::buffer(head), has_body ? asio::buffer(answer.body) : asio::const_buffer()};
    c.limit(is_past_grace_ ? std::chrono::milliseconds(1000) : options_.write_limit);
    error_code error;
    co_await asio::async_write(c.socket, parts, asio::redirect_error(use_awaitable, error));
    c.deadline = clock::time_point::max();
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
  std::list<std::shared_ptr<connection>> connections_;
  asio::steady_timer changed_;  // cancelled when a connection has ended
  asio::steady_timer tick_;     // of enforce_deadlines()
  bool stopping_ = false;
  bool is_past_grace_ = false;
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
