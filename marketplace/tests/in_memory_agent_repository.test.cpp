// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/asio/wait.hpp>
#include <corolock/async_event.hpp>
#include <marketplace/in_memory_agent_repository.hpp>
#include <marketplace/no_lock.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using marketplace::agent_profile;
using marketplace::agent_repository;
using marketplace::in_memory_agent_repository;
using marketplace::repository_error;
using marketplace::repository_result;
using testing::ElementsAre;
using testing::IsEmpty;
using unlocked_repository = marketplace::basic_in_memory_agent_repository<marketplace::no_lock>;
using profile_result = repository_result<agent_profile>;

std::string id(unsigned number) {
  char text[37];
  std::snprintf(text, sizeof text, "%08x-0000-4000-8000-00000000000a", number);
  return text;
}
agent_profile agent(unsigned number, std::string base_url) {
  agent_profile profile;
  profile.agent_id = id(number);
  profile.agent_name = "agent " + std::to_string(number);
  profile.base_url = std::move(base_url);
  profile.description = "for tests";
  return profile;
}
std::string url(unsigned number) {
  return "https://agent" + std::to_string(number) + ".example";
}

// A call that is under way, or has ended.
template <class T>
struct call {
  std::optional<T> result;
  std::exception_ptr exception;
  asio::cancellation_signal signal;

  [[nodiscard]] bool was_cancelled() const {
    try {
      if (exception) {
        std::rethrow_exception(exception);
      }
    } catch (const boost::system::system_error& error) {
      return error.code() == asio::error::operation_aborted;
    }
    return false;
  }
};

class fixture : public testing::Test {
 protected:
  template <class T>
  std::shared_ptr<call<T>> start(awaitable<T> what) {
    auto started = std::make_shared<call<T>>();
    auto done = [started](const std::exception_ptr& exception, T result) {
      started->exception = exception;
      if (!exception) {
        started->result = std::move(result);
      }
    };
    asio::co_spawn(context_, std::move(what),
                   asio::bind_cancellation_slot(started->signal.slot(), done));
    return started;
  }
  // Until no task can go on.
  void run() {
    context_.restart();
    context_.poll();
  }
  template <class T>
  T finished(awaitable<T> what) {
    auto started = start(std::move(what));
    run();
    return *std::move(started->result);
  }
  std::vector<std::string> ids_in(agent_repository& repository, std::size_t limit = 100,
                                  std::size_t offset = 0) {
    std::vector<std::string> ids;
    const auto agents = finished(repository.list_agents(limit, offset));
    for (const agent_profile& profile : *agents) {
      ids.push_back(profile.agent_id);
    }
    return ids;
  }

  // Lets every other task run once.
  static awaitable<void> give_way(const agent_profile&) { co_await asio::post(use_awaitable); }
  // Waits until the test sets the event.
  marketplace::before_store until_open() {
    return [this](const agent_profile& profile) { return wait_until_open(profile); };
  }
  awaitable<void> wait_until_open(const agent_profile&) {
    ++lookups_;
    co_await corolock::async_wait(open_, use_awaitable);
  }

  asio::io_context context_;
  corolock::async_event open_;
  int lookups_ = 0;
};
using InMemoryAgentRepository = fixture;

