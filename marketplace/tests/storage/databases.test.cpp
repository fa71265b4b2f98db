// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// What is particular to catalogs in databases: files, disks, servers.

#include "catalogs.hpp"

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>

namespace marketplace_test {
namespace {

using namespace std::chrono_literals;
using marketplace::postgresql_catalog;
using marketplace::sqlite_catalog;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using kind = repository_error::kind;

class SqliteCatalog : public testing::Test {
 protected:
  // What is said of the file when it is opened.
  std::string refusal() const {
    try {
      const sqlite_catalog opened(file_);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "none";
  }
  void write(const std::string& content) const { std::ofstream(file_) << content; }
  [[nodiscard]] std::string content() const {
    std::ifstream in(file_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void execute(const std::string& file, const std::string& statement) const {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, statement.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
  }

  temporary_folder folder_;
  std::string file_ = folder_.file("agents.db");
  runner await;
};

TEST_F(SqliteCatalog, IsThereAfterARestart) {
  std::string secret;
  {
    sqlite_catalog before(file_);
    ASSERT_TRUE(await(before.create(agent(1), by("a"))));
    ASSERT_TRUE(await(before.create(agent(2), by("a"))));
    await(before.remove(id(2), std::nullopt, by("a"))).value();
    secret = await(before.secret()).value();
  }
  sqlite_catalog after(file_);
  EXPECT_EQ(await(after.find(id(1))).value().profile.base_url, agent(1).profile.base_url);
  EXPECT_TRUE(await(after.find(id(2))).value().deleted_at.has_value());
  EXPECT_EQ(await(after.last_change()).value(), 3);
  EXPECT_EQ(await(after.secret()).value(), secret);
  EXPECT_EQ(await(after.create(agent(1), by("a"))).error().field(), "agent_id");
}

// How often the write-ahead log has begun anew: https://sqlite.org/fileformat2.html#walformat.
int beginnings_of_log(const std::string& file) {
  std::ifstream in(file + "-wal", std::ios::binary);
  std::array<unsigned char, 16> header{};
  in.read(reinterpret_cast<char*>(header.data()), header.size());
  return header[12] << 24 | header[13] << 16 | header[14] << 8 | header[15];
}

TEST_F(SqliteCatalog, TheLogOfWhatIsWrittenIsCopiedAndBeginsAnew) {
  int written = 0;
  {
    sqlite_catalog filled(file_);
    while (beginnings_of_log(file_) < 2 && written < 20'000) {
      agent_record large = agent(static_cast<unsigned>(++written));
      large.profile.description = std::string(30'000, 'x');
      ASSERT_TRUE(await(filled.create(std::move(large), by("a"))));
    }
    EXPECT_EQ(beginnings_of_log(file_), 2);
  }
  sqlite_catalog after(file_);
  EXPECT_EQ(await(after.find(id(1))).value().profile.description.size(), 30'000U);
  EXPECT_EQ(
      await(after.find(id(static_cast<unsigned>(written)))).value().profile.description.size(),
      30'000U);
  EXPECT_EQ(await(after.last_change()).value(), written);
}

TEST_F(SqliteCatalog, AFileThatIsNoDatabaseIsRefusedAndLeftAsItWas) {
  const std::string text(5000, 'x');
  write(text);
  EXPECT_THAT(refusal(), AllOf(HasSubstr(file_), HasSubstr("not a database")));
  EXPECT_EQ(content(), text);
}

TEST_F(SqliteCatalog, ACorruptFileIsRefusedAndLeftAsItWas) {
  {
    const sqlite_catalog created(file_);
  }
  std::string bytes = content();
  ASSERT_GT(bytes.size(), 20'000U);
  for (std::size_t i = 9000; i < 18'000; ++i) {
    bytes[i] = static_cast<char>(i);
  }
  write(bytes);
  EXPECT_THAT(refusal(), AllOf(HasSubstr(file_), HasSubstr("corrupt")));
  EXPECT_EQ(content(), bytes);
  bytes.resize(9000);
  write(bytes);
  EXPECT_NE(refusal(), "none") << "it is shorter than it says";
  EXPECT_EQ(content(), bytes);
}

TEST_F(SqliteCatalog, ADatabaseOfAnotherProgramIsRefusedAndLeftAsItWas) {
  execute(file_, "CREATE TABLE recipes (name)");
  const std::string before = content();
  EXPECT_THAT(refusal(), HasSubstr("another program"));
  EXPECT_EQ(content(), before);
}

TEST_F(SqliteCatalog, ADatabaseOfTheFirstVersionIsMigratedWithTheCardsThatItHas) {
  {
    sqlite_catalog created(file_);
    agent_record with_card = agent(1);
    with_card.card_text = R"({"name": "it"})";
    with_card.card_url = "https://agent1.example/card.json";
    ASSERT_TRUE(await(created.create(with_card, by("a"))));
    with_card.profile.agent_id = id(2);
    with_card.profile.base_url = agent(2).profile.base_url;
    with_card.name_claim = "another";
    with_card.urn = "another";
    ASSERT_TRUE(await(created.create(with_card, by("a"))));
    await(created.remove(id(2), std::nullopt, by("a"))).value();
    ASSERT_TRUE(await(created.create(agent(3), by("a"))));
  }
  execute(file_, "DROP TABLE card_looks; UPDATE schema_version SET version = 1");
  for (int opened = 1; opened <= 2; ++opened) {
    sqlite_catalog migrated(file_);
    EXPECT_THAT(await(migrated.cards_to_look_at(at(1'000'000), 10)).value(), ElementsAre(id(1)))
        << opened;
    EXPECT_EQ(await(migrated.last_change()).value(), 4);
  }
}

TEST_F(SqliteCatalog, ADatabaseOfANewerProgramIsRefused) {
  {
    const sqlite_catalog created(file_);
  }
  execute(file_, "UPDATE schema_version SET version = 99");
  EXPECT_THAT(refusal(), HasSubstr("version 99"));
}

TEST_F(SqliteCatalog, AFileThatCannotBeOpenedIsNamed) {
  file_ = folder_.file("none/agents.db");
  EXPECT_THAT(refusal(), AllOf(HasSubstr(file_), HasSubstr("No such file")));
}

// No file of this process may grow beyond `size` while it lives, as on a disk that is full.
class full_disk {
 public:
  explicit full_disk(std::uintmax_t size) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = size;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  full_disk(const full_disk&) = delete;
  full_disk& operator=(const full_disk&) = delete;
  ~full_disk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(SqliteCatalog, AFullDiskStopsWritesOnlyAndNothingIsHalfWritten) {
  sqlite_catalog catalog(file_);
  ASSERT_TRUE(await(catalog.create(agent(1), by("a"))));
  {
    const full_disk full(std::filesystem::file_size(file_ + "-wal"));
    const auto refused = await(catalog.create(agent(2), by("a")));
    EXPECT_EQ(refused.error().why(), kind::unavailable);
    EXPECT_THAT(refused.error().message(), HasSubstr(file_));
    EXPECT_EQ(await(catalog.check_writable()).error().why(), kind::unavailable);
    EXPECT_TRUE(await(catalog.find(id(1))));
    EXPECT_EQ(await(catalog.find(id(2))).error().why(), kind::not_found);
  }
  EXPECT_TRUE(await(catalog.check_writable()).value());
  ASSERT_TRUE(await(catalog.create(agent(2), by("a"))));
  EXPECT_EQ(await(catalog.last_change()).value(), 2);
}

TEST_F(SqliteCatalog, IsCopiedWhileItIsUsed) {
  sqlite_catalog catalog(file_);
  ASSERT_TRUE(await(catalog.create(agent(1), by("a"))));
  const std::string copy = folder_.file("copy.db");
  std::atomic<bool> is_copied = false;
  std::thread other([&] {
    marketplace::backup_sqlite(file_, copy);
    is_copied = true;
  });
  unsigned next = 2;
  while (!is_copied || next < 4) {
    ASSERT_TRUE(await(catalog.create(agent(next++), by("a"))));
  }
  other.join();
  sqlite_catalog copied(copy);
  EXPECT_TRUE(await(copied.find(id(1))));
  marketplace::search_query all;
  EXPECT_EQ(await(copied.count(all)).value(), await(copied.last_change()).value());
  EXPECT_THROW(marketplace::backup_sqlite(file_, copy), std::runtime_error);
  EXPECT_THROW(marketplace::backup_sqlite(folder_.file("none.db"), folder_.file("c")),
               std::runtime_error);
  EXPECT_FALSE(std::filesystem::exists(folder_.file("none.db")));
}

TEST_F(SqliteCatalog, MeasuresWhatItDoes) {
  std::mutex mutex;
  std::vector<std::string> seen;
  sqlite_catalog catalog(file_, [&](std::string_view operation, std::chrono::nanoseconds waited,
                                    std::chrono::nanoseconds took) {
    const std::lock_guard lock(mutex);
    seen.emplace_back(operation);
    EXPECT_GE(waited.count(), 0);
    EXPECT_GT(took.count(), 0);
  });
  await(catalog.create(agent(1), by("a"))).value();
  await(catalog.find(id(1))).value();
  EXPECT_THAT(seen, testing::ElementsAre("create", "find"));
}

TEST_F(SqliteCatalog, TakesNoMoreWhenItIsClosed) {
  sqlite_catalog catalog(file_);
  auto first = boost::asio::co_spawn(await.context(), catalog.create(agent(1), by("a")),
                                     boost::asio::use_future);
  await(catalog.close());
  EXPECT_TRUE(first.get());
  EXPECT_EQ(await(catalog.create(agent(2), by("a"))).error().why(), kind::unavailable);
  EXPECT_TRUE(await(catalog.find(id(1))));
}

class PostgresqlCatalog : public testing::Test {
 protected:
  void SetUp() override {
    if (postgresql_url().empty()) {
      GTEST_SKIP() << "COROLOCK_POSTGRESQL names no server; see with_postgresql.py";
    }
    url_ = new_postgresql_schema();
  }

  std::string url_;
  runner await;
};

TEST_F(PostgresqlCatalog, IsSharedByProcessesThatTellEachOther) {
  postgresql_catalog one(url_);
  postgresql_catalog two(url_);
  std::promise<void> promise;
  std::atomic<int> told = 0;
  // The first call says that it listens, the next one is the change's.
  std::promise<void> listens;
  two.on_change([&] {
    const int count = ++told;
    if (count == 1) {
      listens.set_value();
    } else if (count == 2) {
      promise.set_value();
    }
  });
  ASSERT_EQ(listens.get_future().wait_for(30s), std::future_status::ready);
  ASSERT_TRUE(await(one.create(agent(1), by("a"))));
  EXPECT_EQ(promise.get_future().wait_for(30s), std::future_status::ready);
  EXPECT_TRUE(await(two.find(id(1))));
  EXPECT_EQ(await(one.secret()).value(), await(two.secret()).value());
}

TEST_F(PostgresqlCatalog, OfCreatesFromTwoProcessesExactlyOneWins) {
  postgresql_catalog one(url_);
  postgresql_catalog two(url_);
  int won = 0;
  for (unsigned i = 1; i <= 200; ++i) {
    agent_record record = agent(i);
    record.profile.base_url = "https://one.example";
    catalog& either = i % 2 == 0 ? static_cast<catalog&>(one) : two;
    boost::asio::co_spawn(await.context(), either.create(record, by("a")),
                          [&won](const std::exception_ptr&,
                                 const marketplace::repository_result<agent_record>& result) {
                            won += result ? 1 : 0;
                            EXPECT_TRUE(result || result.error().field() == "base_url");
                          });
  }
  await.run();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(await(two.last_change()).value(), 1);
}

TEST_F(PostgresqlCatalog, ConnectsAgainWhenItsConnectionsWereCut) {
  postgresql_catalog catalog(url_);
  ASSERT_TRUE(await(catalog.create(agent(1), by("a"))));
  ASSERT_TRUE(await(catalog.find(id(1))));
  execute_in_postgresql(
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
      "WHERE application_name = 'marketplace'");
  EXPECT_TRUE(await(catalog.find(id(1))));
  EXPECT_TRUE(await(catalog.create(agent(2), by("a"))));
}

TEST_F(PostgresqlCatalog, AServerThatIsNotThereIsAnErrorWithAReason) {
  try {
    const postgresql_catalog catalog("postgresql://nobody@127.0.0.1:1/none");
    FAIL() << "there is no server";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("refused"));
  }
}

}  // namespace
}  // namespace marketplace_test
