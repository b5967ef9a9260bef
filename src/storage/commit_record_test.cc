#include "storage/commit_record.h"

#include <gtest/gtest.h>

#include <random>

#include "base/checksum.h"
#include "storage/log_test_support.h"
#include "storage/log_window.h"

namespace strata::storage {
namespace {

constexpr uint64_t kDatabase = 77;

struct Made {
  std::string key;
  std::string value;
  std::vector<LogPosition> pointers;
  std::string old_value;
  std::optional<BeforeImage> before;
  Entity entity;
};

std::unique_ptr<Made> random_entity(std::mt19937_64& random) {
  auto made = std::make_unique<Made>();
  made->key = body_of(random(), random() % 40);
  made->entity.tombstone = random() % 4 == 0;
  if (!made->entity.tombstone) made->value = body_of(random(), random() % 5 == 0 ? random() % 3000 : random() % 200);
  made->entity.version = 1 + random() % 1000;
  made->entity.timestamp = random();
  made->pointers.resize(pointer_levels(made->entity.version));
  for (LogPosition& pointer : made->pointers) pointer = random();
  if (random() % 3 == 0) {
    BeforeImage before;
    before.tombstone = random() % 2 == 0;
    before.timestamp = random();
    before.version = random() % 100000;
    before.position = random();
    before.large = random() % 2 == 0;
    if (before.large) {
      before.large_position = random();
      before.large_bytes = random() % 1'000'000;
    } else {
      made->old_value = body_of(random(), random() % 300);
      before.value = made->old_value;
    }
    made->before = before;
  }
  made->entity.key = made->key;
  made->entity.value = made->value;
  made->entity.pointers = made->pointers;
  made->entity.before = made->before ? &*made->before : nullptr;
  return made;
}

void expect_equal(const EntityView& seen, const Entity& made) {
  EXPECT_EQ(seen.key(), made.key);
  EXPECT_EQ(seen.value(), made.value);
  EXPECT_EQ(seen.tombstone(), made.tombstone);
  EXPECT_EQ(seen.version(), made.version);
  EXPECT_EQ(seen.timestamp(), made.timestamp);
  ASSERT_EQ(seen.pointer_count(), made.pointers.size());
  for (uint32_t i = 0; i < seen.pointer_count(); ++i) EXPECT_EQ(seen.pointer(i), made.pointers[i]);
  ASSERT_EQ(seen.before().has_value(), made.before != nullptr);
  if (made.before == nullptr) return;
  EXPECT_EQ(seen.before()->tombstone, made.before->tombstone);
  EXPECT_EQ(seen.before()->timestamp, made.before->timestamp);
  EXPECT_EQ(seen.before()->version, made.before->version);
  EXPECT_EQ(seen.before()->position, made.before->position);
  EXPECT_EQ(seen.before()->large, made.before->large);
  EXPECT_EQ(seen.before()->value, made.before->value);
  EXPECT_EQ(seen.before()->large_position, made.before->large_position);
  EXPECT_EQ(seen.before()->large_bytes, made.before->large_bytes);
}

TEST(CommitRecordTest, RoundTripsRandomRecords) {
  std::mt19937_64 random(test_seed());
  RecordBuilder builder(kDatabase);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::unique_ptr<Made>> made(random() % 8);
    const std::string message = random() % 2 == 0 ? "" : body_of(random(), 1 + random() % 50);
    const std::string payload = random() % 2 == 0 ? "" : body_of(random(), 1 + random() % 50);
    const uint64_t branch = random() >> random() % 64;
    builder.begin(RecordKind::kCommit, branch, round, made.size(), message, payload);
    std::vector<uint32_t> offsets;
    for (auto& one : made) {
      one = random_entity(random);
      const uint64_t most = builder.body_bytes_with(one->entity);
      offsets.push_back(builder.add_entity(one->entity));
      EXPECT_LE(builder.size(), most);
    }
    const std::string body(builder.finish());
    const Result<RecordView> record = parse_record(make_position(1, 128), body);
    ASSERT_TRUE(record.is_ok()) << record.status().to_string();
    EXPECT_EQ(record->kind, RecordKind::kCommit);
    EXPECT_EQ(record->branch, branch);
    EXPECT_EQ(record->previous, static_cast<uint64_t>(round));
    EXPECT_EQ(record->message, message);
    EXPECT_EQ(record->payload, payload);
    EXPECT_EQ(record->entities, made.size());
    EntityReader reader(make_position(1, 128), *record, kDatabase);
    for (size_t i = 0; i < made.size(); ++i) {
      ASSERT_TRUE(*reader.next());
      EXPECT_EQ(reader.offset(), offsets[i]);
      expect_equal(reader.entity(), made[i]->entity);
      EntityView alone;
      ASSERT_TRUE(parse_entity(std::string_view(body).substr(offsets[i]), kDatabase, &alone));
      expect_equal(alone, made[i]->entity);
      EXPECT_EQ(std::string_view(body).substr(offsets[i] + alone.value_offset(), alone.value().size()), alone.value());
      EXPECT_FALSE(parse_entity(std::string_view(body).substr(offsets[i]), kDatabase + 1, &alone));
    }
    EXPECT_FALSE(*reader.next());
  }
}

TEST(CommitRecordTest, DamagedBytesAreNeverReadAsEntities) {
  std::mt19937_64 random(test_seed());
  RecordBuilder builder(kDatabase);
  const auto made = random_entity(random);
  builder.begin(RecordKind::kBranchFork, 3, 5, 1, "message", "payload");
  const uint32_t offset = builder.add_entity(made->entity);
  const std::string body(builder.finish());
  for (size_t at = 0; at < body.size(); ++at) {
    std::string damaged = body;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    EntityView entity;
    const bool good = parse_entity(std::string_view(damaged).substr(offset), kDatabase, &entity);
    EXPECT_EQ(good, at < offset) << at;
    // What is in front of the entities is covered by the record's checksum; parsing must only not run away.
    const Result<RecordView> record = parse_record(0, damaged);
    if (!record.is_ok()) continue;
    EntityReader reader(0, *record, kDatabase);
    while (true) {
      const Result<bool> more = reader.next();
      if (!more.is_ok() || !*more) break;
    }
  }
  for (size_t length = 0; length < body.size(); ++length) {
    const Result<RecordView> record = parse_record(0, std::string_view(body).substr(0, length));
    if (!record.is_ok()) continue;
    EntityReader reader(0, *record, kDatabase);
    EXPECT_FALSE(reader.next().is_ok()) << length;
  }
}

TEST(CommitRecordTest, RandomBytesUnderAValidChecksumAreBounded) {
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = body_of(random(), kEntityFixedBytes + random() % 80);
    bytes[8] = static_cast<char>(random() % 4);
    bytes[9] = static_cast<char>(random() % 6);
    bytes[11] = 0;
    const auto length = static_cast<uint32_t>(bytes.size());
    bytes.replace(4, 4, reinterpret_cast<const char*>(&length), 4);
    const uint32_t sum = base::checksum(std::string_view(bytes).substr(4), kDatabase);
    bytes.replace(0, 4, reinterpret_cast<const char*>(&sum), 4);
    EntityView entity;
    if (!parse_entity(bytes, kDatabase, &entity)) continue;
    EXPECT_LE(entity.key().data() + entity.key().size(), bytes.data() + bytes.size());
    EXPECT_EQ(entity.value().data() + entity.value().size(), bytes.data() + bytes.size());
  }
}