TEST_F(InMemoryAgentRepository, ACreatedAgentIsFoundByItsIdInAnyCase) {
  in_memory_agent_repository repository;
  agent_profile profile = agent(0xabc, "https://A.example/");
  profile.agent_id = "00000ABC-0000-4000-8000-00000000000A";
  profile.tags = {"x", "y"};
  profile.version = 7;
  profile.registered_at = marketplace::timestamp(std::chrono::milliseconds(5));
  const auto created = finished(repository.create_agent(profile));
  ASSERT_TRUE(created);
  EXPECT_EQ(created->agent_id, id(0xabc));
  EXPECT_EQ(created->version, 1);
  const auto found = finished(repository.get_agent("00000aBC-0000-4000-8000-00000000000a"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->agent_id, id(0xabc));
  EXPECT_EQ(found->base_url, "https://A.example/");
  EXPECT_EQ(found->registered_at, profile.registered_at);
  EXPECT_THAT(found->tags, ElementsAre("x", "y"));
  EXPECT_TRUE(*finished(repository.agent_exists(profile.agent_id)));
}

TEST_F(InMemoryAgentRepository, AnAgentThatIsNotThereIsNotFound) {
  in_memory_agent_repository repository;
  const auto found = finished(repository.get_agent(id(1)));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().why(), repository_error::kind::not_found);
  EXPECT_EQ(found.error().message(), "there is no agent " + id(1));
  EXPECT_FALSE(*finished(repository.agent_exists(id(1))));
  EXPECT_FALSE(*finished(repository.agent_exists("not a UUID")));
}

TEST_F(InMemoryAgentRepository, ADuplicateBaseUrlIsRefusedAndItsHolderNamedHoweverItIsSpelled) {
  in_memory_agent_repository repository;
  ASSERT_TRUE(finished(repository.create_agent(agent(1, "https://a.example"))));
  const auto refused = finished(repository.create_agent(agent(2, "HTTPS://A.example:443/./")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().why(), repository_error::kind::conflict);
  EXPECT_EQ(refused.error().field(), "base_url");
  EXPECT_EQ(refused.error().holder(), id(1));
  EXPECT_EQ(refused.error().message(), "base_url is held by agent " + id(1));
  EXPECT_THAT(ids_in(repository), ElementsAre(id(1)));
}

TEST_F(InMemoryAgentRepository, ADuplicateIdIsRefusedAndItsHolderNamedInAnyCase) {
  in_memory_agent_repository repository;
  ASSERT_TRUE(finished(repository.create_agent(agent(1, url(1)))));
  agent_profile again = agent(1, url(2));
  again.agent_id.back() = 'A';
  const auto refused = finished(repository.create_agent(again));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().why(), repository_error::kind::conflict);
  EXPECT_EQ(refused.error().field(), "agent_id");
  EXPECT_EQ(refused.error().holder(), id(1));
  // The same agent once more, with the same URL: that is a duplicate of itself.
  const auto repeated = finished(repository.create_agent(agent(1, url(1))));
  ASSERT_FALSE(repeated);
  EXPECT_EQ(repeated.error().holder(), id(1));
}

TEST_F(InMemoryAgentRepository, AProfileThatCannotBeStoredIsInvalidAndTheFieldNamed) {
  in_memory_agent_repository repository;
  const auto bad_url = finished(repository.create_agent(agent(1, "ftp://a.example")));
  ASSERT_FALSE(bad_url);
  EXPECT_EQ(bad_url.error().why(), repository_error::kind::invalid);
  EXPECT_EQ(bad_url.error().message(), "base_url must begin with https://");
  agent_profile no_id = agent(1, url(1));
  no_id.agent_id.clear();
  const auto bad_id = finished(repository.create_agent(no_id));
  ASSERT_FALSE(bad_id);
  EXPECT_EQ(bad_id.error().message(), "agent_id is not a UUID");
  EXPECT_THAT(ids_in(repository), IsEmpty());
}

TEST_F(InMemoryAgentRepository, AgentsAreListedTheLastCreatedFirst) {
  in_memory_agent_repository repository;
  for (unsigned i = 1; i <= 4; ++i) {
    ASSERT_TRUE(finished(repository.create_agent(agent(5 - i, url(i)))));
  }
  EXPECT_THAT(ids_in(repository), ElementsAre(id(1), id(2), id(3), id(4)));
  EXPECT_THAT(ids_in(repository, 2), ElementsAre(id(1), id(2)));
  EXPECT_THAT(ids_in(repository, 2, 3), ElementsAre(id(4)));
  EXPECT_THAT(ids_in(repository, 2, 4), IsEmpty());
  EXPECT_THAT(ids_in(repository, 0), IsEmpty());
}

