// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/metrics.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>

namespace marketplace {
namespace {

namespace json = boost::json;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;
using histogram_counts = corolock::duration_histogram::counts;

const Histogram::BucketBoundaries seconds_buckets{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                                  0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                                  1,      2.5,     5,      10};

double seconds_of(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

// Bucket i of a duration_histogram ends here.
double bucket_end(std::size_t i) {
  return std::ldexp(1e-9, static_cast<int>(i) + 1);
}

// The histogram as Prometheus has them. The sum is not recorded; each duration counts as the middle
// of its bucket.
prometheus::ClientMetric metric_of(const histogram_counts& counts, const std::string& lock) {
  prometheus::ClientMetric metric;
  metric.label.push_back({"lock", lock});
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    metric.histogram.sample_sum += static_cast<double>(counts[i]) * bucket_end(i) * 0.75;
    const bool is_shown = i >= 9 && i % 2 == 1;  // from 1 us, each four times the one before
    if (is_shown) {
      prometheus::ClientMetric::Bucket bucket;
      bucket.cumulative_count = total;
      bucket.upper_bound = bucket_end(i);
      metric.histogram.bucket.push_back(bucket);
    }
  }
  metric.histogram.sample_count = total;
  return metric;
}

// The upper end of the bucket that holds the quantile, in microseconds; 0 while there is nothing.
double quantile_us(const histogram_counts& counts, double quantile) {
  std::uint64_t total = 0;
  for (const std::uint64_t n : counts) {
    total += n;
  }
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    below += counts[i];
    if (total > 0 && static_cast<double>(below) >= quantile * static_cast<double>(total)) {
      return bucket_end(i) * 1e6;
    }
  }
  return 0;
}

json::object json_of(const corolock::duration_histogram& histogram) {
  const histogram_counts counts = histogram.snapshot();
  std::uint64_t total = 0;
  for (const std::uint64_t n : counts) {
    total += n;
  }
  return {{"count", total},
          {"p50_us", quantile_us(counts, 0.5)},
          {"p99_us", quantile_us(counts, 0.99)}};
}

std::string file_name(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

}  // namespace

class metrics::state {
 public:
  prometheus::Registry registry;
  Family<Counter>& requests =
      prometheus::BuildCounter()
          .Name("marketplace_http_requests_total")
          .Help("Requests by method, route and status; 499: the client left")
          .Register(registry);
  Family<Histogram>& latencies = prometheus::BuildHistogram()
                                     .Name("marketplace_http_request_seconds")
                                     .Help("From a request's first byte to its response's last")
                                     .Register(registry);
  Family<Counter>& limited = prometheus::BuildCounter()
                                 .Name("marketplace_rate_limited_total")
                                 .Help("Requests refused with 429, by policy")
                                 .Register(registry);
  Family<Histogram>& storage = prometheus::BuildHistogram()
                                   .Name("marketplace_storage_seconds")
                                   .Help("What the storage took, without the wait for it")
                                   .Register(registry);
  Family<Histogram>& pool = prometheus::BuildHistogram()
                                .Name("marketplace_storage_wait_seconds")
                                .Help("Waits for a connection of the storage or its writer")
                                .Register(registry);
  Family<Counter>& swept = prometheus::BuildCounter()
                               .Name("marketplace_agents_swept_total")
                               .Help("Agents that missed heartbeats, by what they became")
                               .Register(registry);
  Family<Counter>& card_looks =
      prometheus::BuildCounter()
          .Name("marketplace_card_looks_total")
          .Help("Looks at cards that were fetched before, by what they found")
          .Register(registry);
  Counter& frozen = prometheus::BuildCounter()
                        .Name("marketplace_sweeps_frozen_total")
                        .Help("Sweeps that did nothing because too many agents would have expired")
                        .Register(registry)
                        .Add({});

  struct gauge {
    std::string name;
    std::string help;
    std::function<double()> look;
  };
  std::vector<gauge> gauges;
  std::vector<watched_lock> locks;

