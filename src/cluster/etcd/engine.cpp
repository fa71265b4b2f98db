// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// A place in the queue of a name is a key "corolock/<name>/<lease>/<number>" under the session's
// lease; its create_revision is the token, and the least of a name's has the lock. No key is used
// twice. What etcd's own Lock RPC gets wrong is left out: it tells a waiter whose key is gone that
// it has the lock, and reports the revision of a read as its token.
//
// To wait, the prefix is watched *before* the key is put, from no revision on: such a watch is
// always served at once, one from a past revision ten times a second only. A transaction puts the
// key and tells who is ahead; the watch tells when they go, and also if our own key goes first.
// Events and answers come on different connections, so keys that went are remembered while we
// wait: an answer that is older than an event changes nothing. Whatever the watch may have missed,
// the queue is asked for again three times in a ttl.
//
// Once an answer has told of the whole queue while the watch was open, the queue is known for as
// long as that watch lasts, because it tells of every change, in order. Then a plain put is enough,
// which costs the server about half: when the watch tells of our own key, it has told of all that
// were put before, and of all of those that went.
//
// A request without an answer is asked again. The first may still be carried out, seconds later,
// and put a key that was deleted meanwhile: that is no grant to anybody, but it would stand in the
// queue until the lease ends. So such keys are deleted with each renewal for a while.

#include "engine.hpp"

#include "gateway.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <charconv>
#include <map>
#include <random>
#include <set>
#include <utility>