TEST(CommitRecordTest, PointerLevelsAreTrailingZeroDigitsOfBaseFour) {
  for (uint64_t version = 1; version < 5000; ++version) {
    uint32_t levels = 1;
    for (uint64_t v = version; v % 4 == 0; v /= 4) ++levels;
    ASSERT_EQ(pointer_levels(version), levels);
  }
}

class LogWindowTest : public testing::Test {
 protected:
  void SetUp() override {
    STRATA_EXPECT_OK(fs_->create_folder("db"));
    LogOptions options = small_options(fs_.get());
    options.segment_bytes = options.first_segment_bytes = 1u << 20;
    log_ = *CommitLog::open(options, {}, [](const LogRecord&) { return Status::ok(); });
  }
  // Appends one row's next version, with pointers as the rows' keeper would set them.
  void put(std::string_view key, std::string_view value) {
    const uint64_t version = versions_.size() + 1;
    anchors_.resize(16);
    const uint32_t levels = pointer_levels(version);
    builder_.begin(RecordKind::kCommit, 1, 0, 1);
    Entity entity;
    entity.key = key;
    entity.value = value;
    entity.version = version;
    entity.timestamp = version;
    entity.pointers = std::span(anchors_).first(levels);
    const uint32_t offset = builder_.add_entity(entity);
    const std::string_view body = builder_.finish();
    STRATA_EXPECT_OK(log_->prepare(body.size()));
    const LogPosition position = entity_position(*log_->append(version, version, body), offset);
    std::fill_n(anchors_.begin(), levels, position);
    versions_.push_back(position);
  }

