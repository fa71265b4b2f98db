// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "engine.hpp"

#include <memory>
#include <utility>

namespace marketplace {

using sql::transaction;

sql_catalog::sql_catalog(std::unique_ptr<engine> with) : engine_(std::move(with)) {}
sql_catalog::~sql_catalog() = default;

catalog::result<agent_record> sql_catalog::create(agent_record record, change_context context) {
  auto ready = prepared(made_first(std::move(record)));
  if (!ready) {
    co_return ready.error();
  }
  const auto wanted = std::make_shared<stored_agent>(*std::move(ready));
  auto body = [wanted, context = std::move(context)](transaction& in) {
    return in.create(*wanted, context);
  };
  const auto numbers = co_await engine_->write<sql::numbers_of_agent>("create", std::move(body));
  if (!numbers) {
    co_return numbers.error();
  }
  wanted->record.sequence = numbers->sequence;  // it is written: nobody else looks at it
  wanted->record.change = numbers->change;
  co_return std::move(wanted->record);
}

catalog::result<agent_record> sql_catalog::replace(agent_record record, change_context context,
                                                   std::string action) {
  auto wanted = prepared(std::move(record));
  if (!wanted) {
    co_return wanted.error();
  }
  auto body = [wanted = *std::move(wanted), context = std::move(context),
               action = std::move(action)](transaction& in) {
    return in.replace(wanted, context, action);
  };
  co_return co_await engine_->write<agent_record>("replace", std::move(body));
}

catalog::result<agent_record> sql_catalog::remove(std::string agent_id,
                                                  std::optional<std::int64_t> version,
                                                  change_context context) {
  auto body = [agent_id = std::move(agent_id), version, context = std::move(context)](
                  transaction& in) { return in.remove(agent_id, version, context); };
  co_return co_await engine_->write<agent_record>("remove", std::move(body));
}

catalog::result<agent_record> sql_catalog::rotate_owner(std::string agent_id, std::string owner,
                                                        change_context context) {
  auto body = [agent_id = std::move(agent_id), owner = std::move(owner),
               context = std::move(context)](transaction& in) {
    return in.rotate_owner(agent_id, owner, context);
  };
  co_return co_await engine_->write<agent_record>("rotate_owner", std::move(body));
}

catalog::result<agent_record> sql_catalog::find(std::string agent_id) {
  auto body = [agent_id = std::move(agent_id)](transaction& in) { return in.find(agent_id); };
  co_return co_await engine_->look_up<agent_record>("find", std::move(body));
}

catalog::result<agent_record> sql_catalog::find_by_urn(std::string urn) {
  auto body = [urn = std::move(urn)](transaction& in) { return in.find_by_urn(urn); };
  co_return co_await engine_->look_up<agent_record>("find_by_urn", std::move(body));
}

catalog::result<std::optional<repository_error>> sql_catalog::why_not_claim(agent_claims claims,
                                                                            std::string except) {
  auto body = [claims = std::move(claims), except = std::move(except)](transaction& in) {
    return in.why_not_claim(claims, except);
  };
  co_return co_await engine_->look_up<std::optional<repository_error>>("why_not_claim",
                                                                       std::move(body));
}

catalog::result<search_page> sql_catalog::search(search_query query) {
  auto body = [query = std::move(query)](transaction& in) { return in.search(query); };
  co_return co_await engine_->read<search_page>("search", std::move(body));
}

catalog::result<std::int64_t> sql_catalog::count(search_query query) {
  auto body = [query = std::move(query)](transaction& in) { return in.count(query); };
  co_return co_await engine_->read<std::int64_t>("count", std::move(body));
}

catalog::result<std::vector<tag_count>> sql_catalog::tags(std::size_t limit) {
  auto body = [limit](transaction& in) { return in.tags(limit); };
  co_return co_await engine_->read<std::vector<tag_count>>("tags", std::move(body));
}

catalog::result<std::vector<agent_change>> sql_catalog::changes(std::int64_t since,
                                                                std::size_t limit) {
  auto body = [since, limit](transaction& in) { return in.changes(since, limit); };
  co_return co_await engine_->read<std::vector<agent_change>>("changes", std::move(body));
}

catalog::result<std::int64_t> sql_catalog::last_change() {
  auto body = [](transaction& in) { return in.last_change(); };
  co_return co_await engine_->look_up<std::int64_t>("last_change", std::move(body));
}

void sql_catalog::on_change(std::function<void()> told) {
  engine_->on_change(std::move(told));
}

catalog::result<std::vector<audit_entry>> sql_catalog::history(std::string agent_id,
                                                               std::size_t limit) {
  auto body = [agent_id = std::move(agent_id), limit](transaction& in) {
    return in.history(agent_id, limit);
  };
  co_return co_await engine_->read<std::vector<audit_entry>>("history", std::move(body));
}

catalog::result<agent_record> sql_catalog::touch(std::string agent_id, std::chrono::seconds ttl,
                                                 timestamp now) {
  auto body = [agent_id = std::move(agent_id), ttl, now](transaction& in) {
    return in.touch(agent_id, ttl, now);
  };
  co_return co_await engine_->write<agent_record>("touch", std::move(body));
}

catalog::result<sweep_result> sql_catalog::sweep(timestamp now, timestamp started_at,
                                                 double at_most) {
  const auto begin = [now, started_at, at_most](transaction& in) {
    return in.begin_sweep(now, started_at, at_most);
  };
  const auto some = [now, started_at](transaction& in) { return in.sweep_some(now, started_at); };
  auto total = co_await engine_->write<sweep_result>("sweep", begin);
  bool is_done = !total || total->frozen;
  while (!is_done) {
    const auto swept = co_await engine_->write<sweep_result>("sweep", some);
    if (!swept) {
      co_return swept.error();
    }
    total->stale += swept->stale;
    total->unreachable += swept->unreachable;
    is_done = swept->stale + swept->unreachable == 0;
  }
  co_return total;
}

catalog::result<std::vector<std::string>> sql_catalog::cards_to_look_at(timestamp before,
                                                                        std::size_t limit) {
  auto body = [before, limit](transaction& in) { return in.cards_to_look_at(before, limit); };
  co_return co_await engine_->read<std::vector<std::string>>("cards_to_look_at", std::move(body));
}

catalog::result<bool> sql_catalog::looks_at_card(std::string agent_id, timestamp now) {
  auto body = [agent_id = std::move(agent_id), now](transaction& in) {
    return in.looks_at_card(agent_id, now);
  };
  co_return co_await engine_->write<bool>("looks_at_card", std::move(body));
}

catalog::result<std::optional<stored_reply>> sql_catalog::find_reply(std::string scope,
                                                                     std::string key,
                                                                     timestamp now) {
  auto body = [scope = std::move(scope), key = std::move(key), now](transaction& in) {
    return in.find_reply(scope, key, now);
  };
  co_return co_await engine_->look_up<std::optional<stored_reply>>("find_reply", std::move(body));
}

catalog::result<bool> sql_catalog::store_reply(stored_reply reply, timestamp now,
                                               std::size_t at_most) {
  auto body = [reply = std::move(reply), now, at_most](transaction& in) {
    return in.store_reply(reply, now, at_most);
  };
  co_return co_await engine_->write<bool>("store_reply", std::move(body));
}

catalog::result<bool> sql_catalog::create_key(api_key key) {
  auto body = [key = std::move(key)](transaction& in) { return in.create_key(key); };
  co_return co_await engine_->write<bool>("create_key", std::move(body));
}

catalog::result<std::vector<api_key>> sql_catalog::keys() {
  auto body = [](transaction& in) { return in.keys(); };
  co_return co_await engine_->read<std::vector<api_key>>("keys", std::move(body));
}

catalog::result<bool> sql_catalog::revoke_key(std::string id, timestamp now) {
  auto body = [id = std::move(id), now](transaction& in) { return in.revoke_key(id, now); };
  co_return co_await engine_->write<bool>("revoke_key", std::move(body));
}

catalog::result<std::optional<api_key>> sql_catalog::find_key(std::string sha256) {
  auto body = [sha256 = std::move(sha256)](transaction& in) { return in.find_key(sha256); };
  co_return co_await engine_->look_up<std::optional<api_key>>("find_key", std::move(body));
}

catalog::result<std::string> sql_catalog::secret() {
  auto body = [](transaction& in) { return in.secret(); };
  co_return co_await engine_->look_up<std::string>("secret", std::move(body));
}

catalog::result<bool> sql_catalog::check_writable() {
  auto body = [](transaction& in) { return in.write_probe(); };
  co_return co_await engine_->write<bool>("check_writable", std::move(body));
}

boost::asio::awaitable<void> sql_catalog::close() {
  co_await engine_->close();
}

}  // namespace marketplace