COROLOCK_BEGIN
namespace cluster::detail::etcd {

namespace net = boost::asio;
namespace json = boost::json;
using namespace std::chrono_literals;
using net::awaitable;
using duration = time_source::duration;
using time_point = time_source::time_point;

namespace {

constexpr capabilities etcd_capabilities{.engine = "etcd",
                                         .fenced = true,
                                         .fifo = true,
                                         .expires_when_paused = true,
                                         .lost_signal = true,
                                         .shared_mode = false,
                                         .least_ttl = 2s};

// A request that was dropped during an election fails after seven seconds.
constexpr duration longest_delay = 15s;

// etcd's JSON has int64 as texts, and leaves out zeros.
std::int64_t number_in(const json::object& of, std::string_view name) {
  const json::value* const value = of.if_contains(name);
  std::int64_t number = 0;
  if (value != nullptr && value->is_string()) {
    const auto& text = value->get_string();
    std::from_chars(text.data(), text.data() + text.size(), number);
  } else if (value != nullptr && value->is_int64()) {
    number = value->get_int64();
  }
  return number;
}

bool is_true(const json::object& of, std::string_view name) {
  const json::value* const value = of.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

const json::array* list_in(const json::object& of, std::string_view name) {
  const json::value* const value = of.if_contains(name);
  return value == nullptr ? nullptr : value->if_array();
}

const json::object* object_in(const json::object& of, std::string_view name) {
  const json::value* const value = of.if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}

std::string text_in(const json::object& of, std::string_view name) {
  const json::value* const value = of.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

struct entry {
  std::string key;
  std::int64_t created = 0;
};

std::vector<entry> entries_in(const json::object& of, std::string_view name) {
  std::vector<entry> all;
  if (const json::array* const list = list_in(of, name)) {
    all.reserve(list->size());
    for (const json::value& each : *list) {
      if (const json::object* const kv = each.if_object()) {
        all.push_back({from_base64(text_in(*kv, "key")), number_in(*kv, "create_revision")});
      }
    }
  }
  return all;
}

// What the last range of a transaction's answer found.
std::vector<entry> entries_of_transaction(const json::object& answer) {
  std::vector<entry> all;
  if (const json::array* const responses = list_in(answer, "responses")) {
    for (const json::value& each : *responses) {
      const json::object* const one = each.if_object();
      if (const json::object* const range =
              one == nullptr ? nullptr : object_in(*one, "response_range")) {
        all = entries_in(*range, "kvs");
      }
    }
  }
  return all;
}

json::object whole_queue(const std::string& prefix) {
  return {{"key", base64(prefix)},
          {"range_end", base64(end_of(prefix))},
          {"keys_only", true},
          {"sort_target", "CREATE"},
          {"sort_order", "ASCEND"}};
}

json::object if_created_at(const std::string& key, std::int64_t revision) {
  return {{"key", base64(key)},
          {"target", "CREATE"},
          {"result", "EQUAL"},
          {"create_revision", std::to_string(revision)}};
}

json::array only(json::object one) {
  json::array list;
  list.emplace_back(std::move(one));
  return list;
}

// The slash ends a name: none may be in it.
std::string prefix_of(std::string_view name) {
  std::string prefix = "corolock/";
  for (const char c : name) {
    if (c == '%') {
      prefix += "%25";
    } else if (c == '/') {
      prefix += "%2F";
    } else {
      prefix += c;
    }
  }
  return prefix + "/";
}

struct place {
  std::int64_t created = 0;
  time_point since;
};

// What is known of a name's queue. The watch's reader has a share in it.
struct name_queue {
  name_queue(std::string_view name, std::shared_ptr<time_source> clock)
      : prefix(prefix_of(name)), time(std::move(clock)) {}

  std::string prefix;
  std::shared_ptr<time_source> time;
  std::shared_ptr<watch> stream;        // null: nothing is told
  std::uint64_t switches = 0;           // of servers, when it was opened
  std::map<std::string, place> places;  // while there is a stream
  bool is_known = false;                // while there is a stream: no place is missing
  std::set<std::string> gone;           // deleted since the waiter began
  attempt* waiter = nullptr;
  std::string held_key;
  std::weak_ptr<remote_grant> held;

  void see(const entry& one) {
    if (!gone.contains(one.key)) {
      places.emplace(one.key, place{one.created, time->now()});
    }
  }
  void see_gone(const std::string& key) {
    places.erase(key);
    if (waiter != nullptr) {
      gone.insert(key);
      waiter->wake();
    }
    if (key == held_key) {
      if (const auto grant = held.lock()) {
        grant->lose();
      }
    }
  }
};

// False: the watch is over.
bool take_events(name_queue& to, const json::object& message) {
  if (is_true(message, "canceled")) {
    return false;
  }
  if (const json::array* const events = list_in(message, "events")) {
    for (const json::value& each : *events) {
      const json::object* const event = each.if_object();
      const json::object* const kv = event == nullptr ? nullptr : object_in(*event, "kv");
      if (kv == nullptr) {
        return false;
      }
      const std::string key = from_base64(text_in(*kv, "key"));
      if (text_in(*event, "type") == "DELETE") {
        to.see_gone(key);
      } else {
        to.see({key, number_in(*kv, "create_revision")});
        if (to.waiter != nullptr) {
          to.waiter->wake();
        }
      }
    }
  }
  return true;
}

awaitable<void> follow(std::shared_ptr<name_queue> queue, std::shared_ptr<watch> stream) {
  bool goes_on = true;
  while (goes_on) {
    const std::optional<json::object> message = co_await stream->next();
    goes_on = message && queue->stream == stream && take_events(*queue, *message);
  }
  stream->close();
  if (queue->stream == stream) {
    queue->stream.reset();
    if (queue->waiter != nullptr) {
      queue->waiter->wake();
    }
  }
}

class etcd_engine final : public engine {
 public:
  etcd_engine(const strand& on, url where, const session_options& options)
      : strand_(on),
        servers_(where.servers.size()),
        ttl_(options.ttl),
        time_to_connect_(options.time_to_connect),
        time_(options.time),
        gateway_(on, std::move(where),
                 std::clamp<std::chrono::milliseconds>(options.ttl / 6, 200ms, 1000ms)) {
    std::random_device random;
    std::uniform_int_distribution<std::int64_t> any(1, INT64_MAX);
    lease_ = any(random);
  }
  ~etcd_engine() override { close_streams(); }

  [[nodiscard]] capabilities what() const override { return etcd_capabilities; }
  [[nodiscard]] std::string id() const override { return hexadecimal(lease_); }

  // The id is ours, so that asking again makes no second lease.
  awaitable<void> open(std::function<void(std::string)>) override {
    const std::string seconds =
        std::to_string(std::chrono::ceil<std::chrono::seconds>(ttl_).count());
    const time_point limit = time_->now() + time_to_connect_;
    attempt pause(strand_);
    std::size_t refusals = 0;
    for (;;) {
      json::object question{{"TTL", seconds}, {"ID", std::to_string(lease_)}};
      const reply got = co_await gateway_.ask("/v3/lease/grant", std::move(question));
      if ((got.is == reply::kind::answered && number_in(got.body, "ID") == lease_) ||
          got.says("lease already exists")) {
        co_await require_user();
        co_return;
      }
      if (got.is == reply::kind::error) {
        throw cluster_error(cluster_errc::refused, gateway_.server() + ": " + got.message);
      }
      const bool is_foreign = got.is == reply::kind::foreign || got.is == reply::kind::answered;
      refusals += is_foreign ? 1 : 0;
      if (is_foreign && refusals >= servers_) {
        throw cluster_error(
            cluster_errc::wrong_server,
            "this is no etcd v3: " + (got.message.empty() ? gateway_.server() : got.message));
      }
      if (time_->now() >= limit && got.message.ends_with(closed_without_answer)) {
        throw cluster_error(cluster_errc::wrong_server, "this is no etcd v3: " + got.message);
      }
      if (time_->now() >= limit) {
        throw cluster_error(cluster_errc::unreachable, "no etcd answers: " + got.message);
      }
      co_await pause.sleep(*time_, std::min(limit, time_->now() + pause_between));
    }
  }

  awaitable<acquired> acquire(const std::string& name, bool waits, attempt& a) override {
    const std::shared_ptr<name_queue> queue = queue_of(name);
    const std::uint64_t number = ++last_place_;
    const std::string key = key_of(*queue, number);
    queue->gone.clear();
    queue->waiter = &a;
    acquired got;
    std::int64_t token = 0;
    bool is_asked = false;  // the key may be there
    while (!a.ended() && !got.why && !got.grant) {
      if (waits && queue->switches != gateway_.switches()) {
        close_stream(*queue);  // its server may be cut off from the others
      }
      if (waits && !queue->stream) {
        co_await watch_queue(queue, got.text);
        if (!got.text.empty()) {
          got.why = cluster_errc::refused;
          break;
        }
        if (!queue->stream) {
          co_await a.sleep(*time_, time_->now() + pause_between);
          continue;
        }
      }
      const std::shared_ptr<watch> stream = queue->stream;
      const bool by_put = waits && queue->is_known && !is_asked;
      is_asked = true;
      const reply said = co_await enter(*queue, key, waits, by_put);
      if (said.is == reply::kind::error) {
        is_asked = false;
        got.why = said.says("lease not found") ? cluster_errc::session_lost : cluster_errc::refused;
        got.text = "etcd: " + said.message;
        break;
      }
      if (said.is != reply::kind::answered) {
        doubtful_.insert(number);
        co_await a.sleep(*time_, time_->now() + pause_between);
        continue;
      }
      std::vector<entry> all;
      if (by_put) {
        all = co_await told(*queue, key, a);
      } else {
        all = entries_of_transaction(said.body);
      }
      const auto own = std::ranges::find(all, key, &entry::key);
      if (own == all.end()) {
        if (by_put && !queue->gone.contains(key)) {  // the watch is silent: ask how things are
          continue;
        }
        is_asked = false;  // it has gone; or it was not put, because the queue is not empty
        if (by_put) {
          got.why = cluster_errc::lock_lost;
        }
        break;
      }
      if (token != 0 && own->created != token) {
        got.why = cluster_errc::lock_lost;  // somebody took our place away, and we have just
        break;                              // asked for another
      }
      token = own->created;
      std::set<std::string> ahead;
      for (const entry& each : all) {
        queue->see(each);
        if (each.created < token) {
          ahead.insert(each.key);
        }
      }
      queue->is_known = queue->is_known || (stream && queue->stream == stream);
      const bool is_first = co_await wait_until_first(*queue, key, ahead, a);
      if (queue->gone.contains(key)) {
        is_asked = false;
        got.why = cluster_errc::lock_lost;
      } else if (is_first) {
        got.grant = std::make_shared<remote_grant>();
        got.grant->token.token = static_cast<std::uint64_t>(token);
        got.grant->place = number;
        queue->held = got.grant;
        queue->held_key = key;
      }
    }
    queue->waiter = nullptr;
    if (!got.grant && is_asked) {
      co_await leave(key, number);
    }
    co_return got;
  }

  awaitable<release_result> release(const std::string& name, const remote_grant& grant) override {
    const std::shared_ptr<name_queue> queue = queue_of(name);
    const std::string key = key_of(*queue, grant.place);
    queue->held_key.clear();  // what the watch tells of it from now on is our own doing
    bool is_repeated = false;
    for (std::size_t i = 0; i < servers_ + 1; ++i) {
      json::object question{{"key", base64(key)}, {"prev_kv", true}};
      const reply said = co_await gateway_.ask("/v3/kv/deleterange", std::move(question));
      if (said.is == reply::kind::answered) {
        if (doubtful_.contains(grant.place)) {
          abandon(key, grant.place);
        }
        // Only we delete our keys while the lease lasts: if it is gone at the second time of
        // asking, it went at the first. One that was put again meanwhile is not what was granted.
        const std::vector<entry> deleted = entries_in(said.body, "prev_kvs");
        const bool was_ours =
            deleted.empty() ? is_repeated
                            : deleted[0].created == static_cast<std::int64_t>(grant.token.token);
        co_return was_ours ? release_result::released : release_result::already_lost;
      }
      is_repeated = true;
    }
    abandon(key, grant.place);
    co_return release_result::unknown;
  }

  awaitable<verdict> verify(const std::string& name, const remote_grant& grant) override {
    const std::string key = key_of(*queue_of(name), grant.place);
    json::object question{{"key", base64(key)}, {"keys_only", true}};
    const reply said = co_await gateway_.ask("/v3/kv/range", std::move(question));
    if (said.is != reply::kind::answered) {
      co_return verdict::unknown;
    }
    const std::vector<entry> found = entries_in(said.body, "kvs");
    const bool is_there =
        !found.empty() && found[0].created == static_cast<std::int64_t>(grant.token.token);
    co_return is_there ? verdict::yes : verdict::no;
  }

  awaitable<duration> longest_wait(const std::string& name, const remote_grant& grant) override {
    const std::shared_ptr<name_queue> queue = queue_of(name);
    const std::string own = key_of(*queue, grant.place);
    if (!queue->stream) {  // it is not known who waits
      co_return duration::max();
    }
    const time_point now = time_->now();
    duration longest{};
    for (const auto& [key, each] : queue->places) {
      if (key != own) {
        longest = std::max(longest, now - each.since);
      }
    }
    co_return longest;
  }

  void forget(const std::string& name) override {
    const auto found = queues_.find(name);
    if (found != queues_.end() && found->second->waiter == nullptr) {
      close_stream(*found->second);
      queues_.erase(found);
    }
  }

  awaitable<verdict> renew() override {
    const json::object question{{"ID", std::to_string(lease_)}};
    verdict alive = verdict::unknown;
    for (std::size_t i = 0; i < servers_ && alive == verdict::unknown; ++i) {
      const reply said = co_await gateway_.ask("/v3/lease/keepalive", question);
      if (said.says("lease not found")) {
        alive = verdict::no;
      } else if (said.is == reply::kind::answered) {
        const json::object* const result = object_in(said.body, "result");
        alive = result != nullptr && number_in(*result, "TTL") > 0 ? verdict::yes : verdict::no;
      }
    }
    if (alive == verdict::yes) {
      co_await clear_away();
    }
    co_return alive;
  }

  awaitable<void> close() override {
    close_streams();
    for (std::size_t i = 0; i < servers_ + 1; ++i) {
      json::object question{{"ID", std::to_string(lease_)}};
      const reply said = co_await gateway_.ask("/v3/lease/revoke", std::move(question));
      if (said.is != reply::kind::none) {
        break;
      }
    }
  }

 private:
  // It gives a lease to anybody, but where it has users nothing else.
  awaitable<void> require_user() {
    json::object question{{"key", base64(prefix_of(""))}, {"count_only", true}};
    const reply said = co_await gateway_.ask("/v3/kv/range", std::move(question));
    if (said.says("user name is empty")) {
      throw cluster_error(cluster_errc::refused, gateway_.server() + ": " + said.message);
    }
  }
  static std::string hexadecimal(std::int64_t number) {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
    return {digits.data(), end};
  }
  [[nodiscard]] std::string key_of(const name_queue& queue, std::uint64_t place) const {
    return queue.prefix + hexadecimal(lease_) + "/" + std::to_string(place);
  }
  std::shared_ptr<name_queue> queue_of(const std::string& name) {
    std::shared_ptr<name_queue>& queue = queues_[name];
    if (!queue) {
      queue = std::make_shared<name_queue>(name, time_);
    }
    return queue;
  }

  [[nodiscard]] json::object put(const std::string& key) const {
    return {{"request_put", json::object{{"key", base64(key)}, {"lease", std::to_string(lease_)}}}};
  }
  // To be asked as often as needed: the key is put once.
  [[nodiscard]] json::object entering(const name_queue& queue, const std::string& key) const {
    const json::object look{{"request_range", whole_queue(queue.prefix)}};
    json::array doing = only(put(key));
    doing.push_back(look);
    return {{"compare", only(if_created_at(key, 0))},
            {"success", std::move(doing)},
            {"failure", only(look)}};
  }
  // The same if nobody is there; if we are, from a time of asking before, we are the first.
  [[nodiscard]] json::object entering_if_empty(const name_queue& queue,
                                               const std::string& key) const {
    json::object is_empty = if_created_at(queue.prefix, 0);  // true of each key: of none
    is_empty["range_end"] = base64(end_of(queue.prefix));
    const json::object look{{"request_range", whole_queue(queue.prefix)}};
    json::array doing = only(put(key));
    doing.push_back(look);
    return {{"compare", only(std::move(is_empty))},
            {"success", std::move(doing)},
            {"failure", only(look)}};
  }

  awaitable<void> watch_queue(const std::shared_ptr<name_queue>& queue, std::string& refused) {
    std::string why;
    const std::shared_ptr<watch> stream = co_await gateway_.open_watch(queue->prefix, why);
    if (!why.empty()) {
      refused = "etcd: " + why;
    }
    if (!stream) {
      co_return;
    }
    queue->stream = stream;
    queue->switches = gateway_.switches();
    queue->places.clear();
    queue->is_known = false;
    net::co_spawn(strand_, follow(queue, stream), net::detached);
  }

  awaitable<reply> enter(const name_queue& queue, const std::string& key, bool waits, bool by_put) {
    if (by_put) {
      json::object question{{"key", base64(key)}, {"lease", std::to_string(lease_)}};
      return gateway_.ask("/v3/kv/put", std::move(question));
    }
    return gateway_.ask("/v3/kv/txn", waits ? entering(queue, key) : entering_if_empty(queue, key));
  }

  // The whole queue, when the watch has told of our key; empty if it does not.
  awaitable<std::vector<entry>> told(const name_queue& queue, const std::string& key, attempt& a) {
    std::vector<entry> all;
    const bool is_told =
        co_await wait_until(queue, key, a, [&] { return queue.places.contains(key); });
    if (is_told) {
      all.reserve(queue.places.size());
      for (const auto& [each, at] : queue.places) {
        all.push_back({each, at.created});
      }
    }
    co_return all;
  }
  awaitable<bool> wait_until_first(const name_queue& queue, const std::string& key,
                                   std::set<std::string>& ahead, attempt& a) {
    return wait_until(queue, key, a, [&] {
      std::erase_if(ahead, [&](const std::string& each) { return queue.gone.contains(each); });
      return ahead.empty();
    });
  }
  // False: look again, or the attempt has ended.
  template <class Condition>
  awaitable<bool> wait_until(const name_queue& queue, const std::string& key, attempt& a,
                             Condition is_so) {
    const time_point look_again = time_->now() + ttl_ / 3;
    while (!is_so()) {
      const bool is_told = queue.stream && gateway_.switches() == queue.switches;
      if (a.ended() || queue.gone.contains(key) || !is_told || time_->now() >= look_again) {
        co_return false;
      }
      co_await a.sleep(*time_, look_again);
    }
    co_return true;
  }

  // Without a comparison: no key is used twice.
  awaitable<verdict> delete_key(const std::string& key) {
    json::object question{{"key", base64(key)}};
    const reply said = co_await gateway_.ask("/v3/kv/deleterange", std::move(question));
    co_return said.is == reply::kind::answered ? verdict::yes : verdict::unknown;
  }
  awaitable<void> leave(const std::string& key, std::uint64_t place) {
    const verdict done = co_await delete_key(key);
    if (done != verdict::yes || doubtful_.contains(place)) {
      abandon(key, place);
    }
  }
  void abandon(const std::string& key, std::uint64_t place) {
    doubtful_.erase(place);
    abandoned_[key] = time_->now() + longest_delay;
  }
  awaitable<void> clear_away() {
    const std::map<std::string, time_point> all = abandoned_;
    for (const auto& [key, until] : all) {
      const bool is_last = time_->now() >= until;
      const verdict done = co_await delete_key(key);
      if (done == verdict::yes && is_last) {
        abandoned_.erase(key);
      }
    }
  }

  static void close_stream(name_queue& of) {
    if (const auto stream = std::exchange(of.stream, nullptr)) {
      stream->close();
    }
  }
  void close_streams() {
    for (const auto& [name, queue] : queues_) {
      close_stream(*queue);
    }
  }

  static constexpr duration pause_between = 100ms;

  const strand strand_;
  const std::size_t servers_;
  const std::chrono::milliseconds ttl_;
  const std::chrono::milliseconds time_to_connect_;
  const std::shared_ptr<time_source> time_;
  gateway gateway_;
  std::int64_t lease_ = 0;
  std::uint64_t last_place_ = 0;
  std::map<std::string, std::shared_ptr<name_queue>, std::less<>> queues_;
  std::set<std::uint64_t> doubtful_;             // places that were asked for without an answer
  std::map<std::string, time_point> abandoned_;  // keys to be deleted, until then
};

}  // namespace

std::unique_ptr<engine> make_engine(const strand& on, const std::string& text,
                                    const session_options& options) {
  return std::make_unique<etcd_engine>(on, parse_url(text), options);
}

}  // namespace cluster::detail::etcd
COROLOCK_END
