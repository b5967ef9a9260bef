// What every FileSystem promises, on the operating system's files and on those in memory.
#include "os/file_system.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "os/clock.h"
#include "testing/random.h"

namespace strata::os {
namespace {

class FileSystemTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      char pattern[] = "/tmp/strata_os_XXXXXX";
      ASSERT_NE(::mkdtemp(pattern), nullptr);
      folder_ = pattern;
      fs_ = &posix_file_system();
    } else {
      memory_ = make_memory_file_system();
      fs_ = memory_.get();
      folder_ = "/data";
      ASSERT_TRUE(fs_->create_folder(folder_).is_ok());
    }
  }
  void TearDown() override {
    if (GetParam()) std::filesystem::remove_all(folder_);
  }

  bool on_disk() const { return GetParam(); }
  std::string path(const std::string& name) const { return join_path(folder_, name); }
  std::unique_ptr<File> create(const std::string& name) {
    auto file = fs_->open(path(name), OpenMode::kCreateNew);
    EXPECT_TRUE(file.is_ok()) << file.status().to_string();
    return std::move(file).value();
  }
  static std::string read(File& file, uint64_t offset, size_t n) {
    std::string out(n, '?');
    const auto got = file.read(offset, n, out.data());
    EXPECT_TRUE(got.is_ok()) << got.status().to_string();
    out.resize(*got);
    return out;
  }
  Code open_code(const std::string& name, OpenMode mode) { return fs_->open(name, mode).status().code(); }

  FileSystem* fs_ = nullptr;
  std::string folder_;

 private:
  std::unique_ptr<FileSystem> memory_;
};

