// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "secret.hpp"
#include "stored_agent.hpp"
#include <marketplace/in_memory_catalog.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <tuple>
#include <unordered_map>

namespace marketplace {

namespace {

// An agent's place in a sorted list: by its value, then by the order of registration.
using place = std::pair<std::string, std::int64_t>;

// The order of these texts is that of the times since 1970.
std::string sortable(timestamp time) {
  std::string digits = std::to_string(time.time_since_epoch().count());
  return std::string(20 - std::min<std::size_t>(20, digits.size()), '0') + digits;
}

place place_of(const stored_agent& agent, sort_order sort) {
  switch (sort) {
    case sort_order::updated:
      return {sortable(agent.record.profile.last_updated_at), agent.record.sequence};
    case sort_order::name: return {agent.name_key, agent.record.sequence};
    case sort_order::registered: break;
  }
  return {"", agent.record.sequence};
}

bool has_word(const std::vector<std::string>& words, const std::string& beginning) {
  const auto at = std::lower_bound(words.begin(), words.end(), beginning);
  return at != words.end() && at->starts_with(beginning);
}

// A query, as what an agent is held against.
class filter {
 public:
  explicit filter(const search_query& query)
      : query_(query), terms_(terms_of(query)), words_(words_of(query.text)) {}

  [[nodiscard]] bool admits(const stored_agent& agent) const {
    const agent_record& record = agent.record;
    if (record.deleted_at && (!query_.include_deleted || query_.status)) {
      return false;
    }
    return (!query_.status || record.status == *query_.status) &&
           (!query_.health || record.health == *query_.health) &&
           (!query_.updated_since || record.profile.last_updated_at >= *query_.updated_since) &&
           (query_.base_url_key.empty() || agent.base_url_key == query_.base_url_key) &&
           std::includes(agent.terms.begin(), agent.terms.end(), terms_.begin(), terms_.end()) &&
           std::all_of(words_.begin(), words_.end(),
                       [&](const std::string& word) { return has_word(agent.words, word); });
  }

 private:
  const search_query& query_;
  const std::vector<agent_term> terms_;
  const std::vector<std::string> words_;
};

}  // namespace

// What is stored. Each public function is one step.
class in_memory_catalog::state {
 public:
  repository_result<agent_record> create(agent_record record, const change_context& context) {
    auto wanted = prepared(made_first(std::move(record)));
    if (!wanted) {
      return wanted.error();
    }
    const std::lock_guard lock(mutex_);
    if (auto refusal = why_not(claims_of(*wanted), {})) {
      return *std::move(refusal);
    }
    if (auto refusal = take_reply(context)) {
      return *std::move(refusal);
    }
    wanted->record.sequence = ++last_sequence_;
    stored_agent& agent = agents_.emplace(last_sequence_, *std::move(wanted)).first->second;
    by_id_[agent.record.profile.agent_id] = agent.record.sequence;
    insert_into_indexes(agent);
    if (!agent.record.card_url.empty()) {
      remember_card(agent.record.sequence, context.at);
    }
    changed(agent.record, change_kind::registered, context.at);
    audit(context, "register", agent.record, "", to_json(agent.record));
    return agent.record;
  }

  repository_result<agent_record> replace(agent_record record, const change_context& context,
                                          const std::string& action) {
    auto wanted = prepared(std::move(record));
    if (!wanted) {
      return wanted.error();
    }
    const std::lock_guard lock(mutex_);
    stored_agent* agent = live(wanted->record.profile.agent_id);
    if (agent == nullptr) {
      return repository_error::not_found(wanted->record.profile.agent_id);
    }
    if (agent->record.profile.version != wanted->record.profile.version) {
      return repository_error::stale(agent->record.profile.agent_id);
    }
    wanted->record = made_next(agent->record, std::move(wanted->record));
    agent_claims claims = claims_of(*wanted);
    claims.agent_id.clear();
    if (auto refusal = why_not(claims, agent->record.profile.agent_id)) {
      return *std::move(refusal);
    }
    if (auto refusal = take_reply(context)) {
      return *std::move(refusal);
    }
    const std::string before = to_json(agent->record);
    remove_from_indexes(*agent);
    *agent = *std::move(wanted);
    insert_into_indexes(*agent);
    if (agent->record.card_url.empty()) {
      forget_card(agent->record.sequence);
    } else {
      remember_card(agent->record.sequence, context.at);
    }
    changed(agent->record, change_kind::updated, context.at);
    audit(context, action, agent->record, before, to_json(agent->record));
    return agent->record;
  }