TEST_F(InMemoryAgentRepository, AnUpdateReplacesTheProfileAndCountsTheVersion) {
  in_memory_agent_repository repository;
  agent_profile profile = agent(1, url(1));
  profile.registered_at = marketplace::timestamp(std::chrono::milliseconds(5));
  agent_profile changed = *finished(repository.create_agent(profile));
  changed.description = "better";
  changed.registered_at = {};
  changed.last_updated_at = marketplace::timestamp(std::chrono::milliseconds(9));
  const auto updated = finished(repository.update_agent(id(1), changed));
  ASSERT_TRUE(updated);
  EXPECT_EQ(updated->version, 2);
  EXPECT_EQ(updated->registered_at, profile.registered_at);
  const auto found = finished(repository.get_agent(id(1)));
  EXPECT_EQ(found->description, "better");
  EXPECT_EQ(found->version, 2);
  EXPECT_EQ(found->last_updated_at, changed.last_updated_at);
}

TEST_F(InMemoryAgentRepository, AnUpdateToABaseUrlOfAnotherAgentIsRefusedAndItsHolderNamed) {
  in_memory_agent_repository repository;
  ASSERT_TRUE(finished(repository.create_agent(agent(1, url(1)))));
  ASSERT_TRUE(finished(repository.create_agent(agent(2, url(2)))));
  const auto refused = finished(repository.update_agent(id(2), agent(2, url(1) + "/")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().why(), repository_error::kind::conflict);
  EXPECT_EQ(refused.error().field(), "base_url");
  EXPECT_EQ(refused.error().holder(), id(1));
  EXPECT_EQ(finished(repository.get_agent(id(2)))->base_url, url(2));
}

TEST_F(InMemoryAgentRepository, AnUpdateToAnIdOfAnotherAgentIsRefusedAndItsHolderNamed) {
  in_memory_agent_repository repository;
  ASSERT_TRUE(finished(repository.create_agent(agent(1, url(1)))));
  ASSERT_TRUE(finished(repository.create_agent(agent(2, url(2)))));
  const auto refused = finished(repository.update_agent(id(2), agent(1, url(2))));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().why(), repository_error::kind::conflict);
  EXPECT_EQ(refused.error().field(), "agent_id");
  EXPECT_EQ(refused.error().holder(), id(1));
  const auto renamed = finished(repository.update_agent(id(2), agent(3, url(2))));
  ASSERT_FALSE(renamed);
  EXPECT_EQ(renamed.error().why(), repository_error::kind::invalid);
  const auto missing = finished(repository.update_agent(id(3), agent(1, url(2))));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().why(), repository_error::kind::not_found);
}

TEST_F(InMemoryAgentRepository, AnUpdateThatMovesAnAgentFreesItsOldBaseUrl) {
  in_memory_agent_repository repository;
  agent_profile moved = *finished(repository.create_agent(agent(1, url(1))));
  moved.base_url = url(2);
  ASSERT_TRUE(finished(repository.update_agent(id(1), moved)));
  EXPECT_TRUE(finished(repository.create_agent(agent(2, url(1)))));
  EXPECT_FALSE(finished(repository.create_agent(agent(3, url(2)))));
}

TEST_F(InMemoryAgentRepository, OfTwoUpdatesOfOneStateTheSecondIsStale) {
  in_memory_agent_repository repository(&give_way);
  ASSERT_TRUE(finished(repository.create_agent(agent(1, url(1)))));
  auto first = start(repository.update_agent(id(1), agent(1, url(2))));
  auto second = start(repository.update_agent(id(1), agent(1, url(3))));
  run();
  EXPECT_TRUE(*first->result);
  ASSERT_FALSE(*second->result);
  EXPECT_EQ(second->result->error().why(), repository_error::kind::stale);
  EXPECT_EQ(finished(repository.get_agent(id(1)))->base_url, url(2));
}