  std::unique_ptr<os::FileSystem> fs_ = os::make_memory_file_system();
  std::unique_ptr<CommitLog> log_;
  RecordBuilder builder_{kDatabase};
  std::vector<LogPosition> anchors_;
  std::vector<LogPosition> versions_;
};

TEST_F(LogWindowTest, WalkOverTenThousandVersionsCostsFewReads) {
  for (int i = 0; i < 10'000; ++i) put("key", body_of(static_cast<uint64_t>(i), 100));
  LogWindow window(*log_, kDatabase);
  EntityView entity;
  LogPosition at = versions_.back();
  for (uint64_t version = 10'000; version > 0; --version) {
    STRATA_EXPECT_OK(window.read_entity(at, &entity));
    ASSERT_EQ(entity.version(), version);
    ASSERT_EQ(entity.value(), body_of(version - 1, 100));
    at = entity.pointer(0);
  }
  EXPECT_EQ(at, 0u);
  EXPECT_LT(window.reads(), 80u);
}

TEST_F(LogWindowTest, SkipPointersReachAnyVersionInFewHops) {
  for (int i = 0; i < 10'000; ++i) put("key", "v");
  std::mt19937_64 random(test_seed());
  LogWindow window(*log_, kDatabase);
  uint64_t hops = 0;
  constexpr int kReads = 500;
  for (int i = 0; i < kReads; ++i) {
    const LogPosition wanted = versions_[random() % versions_.size()];
    // The newest record at or below `wanted`: from the anchors down, the lowest pointer that is not too far first.
    LogPosition at = 0;
    for (size_t level = 0; level < anchors_.size() && at == 0; ++level) {
      if (anchors_[level] != 0 && anchors_[level] <= wanted) at = anchors_[level];
    }
    if (at == wanted) continue;
    // Otherwise descend from the highest anchor that is still behind it.
    at = 0;
    for (const LogPosition anchor : anchors_) {
      if (anchor > wanted) at = anchor;
    }
    EntityView entity;
    while (at != wanted) {
      ++hops;
      STRATA_EXPECT_OK(window.read_entity(at, &entity));
      LogPosition next = entity.pointer(0);
      for (uint32_t level = 0; level < entity.pointer_count(); ++level) {
        if (entity.pointer(level) >= wanted) next = entity.pointer(level);
      }
      ASSERT_LT(next, at);
      at = next;
    }
  }
  EXPECT_LT(hops, 15u * kReads);
}

TEST_F(LogWindowTest, ReadsEntitiesOfAllSizesAndRefusesOtherPositions) {
  std::mt19937_64 random(test_seed());
  std::vector<std::string> values;
  for (int i = 0; i < 300; ++i) {
    values.push_back(body_of(random(), random() % 10 == 0 ? random() % 200'000 : random() % 2000));
    put("key", values.back());
  }
  LogWindow window(*log_, kDatabase);
  std::string scratch;
  EntityView entity;
  for (int i = 0; i < 2000; ++i) {
    const size_t one = i < 1000 ? random() % values.size() : static_cast<size_t>(i) % values.size();
    STRATA_EXPECT_OK(read_entity(*log_, kDatabase, versions_[one], &scratch, &entity));
    ASSERT_EQ(entity.value(), values[one]);
    STRATA_EXPECT_OK(window.read_entity(versions_[one], &entity));
    ASSERT_EQ(entity.value(), values[one]);
    const LogPosition wrong = versions_[one] + 1 + random() % 20;
    if (wrong == versions_[one] || wrong >= log_->end()) continue;
    ASSERT_EQ(read_entity(*log_, kDatabase, wrong, &scratch, &entity).code(), Code::kCorruption);
    ASSERT_EQ(window.read_entity(wrong, &entity).code(), Code::kCorruption);
  }
  EXPECT_EQ(read_entity(*log_, kDatabase, make_position(50, 128), &scratch, &entity).code(), Code::kCorruption);
}

}  // namespace
}  // namespace strata::storage