  repository_result<agent_record> remove(const std::string& agent_id,
                                         std::optional<std::int64_t> version,
                                         const change_context& context) {
    const std::lock_guard lock(mutex_);
    stored_agent* agent = live(agent_id);
    if (agent == nullptr) {
      return repository_error::not_found(agent_id);
    }
    if (version && agent->record.profile.version != *version) {
      return repository_error::stale(agent_id);
    }
    if (auto refusal = take_reply(context)) {
      return *std::move(refusal);
    }
    const std::string before = to_json(agent->record);
    remove_from_indexes(*agent);
    agent->record = made_tombstone(std::move(agent->record), context.at);
    insert_into_indexes(*agent);
    forget_card(agent->record.sequence);
    changed(agent->record, change_kind::deleted, context.at);
    audit(context, "delete", agent->record, before, "");
    return agent->record;
  }

  repository_result<agent_record> rotate_owner(const std::string& agent_id, std::string owner,
                                               const change_context& context) {
    const std::lock_guard lock(mutex_);
    stored_agent* agent = live(agent_id);
    if (agent == nullptr) {
      return repository_error::not_found(agent_id);
    }
    if (auto refusal = take_reply(context)) {
      return *std::move(refusal);
    }
    agent->record.owner = std::move(owner);
    const std::string json = to_json(agent->record);
    audit(context, "rotate", agent->record, json, json);
    return agent->record;
  }

  repository_result<agent_record> find(const std::string& agent_id) const {
    const std::lock_guard lock(mutex_);
    const auto found = by_id_.find(agent_id);
    if (found == by_id_.end()) {
      return repository_error::not_found(agent_id);
    }
    return agents_.at(found->second).record;
  }

  repository_result<agent_record> find_by_urn(const std::string& urn) const {
    const std::lock_guard lock(mutex_);
    for (const auto* index : {&by_urn_, &dead_by_urn_}) {
      const auto found = index->find(urn);
      if (found != index->end()) {
        return agents_.at(found->second).record;
      }
    }
    return repository_error::not_found(urn);
  }

  repository_result<std::optional<repository_error>> why_not_claim(
      const agent_claims& claims, const std::string& except) const {
    const std::lock_guard lock(mutex_);
    return why_not(claims, except);
  }

  repository_result<search_page> search(const search_query& query) const {
    const filter wanted(query);
    search_page page;
    std::size_t passed_over = 0;
    const std::lock_guard lock(mutex_);
    each_in_order(query, [&](const stored_agent& agent) {
      if (!wanted.admits(agent) || passed_over++ < query.offset) {
        return true;
      }
      if (page.agents.size() == query.limit) {
        page.has_more = true;
        return false;
      }
      listed_agent listed;
      listed.agent_id = agent.record.profile.agent_id;
      listed.json = to_json(agent.record);
      std::tie(listed.position.value, listed.position.sequence) = place_of(agent, query.sort);
      page.agents.push_back(std::move(listed));
      return true;
    });
    return page;
  }

  repository_result<std::int64_t> count(const search_query& query) const {
    const filter wanted(query);
    const std::lock_guard lock(mutex_);
    return std::count_if(agents_.begin(), agents_.end(),
                         [&](const auto& entry) { return wanted.admits(entry.second); });
  }

