// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "../sql/engine.hpp"
#include "connection.hpp"
#include <marketplace/postgresql_catalog.hpp>

#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <utility>

namespace marketplace {
namespace {

namespace asio = boost::asio;

constexpr std::size_t reader_count = 8;
constexpr auto before_the_next_attempt = std::chrono::seconds(1);

}  // namespace

// An engine that is told of other processes' changes, on a connection for nothing else.
class postgresql_catalog::listening_engine final : public sql_catalog::engine {
 public:
  listening_engine(parts with, const std::string& url)
      : engine(std::move(with)), listener_(url), pause_(writer_thread_) {}
  ~listening_engine() override {
    asio::post(writer_thread_, [this] {
      is_stopped_ = true;
      pause_.cancel();
      listener_.cancel();
    });
    finish();
  }

  void on_change(std::function<void()> told) override {
    engine::on_change(told);
    told_ = std::move(told);
    asio::co_spawn(writer_thread_, listen(), asio::detached);
  }

 private:
  asio::awaitable<void> listen() {
    while (!is_stopped_) {
      try {
        co_await listener_.connect();
        co_await listener_.execute(postgresql::listen, sql::values());
        told_();  // what happened before
        while (!is_stopped_) {
          co_await listener_.notification();
          told_();
        }
      } catch (const sql::error&) {
        // The server is away, which the reads and the writes report.
      }
      if (!is_stopped_) {
        pause_.expires_after(before_the_next_attempt);
        boost::system::error_code ignored;
        co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      }
    }
  }

  // All of these are the writer thread's.
  postgresql::connection listener_;
  asio::steady_timer pause_;
  std::function<void()> told_;
  bool is_stopped_ = false;
};

std::unique_ptr<sql_catalog::engine> postgresql_catalog::make_engine(const std::string& url,
                                                                     storage_observer observer) {
  engine::parts parts;
  parts.words = &postgresql::dialect;
  parts.writer = std::make_unique<postgresql::connection>(url);
  parts.readers.reserve(reader_count);
  for (std::size_t i = 0; i < reader_count; ++i) {
    parts.readers.push_back(std::make_unique<postgresql::connection>(url));
  }
  parts.observer = std::move(observer);
  return std::make_unique<listening_engine>(std::move(parts), url);
}

postgresql_catalog::postgresql_catalog(const std::string& url, storage_observer observer)
    : sql_catalog(make_engine(url, std::move(observer))) {}

}  // namespace marketplace
