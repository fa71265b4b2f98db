// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// A session has one connection, on which it takes the locks that are free: they are the server's
// as long as the connection lives. Who has to wait does so on a connection of its own, one per
// name, and then holds the lock there. The server frees the locks of a connection that ends; one
// that is cut off it gives up after a ttl (tcp_user_timeout), so every connection with a lock is
// asked something three times per ttl, and the deadline counts from when that was sent.

#include "engine.hpp"

#include "connection.hpp"
#include <corolock/asio/lock.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>
#include <utility>
#include <vector>

COROLOCK_BEGIN
namespace cluster::detail::postgresql {

namespace net = boost::asio;
using namespace std::chrono_literals;
using net::awaitable;
using duration = time_source::duration;
using time_point = std::chrono::steady_clock::time_point;
using connection_ptr = std::shared_ptr<connection>;

namespace {

constexpr capabilities postgresql_capabilities{.engine = "postgresql",
                                               .fenced = true,
                                               .fifo = true,
                                               .expires_when_paused = false,
                                               .lost_signal = true,
                                               .shared_mode = false,
                                               .least_ttl = 3s};

// pg_locks tells since when a lock is waited for from this version on.
constexpr int least_version = 140000;

// What is asked often is planned once per connection; each takes the lock's key. The server plans
// nextval() with the sequence, so that has to be there.
struct prepared {
  const char* name;
  const char* text;
};
constexpr prepared try_lock{
    "corolock_try_lock",
    "SELECT CASE WHEN pg_try_advisory_lock($1) THEN nextval('corolock_tokens') END"};
// From left to right: the token is drawn when the lock is held.
constexpr prepared lock_and_token{"corolock_lock",
                                  "SELECT pg_advisory_lock($1), nextval('corolock_tokens')"};
constexpr prepared unlock{"corolock_unlock", "SELECT pg_advisory_unlock($1)"};
constexpr prepared is_mine{
    "corolock_is_mine",
    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()"
    " AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = $1"};
constexpr prepared longest_wait_of_others{
    "corolock_longest_wait",
    "SELECT (1000000 * max(extract(epoch FROM clock_timestamp() - coalesce(waitstart,"
    " clock_timestamp()))))::bigint FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = $1"};
constexpr std::array all_prepared{try_lock, lock_and_token, unlock, is_mine,
                                  longest_wait_of_others};

// One number space for all programs on the database: a hash of 64 bits, of a text of ours. Names
// that collide share a lock, which is safe.
std::int64_t key_of(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
  for (const std::string_view part : {std::string_view("corolock:"), name}) {
    for (const char c : part) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    }
  }
  return static_cast<std::int64_t>(hash);
}

std::uint64_t number_in(const std::string& text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

class postgresql_engine final : public engine {
 public:
  postgresql_engine(strand on, std::string url, const session_options& options)
      : strand_(std::move(on)),
        url_(std::move(url)),
        ttl_(options.ttl),
        time_to_connect_(options.time_to_connect),
        main_(std::make_shared<connection>(strand_, url_)) {}

  [[nodiscard]] capabilities what() const override { return postgresql_capabilities; }
  [[nodiscard]] std::string id() const override { return id_; }

  awaitable<void> open(std::function<void(std::string)> lose) override {
    lose_ = std::move(lose);
    const time_point limit = std::chrono::steady_clock::now() + time_to_connect_;
    try {
      co_await connect(main_, limit);
      co_await require_no_pooler(limit);
      co_await require_sequence(limit);
      co_await prepare(main_, limit);
    } catch (const gone& error) {
      throw cluster_error(cluster_errc::unreachable, error.what());
    } catch (const cluster_error&) {
      main_->close("the server does not do");  // it would live on, with the locks it may have
      throw;
    }
  }

  awaitable<acquired> acquire(const std::string& name, bool waits, attempt& a) override {
    acquired got;
    const std::int64_t key = key_of(name);
    if (!keys_.insert(key).second) {
      // Another name of this session has this key, and the server would let us in twice.
      got.why = cluster_errc::invalid_name;
      co_return got;
    }
    try {
      const auto token = co_await main_->ask(try_lock.name, std::to_string(key), limit());
      if (token) {
        got.grant = grant_of(*token, 0);
      } else if (waits) {
        got.grant = co_await wait_for(key, a);
      }
    } catch (const std::exception& error) {
      got.text = error.what();
      got.why = failure(error);
    }
    if (!got.grant) {
      keys_.erase(key);
    }
    co_return got;
  }

  awaitable<release_result> release(const std::string& name, const remote_grant& grant) override {
    const std::int64_t key = key_of(name);
    const connection_ptr c = connection_of(grant);
    release_result result = release_result::unknown;
    try {
      const auto was_held = co_await c->ask(unlock.name, std::to_string(key), limit());
      result = was_held == "t" ? release_result::released : release_result::already_lost;
    } catch (const std::exception& error) {
      failure(error);
    }
    keys_.erase(key);
    if (grant.place != 0) {
      waiters_.erase(grant.place);
      keep(c);
    }
    co_return result;
  }

  awaitable<verdict> verify(const std::string& name, const remote_grant& grant) override {
    const connection_ptr c = connection_of(grant);
    try {
      const auto mine = co_await c->ask(is_mine.name, std::to_string(key_of(name)), limit());
      co_return mine ? verdict::yes : verdict::no;
    } catch (const std::exception& error) {
      failure(error);
    }
    co_return verdict::unknown;
  }

  awaitable<duration> longest_wait(const std::string& name, const remote_grant&) override {
    try {
      const auto waited =
          co_await main_->ask(longest_wait_of_others.name, std::to_string(key_of(name)), limit());
      co_return waited ? std::chrono::microseconds(number_in(*waited)) : duration();
    } catch (const std::exception& error) {
      failure(error);
    }
    co_return duration::max();
  }

  void forget(const std::string&) override {}

  awaitable<verdict> renew() override {
    std::vector<connection_ptr> all{main_};
    all.reserve(1 + waiters_.size());
    for (const auto& [place, each] : waiters_) {
      all.push_back(each);
    }
    verdict result = verdict::yes;
    for (const connection_ptr& each : all) {
      try {
        co_await each->ask("SELECT 1", limit());
      } catch (const std::exception& error) {
        const bool is_needed = each == main_ || std::ranges::any_of(waiters_, [&](const auto& one) {
                                 return one.second == each;
                               });
        if (is_needed) {  // it may have given its lock back meanwhile, and been closed
          failure(error);
          result = verdict::no;
        }
      }
    }
    co_return result;
  }

  awaitable<void> close() override {
    main_->close("the session is closed");
    for (const auto& [place, each] : std::exchange(waiters_, {})) {
      each->close("the session is closed");
    }
    for (const connection_ptr& each : std::exchange(idle_, {})) {
      each->close("the session is closed");
    }
    co_return;
  }

 private:
  // Beyond it the session is lost anyway.
  [[nodiscard]] time_point limit() const { return std::chrono::steady_clock::now() + ttl_; }

  connection_ptr connection_of(const remote_grant& grant) {
    return grant.place == 0 ? main_ : waiters_.at(grant.place);
  }

  // What a failure means to who asked; the end of a connection is the end of the session.
  error_code failure(const std::exception& error) {
    if (const auto* refused = dynamic_cast<const cluster_error*>(&error)) {
      return refused->code();
    }
    lose_(error.what());
    return cluster_errc::session_lost;
  }

  awaitable<void> connect(connection_ptr c, time_point until) {
    co_await c->connect(until);
    if (c->version() < least_version) {
      throw cluster_error(cluster_errc::wrong_server, "PostgreSQL " +
                                                          std::to_string(c->version() / 10000) +
                                                          " is too old: at least 14 is needed");
    }
    // A third of the ttl without a word, then a probe a second; after a ttl the server gives up.
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(ttl_);
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(ttl_);
    const std::string quiet = std::to_string(std::max<std::int64_t>(1, seconds.count() / 3));
    const std::vector<std::pair<std::string, std::string>> settings{
        {"statement_timeout", "0"},
        {"lock_timeout", "0"},
        {"idle_session_timeout", "0"},
        {"client_connection_check_interval", "1000"},
        {"tcp_keepalives_idle", quiet},
        {"tcp_keepalives_interval", "1"},
        {"tcp_keepalives_count", std::to_string(seconds.count())},
        {"tcp_user_timeout", std::to_string(milliseconds.count())},
    };
    std::string set;
    for (const auto& [name, value] : settings) {
      set.append("SET ").append(name).append(" = ").append(value).append(";");
    }
    co_await c->ask(set, until);
    if (is_pooled_) {
      const auto process = co_await c->ask("SELECT pg_backend_pid()", until);
      c->set_process(static_cast<int>(number_in(process.value_or(""))));
    }
    c->on_end([this](const std::string& why) { lose_(why); });
  }

  static awaitable<void> prepare(connection_ptr c, time_point until) {
    std::string all;
    for (const auto& [name, text] : all_prepared) {
      all.append("PREPARE ").append(name).append("(bigint) AS ").append(text).append(";");
    }
    co_await c->ask(all, until);
  }

  // A pooler that gives every transaction another backend cannot keep a session's lock. One that is
  // there answers with a process id of its own; then a second connection takes a backend and keeps
  // it, and the first must have had another.
  awaitable<void> require_no_pooler(time_point until) {
    const auto process = co_await main_->ask("SELECT pg_backend_pid()", until);
    id_ = process.value_or("");
    if (id_ == std::to_string(main_->process())) {
      co_return;
    }
    is_pooled_ = true;
    const auto other = std::make_shared<connection>(strand_, url_);
    co_await other->connect(until);
    std::optional<std::string> others;
    std::optional<std::string> again;
    try {
      co_await other->ask("BEGIN", until);
      others = co_await other->ask("SELECT pg_backend_pid()", until);
      again = co_await main_->ask("SELECT pg_backend_pid()", until);
    } catch (const gone& error) {
      // One that changes it with every statement ends who begins a transaction.
      if (std::string_view(error.what()).find("statement pooling") == std::string_view::npos) {
        throw;
      }
    }
    other->close("it is not needed any more");
    if (others == process || again != process) {
      throw cluster_error(cluster_errc::wrong_server,
                          "PostgreSQL is behind a pooler that changes the backend with every"
                          " transaction (PgBouncer: pool_mode = session is needed)");
    }
  }

  // Each value once, and in order: no caches, no cycle.
  awaitable<void> require_sequence(time_point until) {
    const auto there = co_await main_->ask("SELECT to_regclass('corolock_tokens')::oid", until);
    if (!there) {
      // Two that create it at once: one at a time.
      const std::string key = std::to_string(key_of(""));
      co_await main_->ask("SELECT pg_advisory_lock(" + key + ")", until);
      co_await main_->ask("CREATE SEQUENCE IF NOT EXISTS corolock_tokens CACHE 1 NO CYCLE", until);
      co_await main_->ask("SELECT pg_advisory_unlock(" + key + ")", until);
    }
    const auto good = co_await main_->ask(
        "SELECT 1 FROM pg_sequence WHERE seqrelid = 'corolock_tokens'::regclass AND seqcache = 1"
        " AND NOT seqcycle AND seqincrement > 0",
        until);
    if (!good) {
      throw cluster_error(cluster_errc::wrong_server,
                          "PostgreSQL: the sequence corolock_tokens is not CACHE 1 NO CYCLE with a"
                          " positive increment, so its values are no tokens");
    }
  }

  static std::shared_ptr<remote_grant> grant_of(const std::string& token, std::uint64_t place) {
    auto grant = std::make_shared<remote_grant>();
    grant->token.token = number_in(token);
    grant->place = place;
    return grant;
  }

  // Null if the attempt has ended.
  awaitable<std::shared_ptr<remote_grant>> wait_for(std::int64_t key, attempt& a) {
    connection_ptr c;
    while (!idle_.empty() && !c) {
      c = std::move(idle_.back());
      idle_.pop_back();
      c = c->is_open() ? c : nullptr;
    }
    if (!c) {
      c = std::make_shared<connection>(strand_, url_);
      const time_point until = std::chrono::steady_clock::now() + time_to_connect_;
      co_await connect(c, until);
      co_await prepare(c, until);
    }
    // While it waits, its end is this wait's, not the session's.
    c->on_end(nullptr);
    // It may be asked for a renewal still that began before its last lock was given back.
    const local_mutex_guard mine = co_await async_lock(c->turn, net::use_awaitable);
    std::optional<std::string> token;
    try {
      c->send(lock_and_token.name, std::to_string(key));
      const bool is_answered = co_await c->wait(a);
      if (is_answered) {
        token = co_await c->answer(limit());
        // Who waits sends nothing: only an answer tells that the server hears us from now on.
        c->send("SELECT 1");
        co_await c->answer(limit());
      }
    } catch (const gone& error) {
      throw cluster_error(cluster_errc::lock_lost, error.what());
    } catch (const cluster_error&) {
      c->close("a wait on it failed");  // it may have the lock all the same
      throw;
    }
    if (!main_->is_open()) {  // closed meanwhile: nobody else would close this one
      c->close("the session is closed");
      throw cluster_error(cluster_errc::session_lost, "PostgreSQL: the session is lost");
    }
    if (!token) {
      co_await cancel(c, key);
      co_return nullptr;
    }
    c->on_end([this](const std::string& why) { lose_(why); });
    const std::uint64_t place = ++last_place_;
    waiters_.emplace(place, c);
    co_return grant_of(*token, place);
  }

  // The lock may have been granted meanwhile, whatever the server answers, so it is given back in
  // any case; and what is not clear ends with the connection.
  awaitable<void> cancel(connection_ptr c, std::int64_t key) {
    try {
      co_await main_->ask("SELECT pg_cancel_backend(" + std::to_string(c->process()) + ")",
                          limit());
      try {
        co_await c->answer(limit());
      } catch (const cluster_error&) {
        // An error does not mean that it has not been granted.
      }
      c->send(unlock.name, std::to_string(key));
      co_await c->answer(limit());
      keep(std::move(c));
    } catch (const std::exception&) {
      c->close("a wait on it was cancelled");
    }
  }

  void keep(connection_ptr c) {
    constexpr std::size_t most_idle = 4;
    c->on_end(nullptr);
    if (c->is_open() && main_->is_open() && idle_.size() < most_idle) {
      idle_.push_back(std::move(c));
    } else {
      c->close("it is not needed any more");
    }
  }

  const strand strand_;
  const std::string url_;
  const duration ttl_;
  const duration time_to_connect_;
  std::function<void(std::string)> lose_;
  std::string id_;
  const connection_ptr main_;
  std::map<std::uint64_t, connection_ptr> waiters_;  // those that hold a lock, by its place
  std::vector<connection_ptr> idle_;
  std::set<std::int64_t> keys_;
  bool is_pooled_ = false;
  std::uint64_t last_place_ = 0;
};

}  // namespace

std::unique_ptr<engine> make_engine(const strand& on, std::string url,
                                    const session_options& options) {
  char* problem = nullptr;
  PQconninfoOption* parsed = PQconninfoParse(url.c_str(), &problem);
  if (parsed == nullptr) {
    std::string text = problem == nullptr ? "out of memory" : problem;
    PQfreemem(problem);
    text.erase(text.find_last_not_of('\n') + 1);
    throw cluster_error(cluster_errc::invalid_url, "PostgreSQL: " + text);
  }
  PQconninfoFree(parsed);
  return std::make_unique<postgresql_engine>(on, std::move(url), options);
}

}  // namespace cluster::detail::postgresql
COROLOCK_END