  repository_result<std::vector<tag_count>> tags(std::size_t limit) const {
    std::vector<tag_count> counts;
    {
      const std::lock_guard lock(mutex_);
      counts.reserve(tags_.size());
      for (const auto& [tag, agents] : tags_) {
        counts.push_back({tag, agents});
      }
    }
    std::sort(counts.begin(), counts.end(), [](const tag_count& a, const tag_count& b) {
      return std::tie(b.agents, a.tag) < std::tie(a.agents, b.tag);
    });
    counts.resize(std::min(limit, counts.size()));
    return counts;
  }

  repository_result<std::vector<agent_change>> changes(std::int64_t since,
                                                       std::size_t limit) const {
    const std::lock_guard lock(mutex_);
    const std::size_t first =
        std::min(static_cast<std::size_t>(std::max<std::int64_t>(since, 0)), changes_.size());
    const std::size_t size = std::min(limit, changes_.size() - first);
    const auto begin = changes_.begin() + static_cast<std::ptrdiff_t>(first);
    return std::vector<agent_change>(begin, begin + static_cast<std::ptrdiff_t>(size));
  }

  repository_result<std::int64_t> last_change() const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::int64_t>(changes_.size());
  }

  repository_result<std::vector<audit_entry>> history(const std::string& agent_id,
                                                      std::size_t limit) const {
    const std::lock_guard lock(mutex_);
    std::vector<audit_entry> entries;
    const auto found = audit_.find(agent_id);
    if (found != audit_.end()) {
      const auto& all = found->second;
      entries.assign(all.rbegin(),
                     all.rbegin() + static_cast<std::ptrdiff_t>(std::min(limit, all.size())));
    }
    return entries;
  }

  repository_result<agent_record> touch(const std::string& agent_id, std::chrono::seconds ttl,
                                        timestamp now) {
    const std::lock_guard lock(mutex_);
    stored_agent* agent = live(agent_id);
    if (agent == nullptr) {
      return repository_error::not_found(agent_id);
    }
    forget_look(agent->record);
    agent->record.last_seen_at = now;
    agent->record.ttl = ttl;
    set_health(agent->record, agent_health::healthy, now);
    remember_look(agent->record);
    return agent->record;
  }

  repository_result<sweep_result> sweep(timestamp now, timestamp started_at, double at_most) {
    sweep_result result;
    const std::lock_guard lock(mutex_);
    std::erase_if(replies_,
                  [&](const auto& entry) { return entry.second.reply.expires_at <= now; });
    std::vector<std::pair<agent_record*, agent_health>> worse;
    std::size_t healthy_worse = 0;
    for (const auto& [at, sequence] : looks_) {
      if (at > now) {
        break;
      }
      agent_record& record = agents_.at(sequence).record;
      const agent_health health =
          health_at(now, std::max(*record.last_seen_at, started_at), record.ttl);
      if (health > record.health) {
        worse.emplace_back(&record, health);
        healthy_worse += record.health == agent_health::healthy ? 1 : 0;
      }
    }
    if (healthy_worse > 5 &&
        static_cast<double>(healthy_worse) > at_most * static_cast<double>(healthy_)) {
      result.frozen = true;
      return result;
    }
    for (const auto& [record, health] : worse) {
      forget_look(*record);
      set_health(*record, health, now);
      remember_look(*record);
      ++(health == agent_health::stale ? result.stale : result.unreachable);
    }
    return result;
  }

  repository_result<std::vector<std::string>> cards_to_look_at(timestamp before,
                                                               std::size_t limit) const {
    std::vector<std::string> found;
    const std::lock_guard lock(mutex_);
    for (const auto& [at, sequence] : oldest_cards_) {
      if (at >= before || found.size() == limit) {
        break;
      }
      found.push_back(agents_.at(sequence).record.profile.agent_id);
    }
    return found;
  }