TEST_F(InMemoryAgentRepository, AnUpdateOfAnAgentThatIsNotThereIsNotFound) {
  in_memory_agent_repository repository;
  const auto missing = finished(repository.update_agent(id(1), agent(1, url(1))));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().why(), repository_error::kind::not_found);
}

TEST_F(InMemoryAgentRepository, OfAThousandConcurrentCreatesOfOneUrlExactlyOneSucceeds) {
  in_memory_agent_repository repository(&give_way);
  std::vector<std::shared_ptr<call<profile_result>>> calls;
  for (unsigned i = 1; i <= 1000; ++i) {
    calls.push_back(start(repository.create_agent(agent(i, i % 2 == 0 ? url(1) : url(1) + "/"))));
  }
  run();
  EXPECT_TRUE(*calls[0]->result) << "the first to come is served first";
  for (std::size_t i = 1; i < calls.size(); ++i) {
    ASSERT_FALSE(*calls[i]->result);
    EXPECT_EQ(calls[i]->result->error().holder(), id(1));
  }
  EXPECT_THAT(ids_in(repository, 1000), ElementsAre(id(1)));
}

TEST_F(InMemoryAgentRepository, WithoutTheLockAThousandConcurrentCreatesAllSucceed) {
  unlocked_repository repository(&give_way);
  std::vector<std::shared_ptr<call<profile_result>>> calls;
  for (unsigned i = 1; i <= 1000; ++i) {
    calls.push_back(start(repository.create_agent(agent(i, url(1)))));
  }
  run();
  EXPECT_EQ(ids_in(repository, 2000).size(), 1000U);
}

TEST_F(InMemoryAgentRepository, WithoutTheLockAndWithoutASuspensionPointOneCreateSucceeds) {
  unlocked_repository repository;
  for (unsigned i = 1; i <= 1000; ++i) {
    start(repository.create_agent(agent(i, url(1))));
  }
  run();
  EXPECT_THAT(ids_in(repository, 2000), ElementsAre(id(1)));
}

TEST_F(InMemoryAgentRepository, OfConcurrentCreatesOfOneIdExactlyOneSucceeds) {
  in_memory_agent_repository repository(&give_way);
  for (unsigned i = 1; i <= 100; ++i) {
    start(repository.create_agent(agent(1, url(i))));
  }
  run();
  EXPECT_THAT(ids_in(repository), ElementsAre(id(1)));
}

TEST_F(InMemoryAgentRepository, ACreateAndAnUpdateThatClaimOneUrlDoNotBothSucceed) {
  in_memory_agent_repository repository(&give_way);
  ASSERT_TRUE(finished(repository.create_agent(agent(1, url(1)))));
  auto update = start(repository.update_agent(id(1), agent(1, url(2))));
  auto create = start(repository.create_agent(agent(2, url(2))));
  run();
  EXPECT_TRUE(*update->result);
  ASSERT_FALSE(*create->result);
  EXPECT_EQ(create->result->error().holder(), id(1));
}

TEST_F(InMemoryAgentRepository, CreatesOfOtherAgentsDoNotWait) {
  in_memory_agent_repository repository([this](const agent_profile& profile) -> awaitable<void> {
    if (profile.base_url == url(1)) {
      co_await wait_until_open(profile);
    }
  });
  auto slow = start(repository.create_agent(agent(1, url(1))));
  auto same = start(repository.create_agent(agent(2, url(1))));
  auto other = start(repository.create_agent(agent(3, url(3))));
  run();
  EXPECT_FALSE(slow->result.has_value());
  EXPECT_FALSE(same->result.has_value());
  ASSERT_TRUE(other->result.has_value());
  EXPECT_TRUE(*other->result);
  open_.set();
  run();
  EXPECT_TRUE(*slow->result);
  EXPECT_FALSE(*same->result);
}