TEST_P(FileSystemTest, ShortWritesAreWritesLikeOthers) {
  testing::Random random(testing::test_seed(20));
  const auto file = create("log");
  std::string expected;
  const auto grow_to = [&](uint64_t end) { expected.resize(std::max<size_t>(expected.size(), end)); };
  uint64_t reserved = 0;
  uint64_t at = 0;
  for (int step = 0; step < 20'000; ++step) {
    const uint64_t choice = random.below(1000);
    if (choice < 2) {
      reserved = std::max(reserved, at + random.below(3u << 20));
      ASSERT_TRUE(file->reserve(reserved).is_ok());
      grow_to(reserved);
    } else if (choice < 4) {
      ASSERT_TRUE(file->sync().is_ok());
    } else if (choice < 5) {
      const uint64_t bytes = random.below(expected.size() + 1);
      ASSERT_TRUE(file->truncate(bytes).is_ok());
      expected.resize(bytes);
      at = reserved = bytes;
    } else if (choice < 8) {
      at = random.below(expected.size() + 1);
    } else {
      const std::string bytes(random.one_in(50) ? random.below(60'000) : random.below(300),
                              'a' + static_cast<char>(step % 26));
      const Status written = random.one_in(20) ? file->write(at, bytes) : file->write_short(at, bytes);
      ASSERT_TRUE(written.is_ok()) << written.to_string();
      if (!bytes.empty()) grow_to(at + bytes.size());
      std::copy(bytes.begin(), bytes.end(), expected.begin() + static_cast<std::ptrdiff_t>(at));
      at += bytes.size();
    }
    if (random.one_in(40)) {
      const uint64_t from = random.below(expected.size() + 1);
      const uint64_t n = random.below(9000);
      ASSERT_EQ(read(*file, from, n), expected.substr(from, n));
    }
  }
  ASSERT_EQ(read(*file, 0, expected.size() + 1), expected);
}

// The write survives its process, however that ends.
TEST_P(FileSystemTest, ShortWritesSurviveAKill) {
  if (!on_disk()) GTEST_SKIP() << "memory dies with its process";
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto file = std::move(fs_->open(path("log"), OpenMode::kCreateNew)).value();
    bool good = file->reserve(1u << 20).is_ok();
    for (uint64_t i = 0; good && i < 10'000; ++i)
      good = file->write_short(i * 10, std::to_string(1'000'000'000 + i)).is_ok();
    good = good && ::write(ready[1], "!", 1) == 1;
    ::pause();
    ::_exit(good ? 0 : 1);
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  const auto file = std::move(fs_->open(path("log"), OpenMode::kRead)).value();
  for (uint64_t i = 0; i < 10'000; ++i) ASSERT_EQ(read(*file, i * 10, 10), std::to_string(1'000'000'000 + i));
}

INSTANTIATE_TEST_SUITE_P(All, FileSystemTest, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "Posix" : "Memory"; });

TEST_P(FileSystemTest, WritesComeBackAcrossHandles) {
  const auto file = create("a");
  ASSERT_TRUE(file->write(0, "hello").is_ok());
  ASSERT_TRUE(file->write(5, " world").is_ok());
  ASSERT_TRUE(file->write(0, "J").is_ok());
  ASSERT_TRUE(file->sync().is_ok());
  EXPECT_EQ(*file->size(), 11u);
  const auto other = fs_->open(path("a"), OpenMode::kRead);
  ASSERT_TRUE(other.is_ok());
  EXPECT_EQ(read(**other, 0, 100), "Jello world");
  EXPECT_EQ(read(**other, 6, 3), "wor");
  EXPECT_EQ(read(**other, 11, 3), "");
  EXPECT_EQ(read(**other, 1u << 20, 3), "");
}

TEST_P(FileSystemTest, HolesReadAsZeros) {
  const auto file = create("a");
  ASSERT_TRUE(file->write(100'000, "x").is_ok());
  EXPECT_EQ(*file->size(), 100'001u);
  EXPECT_EQ(read(*file, 0, 100'000), std::string(100'000, '\0'));
  EXPECT_EQ(read(*file, 99'999, 5), std::string("\0x", 2));
}

TEST_P(FileSystemTest, LargeWritesAtOddOffsetsComeBack) {
  const auto file = create("a");
  std::string expected;
  for (size_t i = 0; expected.size() < 3'000'000; ++i) {
    const std::string part(1 + i * 7919 % 70'001, static_cast<char>('a' + i % 26));
    ASSERT_TRUE(file->write(expected.size(), part).is_ok());
    expected += part;
  }
  EXPECT_EQ(read(*file, 0, expected.size() + 10), expected);
  EXPECT_EQ(read(*file, 4095, 8195), expected.substr(4095, 8195));
}

TEST_P(FileSystemTest, CutBytesDoNotComeBack) {
  const auto file = create("a");
  ASSERT_TRUE(file->write(0, std::string(20'000, 'x')).is_ok());
  ASSERT_TRUE(file->truncate(5'000).is_ok());
  EXPECT_EQ(*file->size(), 5'000u);
  ASSERT_TRUE(file->truncate(30'000).is_ok());
  EXPECT_EQ(read(*file, 0, 30'000), std::string(5'000, 'x') + std::string(25'000, '\0'));
}

TEST_P(FileSystemTest, ReserveExtendsAndKeepsContents) {
  const auto file = create("a");
  ASSERT_TRUE(file->write(0, "abc").is_ok());
  ASSERT_TRUE(file->reserve(70'000).is_ok());
  EXPECT_EQ(*file->size(), 70'000u);
  EXPECT_EQ(read(*file, 0, 5), std::string("abc\0\0", 5));
  ASSERT_TRUE(file->reserve(10).is_ok());
  EXPECT_EQ(*file->size(), 70'000u);
}

TEST_P(FileSystemTest, OpenModesSayWhatMustExist) {
  EXPECT_EQ(open_code(path("a"), OpenMode::kRead), Code::kIoError);
  EXPECT_EQ(open_code(path("a"), OpenMode::kReadWrite), Code::kIoError);
  create("a");
  EXPECT_EQ(open_code(path("a"), OpenMode::kCreateNew), Code::kIoError);
  EXPECT_EQ(open_code(path("a"), OpenMode::kReadWrite), Code::kOk);
  EXPECT_EQ(open_code(path("no/such/folder"), OpenMode::kCreateNew), Code::kIoError);
}

TEST_P(FileSystemTest, ReadHandleRefusesWrites) {
  create("a");
  const auto file = fs_->open(path("a"), OpenMode::kRead);
  EXPECT_FALSE((*file)->write(0, "x").is_ok());
  EXPECT_FALSE((*file)->truncate(0).is_ok());
  EXPECT_EQ(*(*file)->size(), 0u);
}

TEST_P(FileSystemTest, ErrorsNameOperationAndPath) {
  const Status status = fs_->open(path("missing"), OpenMode::kRead).status();
  EXPECT_NE(status.message().find("cannot open " + path("missing")), std::string::npos) << status.to_string();
}

TEST_P(FileSystemTest, ListsNamesSorted) {
  create("b");
  create("a");
  ASSERT_TRUE(fs_->create_folder(path("c/d")).is_ok());
  create("c/deep");
  EXPECT_EQ(*fs_->list(folder_), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(*fs_->list(path("c/")), (std::vector<std::string>{"d", "deep"}));
  EXPECT_EQ(fs_->list(path("missing")).status().code(), Code::kIoError);
}

TEST_P(FileSystemTest, RemoveAndExists) {
  create("a");
  EXPECT_TRUE(*fs_->exists(path("a")));
  EXPECT_TRUE(*fs_->exists(folder_));
  ASSERT_TRUE(fs_->remove(path("a")).is_ok());
  EXPECT_FALSE(*fs_->exists(path("a")));
  EXPECT_EQ(fs_->remove(path("a")).code(), Code::kIoError);
  EXPECT_FALSE(*fs_->exists(path("a/b")));
  ASSERT_TRUE(fs_->create_folder(path("c")).is_ok());
  create("c/d");
  EXPECT_FALSE(fs_->remove(path("c")).is_ok());
  ASSERT_TRUE(fs_->remove(path("c/d")).is_ok());
  EXPECT_TRUE(fs_->remove(path("c")).is_ok());
}

TEST_P(FileSystemTest, RemovedFileLivesForItsHandles) {
  const auto file = create("a");
  ASSERT_TRUE(file->write(0, "abc").is_ok());
  ASSERT_TRUE(fs_->remove(path("a")).is_ok());
  EXPECT_EQ(read(*file, 0, 3), "abc");
}

TEST_P(FileSystemTest, RenameReplaces) {
  ASSERT_TRUE(create("a")->write(0, "new").is_ok());
  ASSERT_TRUE(create("b")->write(0, "old").is_ok());
  ASSERT_TRUE(fs_->rename(path("a"), path("b")).is_ok());
  EXPECT_FALSE(*fs_->exists(path("a")));
  EXPECT_EQ(read(**fs_->open(path("b"), OpenMode::kRead), 0, 10), "new");
  EXPECT_FALSE(fs_->rename(path("a"), path("c")).is_ok());
}

TEST_P(FileSystemTest, FoldersAreMadeWithTheirParents) {
  ASSERT_TRUE(fs_->create_folder(path("x/y/z")).is_ok());
  EXPECT_TRUE(fs_->create_folder(path("x/y/z")).is_ok());
  EXPECT_TRUE(*fs_->exists(path("x/y")));
  EXPECT_TRUE(fs_->sync_folder(path("x/y")).is_ok());
  create("file");
  EXPECT_EQ(fs_->create_folder(path("file")).code(), Code::kInvalidPathName);
  EXPECT_EQ(fs_->create_folder(path("file/below")).code(), Code::kInvalidPathName);
}

TEST_P(FileSystemTest, IdentityIsThatOfTheFolderNotOfItsName) {
  ASSERT_TRUE(fs_->create_folder(path("x")).is_ok());
  EXPECT_EQ(*fs_->identity(folder_), *fs_->identity(folder_ + "/"));
  EXPECT_FALSE(*fs_->identity(folder_) == *fs_->identity(path("x")));
  EXPECT_FALSE(fs_->identity(path("missing")).is_ok());
}

TEST_P(FileSystemTest, LocksOfOneProcessConflict) {
  auto writer = fs_->lock(path("lock"), LockMode::kExclusive);
  ASSERT_TRUE(writer.is_ok()) << writer.status().to_string();
  const Status second = fs_->lock(path("lock"), LockMode::kExclusive).status();
  EXPECT_EQ(second.code(), Code::kDatabaseLocked);
  EXPECT_NE(second.message().find("database " + folder_ + " is in use"), std::string::npos) << second.to_string();
  EXPECT_EQ(fs_->lock(path("lock"), LockMode::kShared).status().code(), Code::kDatabaseLocked);
  writer = Status::error(Code::kClosed, "dropped");

  auto reader = fs_->lock(path("lock"), LockMode::kShared);
  auto reader2 = fs_->lock(path("lock"), LockMode::kShared);
  EXPECT_TRUE(reader.is_ok() && reader2.is_ok());
  EXPECT_EQ(fs_->lock(path("lock"), LockMode::kExclusive).status().code(), Code::kDatabaseLocked);
  reader = Status::error(Code::kClosed, "dropped");
  EXPECT_EQ(fs_->lock(path("lock"), LockMode::kExclusive).status().code(), Code::kDatabaseLocked);
  reader2 = Status::error(Code::kClosed, "dropped");
  EXPECT_TRUE(fs_->lock(path("lock"), LockMode::kExclusive).is_ok());
}

TEST_P(FileSystemTest, SharedLockMakesNoFile) {
  EXPECT_EQ(fs_->lock(path("lock"), LockMode::kShared).status().code(), Code::kIoError);
  EXPECT_FALSE(*fs_->exists(path("lock")));
}

TEST_P(FileSystemTest, ThreadsWriteAndReadTheirOwnRanges) {
  const auto file = create("a");
  constexpr int kThreads = 4;
  constexpr int kRounds = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const std::string bytes(100, static_cast<char>('a' + t));
      for (int i = 0; i < kRounds; ++i) {
        const uint64_t at = static_cast<uint64_t>(i * kThreads + t) * 100;
        if (!file->write(at, bytes).is_ok() || read(*file, at, 100) != bytes) ADD_FAILURE() << "at " << at;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(*file->size(), uint64_t{kThreads} * kRounds * 100);
}

TEST_P(FileSystemTest, FreeBytesAreKnownOnDiskOnly) {
  const auto free = fs_->free_bytes(folder_);
  ASSERT_TRUE(free.is_ok());
  EXPECT_EQ(free->has_value(), on_disk());
}

class PosixTest : public FileSystemTest {};
INSTANTIATE_TEST_SUITE_P(Disk, PosixTest, ::testing::Values(true));

TEST_P(PosixTest, LockedMessageNamesTheHolder) {
  const auto held = fs_->lock(path("lock"), LockMode::kExclusive);
  ASSERT_TRUE(held.is_ok());
  EXPECT_EQ(fs_->lock(path("lock"), LockMode::kExclusive).status().message(),
            "database " + folder_ + " is in use by process " + std::to_string(::getpid()));
}

TEST_P(PosixTest, LockedByReadersNamesNoStalePid) {
  std::ofstream(path("lock")) << "4242\n";  // left by a writer that was killed
  const auto held = fs_->lock(path("lock"), LockMode::kShared);
  ASSERT_TRUE(held.is_ok());
  const Status status = fs_->lock(path("lock"), LockMode::kExclusive).status();
  EXPECT_EQ(status.code(), Code::kDatabaseLocked);
  EXPECT_EQ(status.message().find("4242"), std::string::npos) << status.to_string();
}

TEST_P(PosixTest, LockOfAKilledProcessIsFree) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto held = fs_->lock(path("lock"), LockMode::kExclusive);
    const char answer = held.is_ok() ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_EQ(fs_->lock(path("lock"), LockMode::kExclusive).status().message(),
            "database " + folder_ + " is in use by process " + std::to_string(child));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  EXPECT_TRUE(fs_->lock(path("lock"), LockMode::kExclusive).is_ok());
}

// A child drops its copy of the lock object without dropping the parent's lock or its pid.
TEST_P(PosixTest, ForkedChildDoesNotUnlockTheParent) {
  auto held = std::make_unique<Result<std::unique_ptr<FileLock>>>(fs_->lock(path("lock"), LockMode::kExclusive));
  const pid_t child = ::fork();
  if (child == 0) {
    held.reset();
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(fs_->lock(path("lock"), LockMode::kExclusive).status().message(),
            "database " + folder_ + " is in use by process " + std::to_string(::getpid()));
}

TEST_P(PosixTest, OpeningAnotherDescriptorDoesNotDropTheLock) {
  const auto held = fs_->lock(path("lock"), LockMode::kExclusive);
  { std::ifstream once(path("lock")); }
  EXPECT_EQ(fs_->lock(path("lock"), LockMode::kExclusive).status().code(), Code::kDatabaseLocked);
}

TEST_P(PosixTest, SystemErrorsAreMapped) {
  create("file");
  EXPECT_EQ(open_code(path("file/below"), OpenMode::kRead), Code::kInvalidPathName);
  EXPECT_EQ(open_code(path(std::string(300, 'n')), OpenMode::kCreateNew), Code::kInvalidPathName);
  EXPECT_EQ(open_code(path(std::string("a\0b", 3)), OpenMode::kCreateNew), Code::kInvalidPathName);
  EXPECT_EQ(open_code("", OpenMode::kRead), Code::kInvalidPathName);
  EXPECT_EQ(open_code(folder_, OpenMode::kReadWrite), Code::kInvalidPathName);
  EXPECT_EQ(fs_->list(path("file")).status().code(), Code::kInvalidPathName);
  if (::geteuid() != 0) {
    std::filesystem::permissions(path("file"), std::filesystem::perms::none);
    EXPECT_EQ(open_code(path("file"), OpenMode::kRead), Code::kPermissionDenied);
  }
}

TEST_P(PosixTest, FullDeviceIsDiskFull) {
  auto full = fs_->open("/dev/full", OpenMode::kReadWrite);
  if (!full.is_ok()) GTEST_SKIP() << "no /dev/full here";
  EXPECT_EQ((*full)->write(0, "x").code(), Code::kDiskFull);
}

TEST_P(PosixTest, FilesNeverTakeTheNumbersOfTheStandardStreams) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(0);
    ::close(1);
    ::close(2);
    const auto file = fs_->open(path("a"), OpenMode::kCreateNew);
    const bool free = ::fcntl(0, F_GETFD) < 0 && ::fcntl(1, F_GETFD) < 0 && ::fcntl(2, F_GETFD) < 0;
    ::_exit(file.is_ok() && free ? 0 : 1);
  }
  int answer = 0;
  ::waitpid(child, &answer, 0);
  EXPECT_TRUE(WIFEXITED(answer) && WEXITSTATUS(answer) == 0);
}

TEST(PathTest, JoinAndSplit) {
  EXPECT_EQ(join_path("a", "b"), "a/b");
  EXPECT_EQ(join_path("/", "b"), "/b");
  EXPECT_EQ(join_path("", "b"), "b");
  EXPECT_EQ(folder_of("a/b/c"), "a/b");
  EXPECT_EQ(folder_of("a/b//"), "a");
  EXPECT_EQ(folder_of("c"), ".");
  EXPECT_EQ(folder_of("/c"), "/");
  EXPECT_EQ(name_of("a/b/"), "b");
  EXPECT_EQ(name_of("b"), "b");
}

TEST(ClockTest, MonotonicDoesNotStepBack) {
  uint64_t last = system_clock().monotonic_micros();
  for (int i = 0; i < 1000; ++i) {
    const uint64_t now = system_clock().monotonic_micros();
    EXPECT_GE(now, last);
    last = now;
  }
  EXPECT_GT(system_clock().now_micros(), 1'700'000'000'000'000u);
}

}  // namespace
}  // namespace strata::os