  repository_result<bool> looks_at_card(const std::string& agent_id, timestamp now) {
    const std::lock_guard lock(mutex_);
    const stored_agent* agent = live(agent_id);
    if (agent == nullptr || !cards_.contains(agent->record.sequence)) {
      return false;
    }
    forget_card(agent->record.sequence);
    remember_card(agent->record.sequence, now);
    return true;
  }

  repository_result<std::optional<stored_reply>> find_reply(const std::string& scope,
                                                            const std::string& key,
                                                            timestamp now) const {
    const std::lock_guard lock(mutex_);
    std::optional<stored_reply> reply;
    const auto found = replies_.find({scope, key});
    if (found != replies_.end() && found->second.reply.expires_at > now) {
      reply = found->second.reply;
    }
    return reply;
  }

  repository_result<bool> store_reply(stored_reply reply, timestamp now, std::size_t at_most) {
    const std::lock_guard lock(mutex_);
    const bool is_stored = insert_reply(std::move(reply), now);
    std::erase_if(replies_, [&](const auto& entry) {
      return entry.second.reply.expires_at <= now ||
             entry.second.number + static_cast<std::int64_t>(at_most) <= last_reply_;
    });
    return is_stored;
  }

  repository_result<bool> create_key(api_key key) {
    const std::lock_guard lock(mutex_);
    const bool is_new =
        std::none_of(keys_.begin(), keys_.end(), [&](const api_key& k) { return k.id == key.id; });
    if (is_new) {
      keys_.push_back(std::move(key));
    }
    return is_new;
  }

  repository_result<std::vector<api_key>> keys() const {
    const std::lock_guard lock(mutex_);
    return keys_;
  }

  repository_result<bool> revoke_key(const std::string& id, timestamp now) {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(keys_.begin(), keys_.end(), [&](const api_key& k) { return k.id == id; });
    if (found == keys_.end()) {
      return false;
    }
    if (!found->revoked_at) {
      found->revoked_at = now;
    }
    return true;
  }

  repository_result<std::optional<api_key>> find_key(const std::string& sha256) const {
    const std::lock_guard lock(mutex_);
    std::optional<api_key> key;
    const auto found = std::find_if(keys_.begin(), keys_.end(),
                                    [&](const api_key& k) { return k.sha256 == sha256; });
    if (found != keys_.end()) {
      key = *found;
    }
    return key;
  }

  [[nodiscard]] const std::string& secret() const { return secret_; }

  void on_change(std::function<void()> told) { told_ = std::move(told); }
  void tell() const {
    if (told_) {
      told_();
    }
  }

 private:
  struct numbered_reply {
    stored_reply reply;
    std::int64_t number = 0;
  };

  static agent_claims claims_of(const stored_agent& agent) {
    agent_claims claims;
    claims.agent_id = agent.record.profile.agent_id;
    claims.base_url_key = agent.base_url_key;
    claims.name_claim = agent.record.name_claim;
    claims.urn = agent.record.urn;
    return claims;
  }

  [[nodiscard]] std::optional<repository_error> why_not(const agent_claims& claims,
                                                        const std::string& except) const {
    const auto holder = [&](const auto& index, const std::string& key) -> const std::string* {
      const auto found = index.find(key);
      const std::string* id =
          found == index.end() ? nullptr : &agents_.at(found->second).record.profile.agent_id;
      return id == nullptr || *id == except ? nullptr : id;
    };
    const std::string* by_url = holder(by_url_, claims.base_url_key);
    if (by_url != nullptr && *by_url != claims.agent_id) {
      return repository_error::conflict("base_url", *by_url);
    }
    if (const std::string* id = holder(by_id_, claims.agent_id)) {
      return repository_error::conflict("agent_id", *id);
    }
    if (const std::string* id = holder(by_name_, claims.name_claim)) {
      return repository_error::conflict("agent_name", *id);
    }
    if (const std::string* id = holder(by_urn_, claims.urn)) {
      return repository_error::conflict("urn", *id);
    }
    return std::nullopt;
  }

