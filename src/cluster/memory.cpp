// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "engine.hpp"
#include <corolock/cluster/memory.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

COROLOCK_BEGIN
namespace cluster::detail {

namespace net = boost::asio;
using namespace std::chrono_literals;
using net::awaitable;
using duration = time_source::duration;
using time_point = time_source::time_point;

// The server: for each name the queue of those who asked, the first of whom holds the lock. Leases
// end when somebody looks, because nobody can tell the difference.
class memory_server {
 public:
  explicit memory_server(std::shared_ptr<time_source> time) : time_(std::move(time)) {}

  using id = std::uint64_t;
  // Called on any thread when a queue has changed.
  using waker = std::function<void()>;

  // A place in the queue of a name; the session numbers its own.
  struct place {
    std::string name;
    id session = 0;
    std::uint64_t number = 0;
  };
  struct state {
    bool is_first = false;
    std::uint64_t token = 0;  // 0: no place was taken
    time_point look_again{};  // when the lease of who is first ends
  };

  [[nodiscard]] const std::shared_ptr<time_source>& time() const noexcept { return time_; }

  id connect(duration ttl, waker wake) {
    const std::lock_guard hold(mutex_);
    const id name = ++last_session_;
    sessions_.emplace(name, lease{time_->now() + ttl, ttl, true, false, std::move(wake)});
    return name;
  }
  // The session's process is gone, and its executor with it; its lease goes on.
  void disconnect(id s) {
    const std::lock_guard hold(mutex_);
    if (const auto found = sessions_.find(s); found != sessions_.end()) {
      found->second.wake = [] {};
    }
  }
  verdict renew(id s) {
    const std::lock_guard hold(mutex_);
    return reply(s, [&](lease& l) {
      l.expires = time_->now() + l.ttl;
      return verdict::yes;
    });
  }
  void close(id s) {
    const std::lock_guard hold(mutex_);
    const auto found = sessions_.find(s);
    if (found != sessions_.end() && found->second.is_reachable) {
      end(found);
    }
  }

  // Takes the place, if there is to be waiting or nobody is there. Asking again for a place one has
  // is answered as the first time.
  verdict enter(const place& at, bool waits, state& is) {
    const std::lock_guard hold(mutex_);
    return reply(at.session, [&](lease&) {
      queue& all = queues_[at.name];
      auto here = find(all, at);
      if (here == all.end()) {
        if (!all.empty() && !waits) {
          is = state();
          return verdict::yes;
        }
        all.push_back({at.session, at.number, ++last_token_, time_->now(), false});
        here = std::prev(all.end());
      }
      is = {here == all.begin(), here->token, sessions_.at(all.front().session).expires};
      if (is.is_first && !std::exchange(here->is_counted, true)) {
        ++grants_;
      }
      return verdict::yes;
    });
  }
  // No: there was none.
  verdict leave(const place& at) {
    const std::lock_guard hold(mutex_);
    return reply(at.session, [&](lease&) {
      const bool is_left = erase(at.name, [&](const entry& e) {
        return e.session == at.session && e.number == at.number;
      });
      return is_left ? verdict::yes : verdict::no;
    });
  }
  verdict is_first(const place& at) {
    const std::lock_guard hold(mutex_);
    return reply(at.session, [&](lease&) {
      const auto found = queues_.find(at.name);
      const bool is = found != queues_.end() && find(found->second, at) == found->second.begin();
      return is ? verdict::yes : verdict::no;
    });
  }
  duration longest_wait(const std::string& name) {
    const std::lock_guard hold(mutex_);
    end_leases();
    const auto found = queues_.find(name);
    return found == queues_.end() || found->second.size() < 2
               ? duration()
               : time_->now() - found->second[1].since;
  }

