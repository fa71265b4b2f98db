// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/cluster/time_source.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

COROLOCK_BEGIN
namespace {

namespace net = boost::asio;

class steady_source final : public time_source {
 public:
  [[nodiscard]] time_point now() const override { return std::chrono::steady_clock::now(); }
  net::awaitable<void> sleep(timer on, time_point limit) override {
    on->expires_at(limit);
    co_await on->async_wait(net::as_tuple(net::use_awaitable));
  }
};

}  // namespace

std::shared_ptr<time_source> steady_time() {
  static const auto source = std::make_shared<steady_source>();
  return source;
}

time_source::time_point manual_time::now() const {
  const std::lock_guard hold(mutex_);
  return now_;
}

net::awaitable<void> manual_time::sleep(timer on, time_point limit) {
  {
    const std::lock_guard hold(mutex_);
    if (limit <= now_) {
      co_return;
    }
    sleepers_.push_back({limit, on});
  }
  const waking at_last(*this, on);
  // Never by itself: advance() cancels it, or whoever else has the timer.
  on->expires_at(time_point::max());
  co_await on->async_wait(net::as_tuple(net::use_awaitable));
}

void manual_time::forget(const timer& on) {
  const std::lock_guard hold(mutex_);
  const auto here = std::ranges::find(sleepers_, on, &sleeper::on);
  if (here != sleepers_.end()) {
    sleepers_.erase(here);
  }
}

void manual_time::advance(duration by) {
  const std::lock_guard hold(mutex_);
  now_ += by;
  for (const sleeper& each : sleepers_) {
    if (each.limit <= now_) {
      // On the sleeper's own executor, where the timer is used.
      net::post(each.on->get_executor(), [timer = each.on] { timer->cancel(); });
    }
  }
}

COROLOCK_END