  stored_agent* live(const std::string& agent_id) {
    const auto found = by_id_.find(agent_id);
    if (found == by_id_.end()) {
      return nullptr;
    }
    stored_agent& agent = agents_.at(found->second);
    return agent.record.deleted_at ? nullptr : &agent;
  }

  // Empty keys claim nothing, so they are in no index.
  static void insert(std::unordered_map<std::string, std::int64_t>& index, const std::string& key,
                     std::int64_t sequence) {
    if (!key.empty()) {
      index[key] = sequence;
    }
  }

  void insert_into_indexes(const stored_agent& agent) {
    const agent_record& record = agent.record;
    by_update_.insert(place_of(agent, sort_order::updated));
    by_name_key_.insert(place_of(agent, sort_order::name));
    if (record.deleted_at) {
      insert(dead_by_urn_, record.urn, record.sequence);
      return;
    }
    insert(by_url_, agent.base_url_key, record.sequence);
    insert(by_name_, record.name_claim, record.sequence);
    insert(by_urn_, record.urn, record.sequence);
    for (const agent_term& term : agent.terms) {
      if (term.kind == term_kind::tag) {
        ++tags_[term.text];
      }
    }
    remember_look(record);
  }

  // Precondition: the agent is not deleted.
  void remove_from_indexes(const stored_agent& agent) {
    const agent_record& record = agent.record;
    by_update_.erase(place_of(agent, sort_order::updated));
    by_name_key_.erase(place_of(agent, sort_order::name));
    by_url_.erase(agent.base_url_key);
    by_name_.erase(record.name_claim);
    by_urn_.erase(record.urn);
    for (const agent_term& term : agent.terms) {
      if (term.kind == term_kind::tag && --tags_[term.text] == 0) {
        tags_.erase(term.text);
      }
    }
    forget_look(record);
  }

  void remember_look(const agent_record& record) {
    healthy_ += record.health == agent_health::healthy ? 1 : 0;
    if (const auto at = next_look(record.health, record.last_seen_at, record.ttl)) {
      looks_.emplace(*at, record.sequence);
    }
  }
  void forget_look(const agent_record& record) {
    healthy_ -= record.health == agent_health::healthy ? 1 : 0;
    if (const auto at = next_look(record.health, record.last_seen_at, record.ttl)) {
      looks_.erase({*at, record.sequence});
    }
  }
  void set_health(agent_record& record, agent_health health, timestamp now) {
    if (std::exchange(record.health, health) != health) {
      changed(record, change_kind::health, now);
    }
  }

  // A time that is there already stays: only a look changes it.
  void remember_card(std::int64_t sequence, timestamp now) {
    if (cards_.emplace(sequence, now).second) {
      oldest_cards_.emplace(now, sequence);
    }
  }
  void forget_card(std::int64_t sequence) {
    const auto found = cards_.find(sequence);
    if (found != cards_.end()) {
      oldest_cards_.erase({found->second, sequence});
      cards_.erase(found);
    }
  }

  void changed(agent_record& record, change_kind kind, timestamp at) {
    agent_change change;
    change.sequence = static_cast<std::int64_t>(changes_.size()) + 1;
    change.agent_id = record.profile.agent_id;
    change.kind = kind;
    change.version = record.profile.version;
    change.at = at;
    record.change = change.sequence;
    changes_.push_back(std::move(change));
  }

  void audit(const change_context& context, std::string action, const agent_record& record,
             std::string before, std::string after) {
    audit_entry entry;
    entry.sequence = ++last_audit_;
    entry.at = context.at;
    entry.actor = context.actor;
    entry.action = std::move(action);
    entry.agent_id = record.profile.agent_id;
    entry.before_json = std::move(before);
    entry.after_json = std::move(after);
    entry.request_id = context.request_id;
    audit_[entry.agent_id].push_back(std::move(entry));
  }