  void set_reachable(id s, bool is) {
    const std::lock_guard hold(mutex_);
    if (const auto found = sessions_.find(s); found != sessions_.end()) {
      found->second.is_reachable = is;
      found->second.wake();
    }
  }
  void drop_next_reply(id s) {
    const std::lock_guard hold(mutex_);
    if (const auto found = sessions_.find(s); found != sessions_.end()) {
      found->second.drops_reply = true;
    }
  }
  void expire(id s) {
    const std::lock_guard hold(mutex_);
    if (const auto found = sessions_.find(s); found != sessions_.end()) {
      end(found);
    }
  }
  std::size_t queue_length(std::string_view name) {
    const std::lock_guard hold(mutex_);
    end_leases();
    const auto found = queues_.find(name);
    return found == queues_.end() ? 0 : found->second.size();
  }
  std::uint64_t grants() {
    const std::lock_guard hold(mutex_);
    return grants_;
  }

 private:
  struct lease {
    time_point expires;
    duration ttl;
    bool is_reachable;
    bool drops_reply;
    waker wake;
  };
  struct entry {
    id session;
    std::uint64_t number;
    std::uint64_t token;
    time_point since;
    bool is_counted;
  };
  using leases = std::map<id, lease>;
  using queue = std::deque<entry>;

  static queue::iterator find(queue& in, const place& at) {
    return std::ranges::find_if(
        in, [&](const entry& e) { return e.session == at.session && e.number == at.number; });
  }

  // Carries a request out, if it arrives; a session that is gone is told so.
  template <class Request>
  verdict reply(id s, Request request) {
    end_leases();
    const auto found = sessions_.find(s);
    if (found == sessions_.end()) {
      return verdict::no;
    }
    if (!found->second.is_reachable) {
      return verdict::unknown;
    }
    const verdict said = request(found->second);
    return std::exchange(found->second.drops_reply, false) ? verdict::unknown : said;
  }
  void end_leases() {
    const time_point now = time_->now();
    for (auto each = sessions_.begin(); each != sessions_.end();) {
      each = each->second.expires <= now ? end(each) : std::next(each);
    }
  }
  leases::iterator end(leases::iterator which) {
    std::vector<std::string> names;
    names.reserve(queues_.size());
    for (const auto& [name, all] : queues_) {
      names.push_back(name);
    }
    for (const std::string& name : names) {
      erase(name, [&](const entry& e) { return e.session == which->first; });
    }
    return sessions_.erase(which);
  }
  template <class Which>
  bool erase(const std::string& name, Which which) {
    const auto found = queues_.find(name);
    if (found == queues_.end() || std::erase_if(found->second, which) == 0) {
      return false;
    }
    for (const entry& each : found->second) {
      if (const auto other = sessions_.find(each.session); other != sessions_.end()) {
        other->second.wake();
      }
    }
    if (found->second.empty()) {
      queues_.erase(found);
    }
    return true;
  }

  const std::shared_ptr<time_source> time_;
  std::mutex mutex_;
  leases sessions_;
  std::map<std::string, queue, std::less<>> queues_;
  id last_session_ = 0;
  std::uint64_t last_token_ = 0;
  std::uint64_t grants_ = 0;
};

namespace {

constexpr capabilities memory_capabilities{.engine = "memory",
                                           .fenced = true,
                                           .fifo = true,
                                           .expires_when_paused = true,
                                           .lost_signal = false,
                                           .shared_mode = false,
                                           .least_ttl = 10ms};

class memory_engine final : public engine {
 public:
  memory_engine(strand on, std::shared_ptr<memory_server> server, duration ttl)
      : strand_(std::move(on)), server_(std::move(server)), ttl_(ttl) {}
  ~memory_engine() override { server_->disconnect(session_); }

  [[nodiscard]] capabilities what() const override { return memory_capabilities; }
  [[nodiscard]] std::string id() const override { return std::to_string(session_); }

  awaitable<void> open(std::function<void(std::string)>) override {
    session_ = server_->connect(ttl_, [on = strand_, all = waiting_] {
      net::post(on, [all] {
        for (attempt* each : *all) {
          each->wake();
        }
      });
    });
    co_return;
  }

