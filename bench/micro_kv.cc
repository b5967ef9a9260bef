// What the engine costs without Python: key-value calls on a session, keys of 18 bytes, values of 100 bytes.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "micro_require.h"
#include "strata/branch.h"
#include "strata/kv.h"
#include "strata/session.h"
#include "testing/random.h"

namespace strata {
namespace {

constexpr uint64_t kKeys = 100'000;

// A database of kKeys keys, in memory or in a folder of its own below the working directory.
class Database {
 public:
  explicit Database(bool on_disk) {
    if (on_disk) {
      std::filesystem::remove_all(folder_);
      session_ = require(Session::open(folder_, {}));
    } else {
      session_ = require(Session::open_memory({}));
    }
    for (uint64_t number = 0; number < kKeys; ++number) {
      char text[32];
      std::snprintf(text, sizeof(text), "agent%04u/%08x", static_cast<unsigned>(number / 1000),
                    static_cast<unsigned>(number * 2654435761U));
      keys_.emplace_back(text);
    }
    testing::Random random(1);
    for (size_t i = keys_.size(); i > 1; --i) std::swap(keys_[i - 1], keys_[random.below(i)]);
    for (size_t first = 0; first < keys_.size(); first += 1000) put_thousand(first);
  }
  ~Database() {
    require(session_->close());
    session_.reset();
    std::filesystem::remove_all(folder_);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Session& session() { return *session_; }
  const std::string& any_key() { return keys_[random_.below(keys_.size())]; }

  void put(std::string_view key) {
    Call call(*session_, Call::kWait);
    require(Kv(call).put(key, value_));
  }
  void put_thousand(size_t first) {
    std::vector<Kv::Item> items;
    for (size_t i = 0; i < 1000; ++i) items.push_back({keys_[(first + i) % keys_.size()], value_});
    Call call(*session_, Call::kWait);
    require(Kv(call).put_batch(items));
  }
  size_t list(std::string_view prefix, RowList* rows) {
    rows->clear();
    KvScan what;
    what.prefix = prefix;
    what.keys_only = true;
    Call call(*session_, Call::kWait);
    require(Kv(call).scan(what, rows));
    return rows->size();
  }

 private:
  const std::string folder_ = "micro_kv_data";
  std::unique_ptr<Session> session_;
  std::vector<std::string> keys_;
  std::string value_ = std::string(100, 'v');
  testing::Random random_{2};
};

void put_memory(benchmark::State& state) {
  Database db(false);
  for (auto _ : state) db.put(db.any_key());
}
BENCHMARK(put_memory);

void put_buffered(benchmark::State& state) {
  Database db(true);
  for (auto _ : state) db.put(db.any_key());
}
BENCHMARK(put_buffered);

void batch_of_thousand(benchmark::State& state) {
  Database db(true);
  size_t first = 0;
  for (auto _ : state) db.put_thousand(first += 1000);
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(batch_of_thousand);

void transaction_of_thousand(benchmark::State& state) {
  Database db(true);
  for (auto _ : state) {
    {
      Call call(db.session(), Call::kWait);
      require(call.begin(false, Isolation::kSerializable, std::nullopt));
    }
    for (int i = 0; i < 1000; ++i) db.put(db.any_key());
    Call call(db.session(), Call::kWait);
    require(call.commit(std::nullopt));
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(transaction_of_thousand);

void get(benchmark::State& state) {
  Database db(true);
  std::string value;
  for (auto _ : state) {
    Call call(db.session(), Call::kWait);
    benchmark::DoNotOptimize(require(Kv(call).get(db.any_key(), std::nullopt, &value)));
  }
}
BENCHMARK(get);

void list_prefix_of_thousand(benchmark::State& state) {
  Database db(true);
  RowList rows;
  for (auto _ : state) benchmark::DoNotOptimize(db.list("agent0042/", &rows));
}
BENCHMARK(list_prefix_of_thousand);

void list_all(benchmark::State& state) {
  Database db(true);
  for (auto _ : state) {
    RowList rows;
    benchmark::DoNotOptimize(db.list("", &rows));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kKeys));
}
BENCHMARK(list_all);

void history_of_ten_thousand(benchmark::State& state) {
  Database db(true);
  for (int i = 0; i < 10'000; ++i) db.put("the-key");
  for (auto _ : state) {
    RowList rows;
    Call call(db.session(), Call::kWait);
    require(Kv(call).history("the-key", std::nullopt, &rows));
    benchmark::DoNotOptimize(rows.size());
  }
}
BENCHMARK(history_of_ten_thousand);

}  // namespace
}  // namespace strata