  bool insert_reply(stored_reply reply, timestamp now) {
    numbered_reply& there = replies_[{reply.scope, reply.key}];
    if (there.number != 0 && there.reply.expires_at > now) {
      return false;
    }
    there.reply = std::move(reply);
    there.number = ++last_reply_;
    return true;
  }

  std::optional<repository_error> take_reply(const change_context& context) {
    if (context.reply && !insert_reply(*context.reply, context.at)) {
      return reply_conflict(*context.reply);
    }
    return std::nullopt;
  }

  // Calls visit(agent) until it returns false.
  template <class Visit>
  void each_in_order(const search_query& query, Visit visit) const {
    if (query.sort == sort_order::registered) {
      const auto first = [&](const auto& end) {
        return !query.after      ? end
               : query.ascending ? agents_.upper_bound(query.after->sequence)
                                 : agents_.lower_bound(query.after->sequence);
      };
      const auto agent_of = [](const auto& entry) -> const stored_agent& { return entry.second; };
      walk(agents_, query.ascending, first(query.ascending ? agents_.begin() : agents_.end()),
           agent_of, visit);
      return;
    }
    const auto& index = query.sort == sort_order::name ? by_name_key_ : by_update_;
    auto first = query.ascending ? index.begin() : index.end();
    if (query.after) {
      const place after(query.after->value, query.after->sequence);
      first = query.ascending ? index.upper_bound(after) : index.lower_bound(after);
    }
    const auto agent_of = [this](const place& at) -> const stored_agent& {
      return agents_.at(at.second);
    };
    walk(index, query.ascending, first, agent_of, visit);
  }

  template <class Index, class Iterator, class AgentOf, class Visit>
  static void walk(const Index& index, bool ascending, Iterator at, AgentOf agent_of,
                   Visit& visit) {
    if (ascending) {
      while (at != index.end() && visit(agent_of(*at))) {
        ++at;
      }
    } else {
      while (at != index.begin() && visit(agent_of(*std::prev(at)))) {
        --at;
      }
    }
  }

  mutable std::mutex mutex_;
  std::map<std::int64_t, stored_agent> agents_;  // by sequence, as is every index
  std::unordered_map<std::string, std::int64_t> by_id_;
  std::unordered_map<std::string, std::int64_t> by_url_;
  std::unordered_map<std::string, std::int64_t> by_name_;
  std::unordered_map<std::string, std::int64_t> by_urn_;
  std::unordered_map<std::string, std::int64_t> dead_by_urn_;
  std::set<place> by_update_;
  std::set<place> by_name_key_;
  std::set<std::pair<timestamp, std::int64_t>> looks_;
  std::unordered_map<std::int64_t, timestamp> cards_;  // that were fetched: the last look
  std::set<std::pair<timestamp, std::int64_t>> oldest_cards_;
  std::int64_t healthy_ = 0;
  std::map<std::string, std::int64_t> tags_;
  std::deque<agent_change> changes_;
  std::unordered_map<std::string, std::vector<audit_entry>> audit_;
  std::map<std::pair<std::string, std::string>, numbered_reply> replies_;
  std::vector<api_key> keys_;
  std::int64_t last_sequence_ = 0;
  std::int64_t last_audit_ = 0;
  std::int64_t last_reply_ = 0;
  const std::string secret_ = new_secret();
  std::function<void()> told_;
};

in_memory_catalog::in_memory_catalog() : state_(std::make_unique<state>()) {}
in_memory_catalog::~in_memory_catalog() = default;