  awaitable<acquired> acquire(const std::string& name, bool waits, attempt& a) override {
    const memory_server::place place{name, session_, ++last_place_};
    waiting_->insert(&a);
    acquired got;
    bool is_asked = false;
    bool is_answered = true;
    while (!a.ended()) {
      memory_server::state is;
      const verdict said = server_->enter(place, waits, is);
      if (said == verdict::no) {
        got.why = cluster_errc::session_lost;
        break;
      }
      is_asked = true;
      if (said == verdict::yes && is.token == 0) {
        is_asked = false;  // not free, and no place taken
        break;
      }
      if (said == verdict::yes && is.is_first) {
        got.grant = std::make_shared<remote_grant>();
        got.grant->token.token = is.token;
        got.grant->place = place.number;
        break;
      }
      // A reply that is missing is asked for again; then it waits until the server is back.
      const bool asks_again = said == verdict::unknown && is_answered;
      is_answered = said == verdict::yes;
      if (!asks_again) {
        co_await a.sleep(*server_->time(), is_answered ? is.look_again : time_point::max());
        is_answered = true;
      }
    }
    waiting_->erase(&a);
    if (!got.grant && is_asked) {
      leave(place);
    }
    co_return got;
  }

  awaitable<release_result> release(const std::string& name, const remote_grant& grant) override {
    const memory_server::place place{name, session_, grant.place};
    switch (leave(place)) {
      case verdict::yes: co_return release_result::released;
      case verdict::no: co_return release_result::already_lost;
      case verdict::unknown: break;
    }
    co_return release_result::unknown;
  }

  awaitable<verdict> verify(const std::string& name, const remote_grant& grant) override {
    co_return server_->is_first({name, session_, grant.place});
  }
  awaitable<duration> longest_wait(const std::string& name, const remote_grant&) override {
    co_return server_->longest_wait(name);
  }
  void forget(const std::string&) override {}

  awaitable<verdict> renew() override {
    const verdict said = server_->renew(session_);
    if (said == verdict::yes) {
      for (const auto& place : std::exchange(abandoned_, {})) {
        leave(place);
      }
    }
    co_return said;
  }
  awaitable<void> close() override {
    server_->close(session_);
    co_return;
  }

 private:
  // A place that cannot be left now is left by renew(). A reply that was lost says as much as the
  // second one: only we leave our places, while the lease lasts.
  verdict leave(const memory_server::place& place) {
    verdict said = server_->leave(place);
    if (said == verdict::unknown) {
      said = server_->leave(place) == verdict::unknown ? verdict::unknown : verdict::yes;
    }
    if (said == verdict::unknown) {
      abandoned_.push_back(place);
    }
    return said;
  }

  const strand strand_;
  const std::shared_ptr<memory_server> server_;
  const duration ttl_;
  memory_server::id session_ = 0;
  std::uint64_t last_place_ = 0;
  std::vector<memory_server::place> abandoned_;
  // Shared with what the server posts, which may come when the session is gone.
  std::shared_ptr<std::set<attempt*>> waiting_ = std::make_shared<std::set<attempt*>>();
};

memory_server::id number_of(const session& s) {
  return std::stoull(s.id());
}

}  // namespace

awaitable<std::tuple<std::exception_ptr, session>> connect_to_memory(
    strand on, std::shared_ptr<memory_server> server, session_options options) {
  options.time = server->time();
  auto by = std::make_unique<memory_engine>(on, std::move(server), options.ttl);
  return open_session(std::move(on), std::move(options), std::move(by));
}

std::shared_ptr<memory_server> shared_memory_server() {
  static const auto server = std::make_shared<memory_server>(steady_time());
  return server;
}

}  // namespace cluster::detail

memory_cluster::memory_cluster(std::shared_ptr<time_source> time)
    : server_(std::make_shared<cluster::detail::memory_server>(std::move(time))) {}

void memory_cluster::set_reachable(const session& s, bool is_reachable) {
  server_->set_reachable(cluster::detail::number_of(s), is_reachable);
}
void memory_cluster::drop_next_reply(const session& s) {
  server_->drop_next_reply(cluster::detail::number_of(s));
}
void memory_cluster::expire(const session& s) {
  server_->expire(cluster::detail::number_of(s));
}

std::size_t memory_cluster::queue_length(std::string_view name) const {
  return server_->queue_length(name);
}
std::uint64_t memory_cluster::grants() const {
  return server_->grants();
}

COROLOCK_END
