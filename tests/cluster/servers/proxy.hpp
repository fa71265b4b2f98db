// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// proxy: a stretch of network between a client and a server on this machine, with what networks
// do. It runs on the test's context.
//
//   lose_reply_to(text)   of the next request with that text in it, which the server carries out
//   cut(text)             ends the connections that have had a request with it
//   part(), join()        nothing gets through, without a word; what was sent meanwhile is lost

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace corolock_test {

namespace asio = boost::asio;

class proxy {
 public:
  /// What becomes of the connection whose reply is lost.
  enum class then { closed, silent };

  proxy(asio::io_context& context, asio::ip::port_type server)
      : state_(std::make_shared<state>(context, server)) {
    asio::co_spawn(context, accept(state_), asio::detached);
  }
  proxy(const proxy&) = delete;
  proxy& operator=(const proxy&) = delete;
  ~proxy() {
    boost::system::error_code ignored;
    state_->acceptor.close(ignored);
    state_->close_if([](const link&) { return true; });
  }

  [[nodiscard]] asio::ip::port_type port() const {
    return state_->acceptor.local_endpoint().port();
  }

  void lose_reply_to(std::string text, then what = then::closed) {
    state_->unlucky = std::move(text);
    state_->what = what;
  }
  /// How many replies have been lost.
  [[nodiscard]] std::size_t lost() const { return state_->lost; }

  /// How many were ended.
  std::size_t cut(std::string_view text) {
    return state_->close_if(
        [&](const link& each) { return each.asked.find(text) != std::string::npos; });
  }

  void part() {
    state_->is_parted = true;
    for (const auto& each : state_->links) {
      each->is_dead = true;
    }
  }
  void join() {
    state_->is_parted = false;
    state_->close_if([](const link& each) { return each.is_dead; });
  }

 private:
  using tcp = asio::ip::tcp;

  struct link {
    explicit link(asio::io_context& context) : client(context), server(context) {}

    void close() {
      boost::system::error_code ignored;
      client.close(ignored);
      server.close(ignored);
      is_open = false;
    }

    tcp::socket client;
    tcp::socket server;
    std::string asked;
    bool is_open = true;
    bool is_unlucky = false;  // the next reply is lost
    bool is_dead = false;     // nothing gets through
  };

  struct state {
    state(asio::io_context& on, asio::ip::port_type to)
        : context(on), acceptor(on, {asio::ip::address_v4::loopback(), 0}), server(to) {}

    template <class Which>
    std::size_t close_if(Which which) {
      std::size_t count = 0;
      for (const auto& each : links) {
        if (each->is_open && which(*each)) {
          each->close();
          ++count;
        }
      }
      std::erase_if(links, [](const auto& each) { return !each->is_open; });
      return count;
    }

    asio::io_context& context;
    tcp::acceptor acceptor;
    const asio::ip::port_type server;
    std::vector<std::shared_ptr<link>> links;
    std::string unlucky;
    then what = then::closed;
    std::size_t lost = 0;
    bool is_parted = false;
  };

  static asio::awaitable<void> accept(std::shared_ptr<state> s) {
    constexpr auto token = asio::as_tuple(asio::use_awaitable);
    for (;;) {
      const auto made = std::make_shared<link>(s->context);
      const auto [refused] = co_await s->acceptor.async_accept(made->client, token);
      if (refused) {
        break;
      }
      const tcp::endpoint there(asio::ip::address_v4::loopback(), s->server);
      const auto [nobody] = co_await made->server.async_connect(there, token);
      if (nobody) {
        continue;  // the client finds its connection closed
      }
      made->is_dead = s->is_parted;
      s->links.push_back(made);
      asio::co_spawn(s->context, pass_requests(s, made), asio::detached);
      asio::co_spawn(s->context, pass_replies(s, made), asio::detached);
    }
  }

  static asio::awaitable<void> pass_requests(std::shared_ptr<state> s, std::shared_ptr<link> l) {
    constexpr auto token = asio::as_tuple(asio::use_awaitable);
    std::array<char, 4096> part{};
    for (;;) {
      const auto [end, size] = co_await l->client.async_read_some(asio::buffer(part), token);
      if (end) {
        break;
      }
      const std::size_t before = l->asked.size();
      l->asked.append(part.data(), size);
      const std::size_t from = before - std::min(before, s->unlucky.size());  // it may be split
      if (!s->unlucky.empty() && l->asked.find(s->unlucky, from) != std::string::npos) {
        s->unlucky.clear();
        l->is_unlucky = true;
      }
      if (!l->is_dead) {
        const auto [failed, sent] =
            co_await asio::async_write(l->server, asio::buffer(part.data(), size), token);
        if (failed) {
          break;
        }
      }
    }
    l->close();
  }

  static asio::awaitable<void> pass_replies(std::shared_ptr<state> s, std::shared_ptr<link> l) {
    constexpr auto token = asio::as_tuple(asio::use_awaitable);
    std::array<char, 4096> part{};
    for (;;) {
      const auto [end, size] = co_await l->server.async_read_some(asio::buffer(part), token);
      if (end) {
        break;
      }
      if (l->is_unlucky) {
        l->is_unlucky = false;
        l->is_dead = true;
        ++s->lost;
        if (s->what == then::closed) {
          break;
        }
      }
      if (!l->is_dead) {
        const auto [failed, sent] =
            co_await asio::async_write(l->client, asio::buffer(part.data(), size), token);
        if (failed) {
          break;
        }
      }
    }
    l->close();
  }

  std::shared_ptr<state> state_;
};

}  // namespace corolock_test