  struct route_metrics {
    std::map<unsigned, Counter*> by_status;
    Histogram* latency = nullptr;
  };
  struct operation_metrics {
    Histogram* took = nullptr;
    Histogram* waited = nullptr;
  };
  std::mutex mutex;  // of the maps below: prometheus-cpp's own look-up by labels is slow
  std::map<std::string, operation_metrics, std::less<>> operations;
  std::map<std::pair<std::string, std::string>, route_metrics, std::less<>> routes;
};

metrics::metrics() : state_(std::make_unique<state>()) {}
metrics::~metrics() = default;

void metrics::watch(watched_lock lock) {
  state_->locks.push_back(std::move(lock));
}

void metrics::add_gauge(std::string name, std::string help, std::function<double()> look) {
  state_->gauges.push_back({std::move(name), std::move(help), std::move(look)});
}

void metrics::count_request(const http::served& what) {
  const std::lock_guard lock(state_->mutex);
  // A method that no route has is anybody's text: not a label.
  const std::string method(what.pattern == "-" ? std::string_view("-") : what.method);
  auto& route = state_->routes[{method, std::string(what.pattern)}];
  Counter*& counter = route.by_status[what.status];
  if (counter == nullptr) {
    counter = &state_->requests.Add({{"method", method},
                                     {"route", std::string(what.pattern)},
                                     {"status", std::to_string(what.status)}});
  }
  if (route.latency == nullptr) {
    route.latency = &state_->latencies.Add(
        {{"method", method}, {"route", std::string(what.pattern)}}, seconds_buckets);
  }
  counter->Increment();
  route.latency->Observe(seconds_of(what.took));
}

void metrics::count_limited(std::string_view policy) {
  state_->limited.Add({{"policy", std::string(policy)}}).Increment();
}

void metrics::observe_storage(std::string_view operation, std::chrono::nanoseconds waited,
                              std::chrono::nanoseconds took) {
  const std::lock_guard lock(state_->mutex);
  auto found = state_->operations.find(operation);
  if (found == state_->operations.end()) {
    const prometheus::Labels labels{{"operation", std::string(operation)}};
    found = state_->operations
                .emplace(operation,
                         state::operation_metrics{&state_->storage.Add(labels, seconds_buckets),
                                                  &state_->pool.Add(labels, seconds_buckets)})
                .first;
  }
  found->second.took->Observe(seconds_of(took));
  found->second.waited->Observe(seconds_of(waited));
}

void metrics::count_card_look(std::string_view result) {
  state_->card_looks.Add({{"result", std::string(result)}}).Increment();
}

void metrics::count_sweep(std::size_t stale, std::size_t unreachable, bool frozen) {
  state_->swept.Add({{"health", "stale"}}).Increment(static_cast<double>(stale));
  state_->swept.Add({{"health", "unreachable"}}).Increment(static_cast<double>(unreachable));
  if (frozen) {
    state_->frozen.Increment();
  }
}

std::string metrics::text() const {
  std::vector<prometheus::MetricFamily> families = state_->registry.Collect();
  prometheus::MetricFamily waits{"corolock_wait_seconds",
                                 "Waits for a lock, by its name",
                                 prometheus::MetricType::Histogram,
                                 {}};
  prometheus::MetricFamily holds{"corolock_hold_seconds",
                                 "Times for which a lock was held",
                                 prometheus::MetricType::Histogram,
                                 {}};
  prometheus::MetricFamily held{
      "corolock_held", "Holders of a lock, now", prometheus::MetricType::Gauge, {}};
  prometheus::MetricFamily waiters{
      "corolock_waiters", "Tasks that wait for a lock, now", prometheus::MetricType::Gauge, {}};
  for (const watched_lock& each : state_->locks) {
    const std::string& name = each.record->name();
    waits.metric.push_back(metric_of(each.record->waits().snapshot(), name));
    holds.metric.push_back(metric_of(each.record->holds().snapshot(), name));
    const watched_lock::state now = each.look();
    prometheus::ClientMetric gauge;
    gauge.label.push_back({"lock", name});
    gauge.gauge.value = static_cast<double>(now.held);
    held.metric.push_back(gauge);
    gauge.gauge.value = static_cast<double>(now.waiters);
    waiters.metric.push_back(gauge);
  }
  for (auto* family : {&waits, &holds, &held, &waiters}) {
    families.push_back(std::move(*family));
  }
  for (const auto& each : state_->gauges) {
    prometheus::ClientMetric metric;
    metric.gauge.value = each.look();
    families.push_back({each.name, each.help, prometheus::MetricType::Gauge, {metric}});
  }
  return prometheus::TextSerializer().Serialize(families);
}

std::string metrics::locks_json() const {
  json::array locks;
  for (const watched_lock& each : state_->locks) {
    const watched_lock::state now = each.look();
    json::array holders;
    if (const auto owner = each.record->owner(); owner.line() != 0) {
      holders.push_back(json::object(
          {{"where", file_name(owner.file_name()) + ":" + std::to_string(owner.line())}}));
    }
    locks.push_back(json::object({{"name", each.record->name()},
                                  {"kind", each.kind},
                                  {"held", now.held},
                                  {"holders", std::move(holders)},
                                  {"waiters", now.waiters},
                                  {"waits", json_of(each.record->waits())},
                                  {"holds", json_of(each.record->holds())}}));
  }
  return json::serialize(json::object({{"locks", std::move(locks)}}));
}

}  // namespace marketplace