catalog::result<agent_record> in_memory_catalog::create(agent_record record,
                                                        change_context context) {
  auto created = state_->create(std::move(record), context);
  state_->tell();
  co_return created;
}
catalog::result<agent_record> in_memory_catalog::replace(agent_record record,
                                                         change_context context,
                                                         std::string action) {
  auto replaced = state_->replace(std::move(record), context, action);
  state_->tell();
  co_return replaced;
}
catalog::result<agent_record> in_memory_catalog::remove(std::string agent_id,
                                                        std::optional<std::int64_t> version,
                                                        change_context context) {
  auto removed = state_->remove(agent_id, version, context);
  state_->tell();
  co_return removed;
}
catalog::result<agent_record> in_memory_catalog::rotate_owner(std::string agent_id,
                                                              std::string owner,
                                                              change_context context) {
  co_return state_->rotate_owner(agent_id, std::move(owner), context);
}
catalog::result<agent_record> in_memory_catalog::find(std::string agent_id) {
  co_return state_->find(agent_id);
}
catalog::result<agent_record> in_memory_catalog::find_by_urn(std::string urn) {
  co_return state_->find_by_urn(urn);
}
catalog::result<std::optional<repository_error>> in_memory_catalog::why_not_claim(
    agent_claims claims, std::string except) {
  co_return state_->why_not_claim(claims, except);
}

catalog::result<search_page> in_memory_catalog::search(search_query query) {
  co_return state_->search(query);
}
catalog::result<std::int64_t> in_memory_catalog::count(search_query query) {
  co_return state_->count(query);
}
catalog::result<std::vector<tag_count>> in_memory_catalog::tags(std::size_t limit) {
  co_return state_->tags(limit);
}

catalog::result<std::vector<agent_change>> in_memory_catalog::changes(std::int64_t since,
                                                                      std::size_t limit) {
  co_return state_->changes(since, limit);
}
catalog::result<std::int64_t> in_memory_catalog::last_change() {
  co_return state_->last_change();
}
void in_memory_catalog::on_change(std::function<void()> told) {
  state_->on_change(std::move(told));
}
catalog::result<std::vector<audit_entry>> in_memory_catalog::history(std::string agent_id,
                                                                     std::size_t limit) {
  co_return state_->history(agent_id, limit);
}

catalog::result<agent_record> in_memory_catalog::touch(std::string agent_id,
                                                       std::chrono::seconds ttl, timestamp now) {
  auto touched = state_->touch(agent_id, ttl, now);
  state_->tell();
  co_return touched;
}
catalog::result<sweep_result> in_memory_catalog::sweep(timestamp now, timestamp started_at,
                                                       double at_most) {
  auto swept = state_->sweep(now, started_at, at_most);
  state_->tell();
  co_return swept;
}

catalog::result<std::vector<std::string>> in_memory_catalog::cards_to_look_at(timestamp before,
                                                                              std::size_t limit) {
  co_return state_->cards_to_look_at(before, limit);
}
catalog::result<bool> in_memory_catalog::looks_at_card(std::string agent_id, timestamp now) {
  co_return state_->looks_at_card(agent_id, now);
}

catalog::result<std::optional<stored_reply>> in_memory_catalog::find_reply(std::string scope,
                                                                           std::string key,
                                                                           timestamp now) {
  co_return state_->find_reply(scope, key, now);
}
catalog::result<bool> in_memory_catalog::store_reply(stored_reply reply, timestamp now,
                                                     std::size_t at_most) {
  co_return state_->store_reply(std::move(reply), now, at_most);
}

catalog::result<bool> in_memory_catalog::create_key(api_key key) {
  co_return state_->create_key(std::move(key));
}
catalog::result<std::vector<api_key>> in_memory_catalog::keys() {
  co_return state_->keys();
}
catalog::result<bool> in_memory_catalog::revoke_key(std::string id, timestamp now) {
  co_return state_->revoke_key(id, now);
}
catalog::result<std::optional<api_key>> in_memory_catalog::find_key(std::string sha256) {
  co_return state_->find_key(sha256);
}

catalog::result<std::string> in_memory_catalog::secret() {
  co_return state_->secret();
}
catalog::result<bool> in_memory_catalog::check_writable() {
  co_return true;
}
boost::asio::awaitable<void> in_memory_catalog::close() {
  co_return;
}

}  // namespace marketplace
