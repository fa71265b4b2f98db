// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "log.hpp"

#include <marketplace/agent_record.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace marketplace::log {
namespace {

spdlog::level::level_enum level_of(level how) {
  switch (how) {
    case level::debug: return spdlog::level::debug;
    case level::info: return spdlog::level::info;
    case level::warning: return spdlog::level::warn;
    case level::error: return spdlog::level::err;
    case level::off: break;
  }
  return spdlog::level::off;
}

// Writing is another thread's work: a slow terminal must not stop the service. Under a flood the
// oldest lines are lost.
spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> one = [] {
    spdlog::init_thread_pool(8192, 1);
    auto made = std::make_shared<spdlog::async_logger>(
        "marketplace", std::make_shared<spdlog::sinks::stderr_sink_mt>(), spdlog::thread_pool(),
        spdlog::async_overflow_policy::overrun_oldest);
    made->set_pattern("%v");
    made->flush_on(spdlog::level::warn);
    return made;
  }();
  return *one;
}

std::string now() {
  return to_text(std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()));
}

void write_line(level how, std::string_view event, boost::json::object line) {
  boost::json::object whole({{"at", now()},
                             {"level", spdlog::level::to_string_view(level_of(how)).data()},
                             {"event", event}});
  for (auto& member : line) {
    whole[member.key()] = std::move(member.value());
  }
  logger().log(level_of(how), boost::json::serialize(whole));
}

}  // namespace

void set_level(level least) {
  logger().set_level(level_of(least));
}

void write(level how, std::string_view event, fields what) {
  if (!logger().should_log(level_of(how))) {
    return;
  }
  boost::json::object line;
  for (const auto& [name, value] : what) {
    line[name] = value;
  }
  write_line(how, event, std::move(line));
}

void write_request(const http::served& what) {
  const level how = what.status >= 500 ? level::warning : level::info;
  if (!logger().should_log(level_of(how))) {
    return;
  }
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(what.took);
  write_line(how, "request",
             {{"method", what.method},
              {"path", what.target.substr(0, what.target.find('?'))},
              {"status", what.status},
              {"bytes", what.bytes},
              {"us", took.count()},
              {"peer", what.peer},
              {"request_id", what.id}});
}

void flush() {
  logger().flush();
}

}  // namespace marketplace::log