TEST_F(InMemoryAgentRepository, CreatesThatClaimTwoKeysCrosswiseDoNotWaitForEachOtherForEver) {
  in_memory_agent_repository repository(&give_way);
  std::vector<std::shared_ptr<call<profile_result>>> calls;
  for (unsigned i = 0; i < 100; ++i) {
    calls.push_back(start(repository.create_agent(agent(2 * i, url(2 * i + 1)))));
    calls.push_back(start(repository.create_agent(agent(2 * i + 1, url(2 * i)))));
    calls.push_back(start(repository.create_agent(agent(2 * i, url(2 * i)))));
    calls.push_back(start(repository.create_agent(agent(2 * i + 1, url(2 * i + 1)))));
  }
  run();
  for (const auto& one : calls) {
    EXPECT_TRUE(one->result.has_value());
  }
  EXPECT_EQ(ids_in(repository, 1000).size(), 200U);
}

TEST_F(InMemoryAgentRepository, ACreateThatIsCancelledWhileItWaitsStoresNothing) {
  in_memory_agent_repository repository(until_open());
  auto first = start(repository.create_agent(agent(1, url(1))));
  auto second = start(repository.create_agent(agent(2, url(1))));
  auto third = start(repository.create_agent(agent(3, url(1))));
  run();
  second->signal.emit(asio::cancellation_type::terminal);
  run();
  EXPECT_TRUE(second->was_cancelled());
  open_.set();
  run();
  EXPECT_TRUE(*first->result);
  ASSERT_FALSE(*third->result);
  EXPECT_EQ(third->result->error().holder(), id(1));
  EXPECT_THAT(ids_in(repository), ElementsAre(id(1)));
}

TEST_F(InMemoryAgentRepository, ACreateThatIsCancelledDuringItsLookupLetsTheNextOneIn) {
  in_memory_agent_repository repository(until_open());
  auto first = start(repository.create_agent(agent(1, url(1))));
  auto second = start(repository.create_agent(agent(2, url(1))));
  run();
  EXPECT_EQ(lookups_, 1);
  first->signal.emit(asio::cancellation_type::terminal);
  run();
  EXPECT_TRUE(first->was_cancelled());
  EXPECT_EQ(lookups_, 2);
  open_.set();
  run();
  EXPECT_TRUE(*second->result);
  EXPECT_THAT(ids_in(repository), ElementsAre(id(2)));
}

TEST_F(InMemoryAgentRepository, ALookupThatThrowsStoresNothingAndLetsTheNextOneIn) {
  in_memory_agent_repository repository([](const agent_profile& profile) -> awaitable<void> {
    co_await asio::post(use_awaitable);
    if (profile.agent_id == id(1)) {
      throw std::runtime_error("no answer");
    }
  });
  auto first = start(repository.create_agent(agent(1, url(1))));
  auto second = start(repository.create_agent(agent(2, url(1))));
  run();
  EXPECT_THROW(std::rethrow_exception(first->exception), std::runtime_error);
  EXPECT_TRUE(*second->result);
  EXPECT_THAT(ids_in(repository), ElementsAre(id(2)));
}

TEST_F(InMemoryAgentRepository, MayBeUsedFromManyThreads) {
  in_memory_agent_repository repository(&give_way);
  std::atomic<int> created = 0;
  asio::thread_pool threads(4);
  const auto count = [&created](const std::exception_ptr&, const profile_result& result) {
    created += result ? 1 : 0;
  };
  for (unsigned i = 0; i < 1000; ++i) {
    asio::co_spawn(threads, repository.create_agent(agent(i, url(i % 10))), count);
    asio::co_spawn(threads, repository.list_agents(1, i % 20),
                   [](const std::exception_ptr&, const auto&) {});
  }
  threads.join();
  EXPECT_EQ(created, 10);
  EXPECT_EQ(ids_in(repository, 1000).size(), 10U);
}

}  // namespace
